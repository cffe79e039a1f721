// The batch around the blocks: packing, threads, the order of the sums.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <system_error>
#include <thread>
#include <vector>

#include "arena.hpp"
#include "neurons.hpp"

namespace sgpipe {

template <class T> const Entry<T> &entry(const Engine &e);
template <> inline const Entry<float> &entry<float>(const Engine &e) { return e.f32; }
template <> inline const Entry<double> &entry<double>(const Engine &e) { return e.f64; }

template <class T> struct Pieces {
  char *base;
  size_t used = 0;
  T *take(size_t n) {
    T *p = base ? (T *)(base + used) : nullptr;
    used += (n * sizeof(T) + 63) / 64 * 64;
    return p;
  }
};

template <class T> class Batch {
 public:
  Job<T> job;
  Constants constants;
  std::vector<const T *> given;  // W1, (V1), (b1, tau_membrane1, ...), W2, ..., W_out, (b_out)
  std::vector<T *> wanted;       // gradients in the same order, or empty
  int64_t size = 0;
  int threads = 1;

  explicit Batch(const Engine &engine) : entry_(entry<T>(engine)) {}

  Tally run() {
    job.train = !wanted.empty();
    prepare();
    const Network &net = job.net;
    const bool dense = job.samples.dense != nullptr;
    Pieces<T> measure{nullptr};
    lay_out_weights(measure);
    Arena packed = Arena::lease(measure.used);
    Pieces<T> pieces{packed.at()};
    lay_out_weights(pieces);
    const bool finite = pack();

    int together = 1;
    for (int l = 0; l < net.layers; l++)
      if (net.coupled(l)) together = entry_.rows;
    const int64_t blocks = (size + together - 1) / together;
    // Accumulation blocks: fixed by the batch, so that the order of the sums is too.
    const size_t sums = gradient_size();
    // Few if the sums are large beside the work, for each block zeroes and adds them all.
    const double work = cost(), share = work / (double)sums;
    const int parts = (int)std::min<int64_t>(blocks, share > 1000 ? 8 : share > 100 ? 4 : 2);
    // A thread is worth its start if it has some 0.2 ms to do.
    const int workers = std::max(1, std::min({threads, parts, (int)std::min(work / 2e6, 1e6)}));
    const size_t scratch = entry_.scratch(net, job.train, dense, together);
    const size_t own = job.train ? (sums * sizeof(T) + 63) / 64 * 64 : 0;

    std::vector<Tally> tally(parts);
    auto part = [&](int k, char *memory, T *sum) {
      Gradients<T> g = gradients(sum);
      if (job.train) std::fill_n(sum, sums, T(0));
      const int64_t from = blocks * k / parts, to = blocks * (k + 1) / parts;
      entry_.samples(job, from * together, std::min(to * together, size), together, g, tally[k], memory);
    };
    if (workers == 1) {
      Arena memory = Arena::lease(scratch + 2 * own);
      T *sum = (T *)(memory.at() + scratch), *part_sum = (T *)(memory.at() + scratch + own);
      for (int k = 0; k < parts; k++) {
        part(k, memory.at(), k ? part_sum : sum);
        if (k && job.train) entry_.add(sum, part_sum, (int64_t)sums);
      }
      if (job.train) unpack(sum, finite);
    } else {
      Arena all = Arena::lease(own * parts);
      std::atomic<int> next{0};
      std::vector<std::thread> crew;
      auto work_on = [&](char *memory) {
        for (int k; (k = next++) < parts;) part(k, memory, (T *)(all.at() + own * k));
      };
      std::vector<Arena> scratches;
      for (int w = 0; w < workers; w++) scratches.push_back(Arena::lease(scratch));
      crew.reserve(workers);
      try {
        for (int w = 1; w < workers; w++) crew.emplace_back(work_on, scratches[w].at());
      } catch (const std::system_error &) {
        // The machine gives no more threads: those there are do all of it.
      }
      work_on(scratches[0].at());
      for (auto &t : crew) t.join();
      if (job.train) {
        for (int k = 1; k < parts; k++) entry_.add((T *)all.at(), (T *)(all.at() + own * k), (int64_t)sums);
        unpack((T *)all.at(), finite);
      }
    }
    Tally sum;
    for (const Tally &t : tally) {
      if (t.fault != Fault::none) return t;
      sum.loss += t.loss;
      sum.regulariser += t.regulariser;
      sum.correct += t.correct;
      for (int l = 0; l < net.layers; l++) sum.spikes[l] += t.spikes[l];
      sum.moved.resize(std::max(sum.moved.size(), t.moved.size()));
      for (size_t c = 0; c < t.moved.size(); c++) sum.moved[c] |= t.moved[c];
    }
    if (!finite) sum.loss = std::numeric_limits<double>::quiet_NaN();
    return sum;
  }

 private:
  const Entry<T> &entry_;

  void prepare() {
    Network &net = job.net;
    for (int l = 0; l < net.layers; l++)
      net.surrogate[l] = net.delta ? profile_of(constants.surrogate[l]) : constants.surrogate[l].front();
    if (!job.train || net.dropout == 0 || job.samples.dense) return;
    // Room for what is kept of a sample; whether its events make sense is looked at later.
    const Samples &x = job.samples;
    for (int64_t k = 0; k < size; k++) {
      const int64_t events = x.start[job.indices[k] + 1] - x.start[job.indices[k]];
      net.most_events = std::max(net.most_events, std::min(events, x.events));
    }
  }

  // Of the whole batch, a neuron's step being about 8; a unit is a tenth of a nanosecond or less.
  double cost() const {
    double work = 0;
    for (int l = 0; l < job.net.layers; l++)
      work += job.net.width[l] * (8 + (job.net.recurrent[l] ? job.net.width[l] / 8.0 : 0));
    return work * job.net.steps * (double)size;
  }

  int vectors(int n) const { return (n + entry_.lanes - 1) / entry_.lanes; }
  size_t padded(int n) const { return (size_t)vectors(n) * entry_.lanes; }
  // Analog gradients are written in whole tiles of rows.
  size_t sum_rows(int n) const { return (size_t)n + entry_.rows; }

  void lay_out_weights(Pieces<T> &m) {
    const Network &net = job.net;
    for (int l = 0; l <= net.layers; l++) {
      const bool out = l == net.layers;
      auto make = [&](int pre, int post, bool panels, bool plain) {
        Projection<T> p;
        p.slice = net.delta && !out ? SLICE : vectors(post);
        p.pre = pre;
        p.post = post;
        p.pre_vectors = vectors(pre);
        p.post_vectors = vectors(post);
        p.rows = m.take(pre * padded(post));
        p.panels = panels ? m.take(post * padded(pre)) : nullptr;
        p.plain = plain ? m.take(post * padded(pre)) : nullptr;
        return p;
      };
      const int post = out ? net.classes : net.width[l];
      job.weights.forward[l] = make(net.fan_in(l), post, job.train && l > 0 && !out,
                                    job.train && out && net.layers > 0);
      if (!out && net.recurrent[l])
        job.weights.recurrent[l] = make(post, post, job.train && net.coupled(l), false);
      if (!out && net.delta) job.weights.neurons[l] = lay_out_neurons<T>(m, padded(post));
      if (out && net.delta) job.weights.readout_bias = m.take(padded(post));
    }
  }

  // Delta neurons have no connection to themselves.
  bool pack_one(const Projection<T> &p, const T *w, T scale, bool diagonal = true) {
    const bool finite = entry_.finite(w, (int64_t)p.pre * p.post);
    for (int v = 0; v < p.post_vectors; v += p.slice) {
      const int from = v * entry_.lanes, width = std::min(p.slice, p.post_vectors - v) * entry_.lanes;
      const int filled = std::min(width, p.post - from);
      T *slice = p.rows + (size_t)from * p.pre;
      for (int j = 0; j < p.pre; j++) std::fill(slice + j * width + filled, slice + (j + 1) * width, T(0));
      entry_.transpose(w + (size_t)from * p.pre, filled, p.pre, (ptrdiff_t)p.pre, slice, (ptrdiff_t)width, scale);
      for (int j = from; j < from + filled && !diagonal; j++) slice[j * width + j - from] = 0;
    }
    for (T *to : {p.panels, p.plain}) {
      if (!to) continue;
      const int group = to == p.plain ? p.pre_vectors : entry_.panel;
      for (int v = 0; v < p.pre_vectors; v += group) {
        const int width = std::min(group, p.pre_vectors - v) * entry_.lanes;
        const int from = v * entry_.lanes, filled = std::min(width, p.pre - from);
        T *panel = to + (size_t)from * p.post;
        for (int i = 0; i < p.post; i++, panel += width) {
          for (int j = 0; j < filled; j++) panel[j] = scale * w[(ptrdiff_t)i * p.pre + from + j];
          std::fill(panel + filled, panel + width, T(0));
          if (!diagonal && i >= from && i < from + filled) panel[i - from] = 0;
        }
      }
    }
    return finite;
  }
  T scale_of(int l) const {
    if (job.net.delta) return T(1);
    return T(1 - (l == job.net.layers ? job.net.b_out : job.net.b_mem));
  }
  // Of feed-forward weights: what dropout keeps is scaled.
  T forward_scale(int l) const {
    const bool drops = job.train && job.net.dropout != 0 && l < job.net.layers;
    return drops ? T((double)scale_of(l) / (1 - job.net.dropout)) : scale_of(l);
  }
  bool pack() {
    bool finite = true;
    size_t k = 0;
    const Network &net = job.net;
    const size_t own = neuron_arrays(net).size();
    for (int l = 0; l <= net.layers; l++) {
      finite &= pack_one(job.weights.forward[l], given[k++], forward_scale(l));
      if (l == net.layers) break;
      if (net.recurrent[l]) finite &= pack_one(job.weights.recurrent[l], given[k++], scale_of(l), !net.delta);
      for (size_t i = 0; i < own; i++) finite &= entry_.finite(given[k + i], net.width[l]);
      if (net.delta) pack_neurons(net, constants, l, given.data() + k, job.weights.neurons[l], padded(net.width[l]));
      k += own;
    }
    if (net.delta) {
      T *bias = job.weights.readout_bias;
      finite &= entry_.finite(given[k], net.classes);
      std::fill(std::copy_n(given[k], net.classes, bias), bias + padded(net.classes), T(0));
    }
    return finite;
  }

  Gradients<T> gradients(T *sum) const {
    const Network &net = job.net;
    Gradients<T> g;
    for (int l = 0; l <= net.layers; l++) {
      const size_t post = padded(l == net.layers ? net.classes : net.width[l]);
      g.forward[l] = sum;
      sum += sum_rows(net.fan_in(l)) * post;
      if (l < net.layers && net.recurrent[l]) {
        g.recurrent[l] = sum;
        sum += net.width[l] * post;
      }
      if (!net.delta) continue;
      (l < net.layers ? g.neurons[l] : g.readout_bias) = sum;
      sum += (l < net.layers ? NEURON_SUMS : 1) * post;
    }
    return g;
  }
  size_t gradient_size() const {
    const Network &net = job.net;
    size_t n = 0;
    for (int l = 0; l <= net.layers; l++) {
      const size_t post = padded(l == net.layers ? net.classes : net.width[l]);
      n += sum_rows(net.fan_in(l)) * post;
      if (l < net.layers && net.recurrent[l]) n += net.width[l] * post;
      if (net.delta) n += (l < net.layers ? NEURON_SUMS : 1) * post;
    }
    return n;
  }
  // Gradients of the mean over the batch, in the layout of the caller's weights.
  void unpack(T *sum, bool finite) {
    const Network &net = job.net;
    const Gradients<T> g = gradients(sum);
    size_t k = 0;
    auto one = [&](const T *from, int pre, int post, T scale) {
      if (!finite) scale = std::numeric_limits<T>::quiet_NaN();
      entry_.transpose(from, pre, post, (ptrdiff_t)padded(post), wanted[k++], (ptrdiff_t)pre, scale);
    };
    const size_t own = neuron_arrays(net).size();
    const double mean = finite ? 1 / (double)size : std::numeric_limits<double>::quiet_NaN();
    for (int l = 0; l <= net.layers; l++) {
      const int post = l == net.layers ? net.classes : net.width[l];
      one(g.forward[l], net.fan_in(l), post, forward_scale(l) / T(size));
      if (l == net.layers) break;
      if (net.recurrent[l]) {
        one(g.recurrent[l], post, post, scale_of(l) / T(size));
        for (int i = 0; i < post && net.delta; i++) wanted[k - 1][(ptrdiff_t)i * post + i] = T(mean * 0);
      }
      if (own)
        unpack_neurons(net, l, g.neurons[l], padded(post), mean, given.data() + k, job.weights.neurons[l],
                       wanted.data() + k);
      k += own;
    }
    for (int c = 0; c < net.classes && net.delta; c++) wanted[k][c] = T(mean * (double)g.readout_bias[c]);
  }
};

}  // namespace sgpipe
