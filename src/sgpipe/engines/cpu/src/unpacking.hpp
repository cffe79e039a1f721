// Unpacks gradients of the mean over the batch, to the layout of the caller's weights.
#pragma once
#include <limits>
#include <vector>

#include "gates.hpp"
#include "layout.hpp"

namespace sgpipe {

// Unpacks one matrix (columns of layer l, pre), times `scale`.
template <class T> void unpack_one(const Layout<T> &lay, int l, const T *from, int pre, T scale, T *to) {
  const Entry<T> &entry = lay.entry;
  if (l == lay.net.layers && lay.net.words)
    lay.each_panel([&](int c, int words) {
      entry.transpose(from + (ptrdiff_t)c * pre, pre, words, (ptrdiff_t)lay.panel(), to + (ptrdiff_t)c * pre,
                      (ptrdiff_t)pre, scale);
    });
  else
    lay.each_gate(l, [&](ptrdiff_t row, size_t column, int units) {
      entry.transpose(from + column, pre, units, (ptrdiff_t)lay.columns(l), to + row * pre, (ptrdiff_t)pre, scale);
    });
}

// Adds the embedding's gradient from the words that were read to that from the readout.
template <class T> void add_embedded(const Job<T> &job, int64_t words, T mean, T *wanted) {
  const int inputs = job.net.inputs;
  const T *from = job.embedded;
  for (int64_t word = 0; word < words; word++, from += inputs) {
    T *to = wanted + (ptrdiff_t)job.samples.unit[word] * inputs;
    for (int j = 0; j < inputs; j++) to[j] += mean * from[j];
  }
}

// Writes the sums over `size` samples to the caller's arrays, as means and in its order; NaN if the caller gave
// numbers that are not finite.
template <class T>
void unpack(const Layout<T> &lay, const Job<T> &job, T *sum, int64_t size, bool finite,
            const std::vector<const T *> &given, const std::vector<T *> &wanted) {
  const Network &net = lay.net;
  const Gradients<T> g = lay.gradients(sum);
  const size_t own = neuron_arrays(net).size();
  size_t k = net.tied;
  const double mean = finite ? 1 / (double)size : std::numeric_limits<double>::quiet_NaN();
  auto scaled = [&](T scale) { return finite ? scale / T(size) : std::numeric_limits<T>::quiet_NaN(); };
  for (int l = 0; l <= net.layers; l++) {
    const bool out = l == net.layers;
    const int post = out ? net.classes : net.width[l];
    unpack_one(lay, l, g.forward[l], net.fan_in(l), scaled(lay.forward_scale(l)), wanted[out && net.tied ? 0 : k++]);
    if (out) break;
    if (net.recurrent[l]) {
      unpack_one(lay, l, g.recurrent[l], post, scaled(lay.scale_of(l)), wanted[k++]);
      for (int i = 0; i < post && net.delta; i++) wanted[k - 1][(ptrdiff_t)i * post + i] = T(mean * 0);
    }
    if (net.gated) unpack_gates(net, l, g.neurons[l], lay.padded(post), mean, wanted[k]);
    else if (own && net.own_decays)
      unpack_decays(net, l, g.neurons[l], lay.padded(post), mean, given.data() + k, wanted.data() + k);
    else if (own)
      unpack_neurons(net, l, g.neurons[l], lay.padded(post), mean, given.data() + k, job.weights.neurons[l],
                     wanted.data() + k);
    k += own;
  }
  if (net.tied) return add_embedded(job, size * net.steps, T(mean), wanted[0]);
  for (int c = 0; c < net.classes && net.stacked(); c++) wanted[k][c] = T(mean * (double)g.readout_bias[c]);
}

}  // namespace sgpipe
