// The losses of a sample, and the adjoints of its readout and spike counts.
#pragma once
#include <cmath>

#include "elementary.hpp"
#include "scratch.hpp"

namespace SGPIPE_ISA {

// A gated neuron is active where its output is not 0.
template <class T> static int32_t spikes_of(const Network &net, const Trace<T> &t) {
  return t.start[net.steps] + (net.gated ? t.minus_start[net.steps] : 0);
}

// Regularisers of one layer and sample: adds their loss, and writes the adjoint of the
// spike counts to t.counts. Returns whether that is anywhere nonzero.
template <class T>
static bool regularise(const Network &net, int neurons, int padded, Trace<T> &t, double &loss) {
  std::memset(t.counts, 0, padded * sizeof(T));
  const int32_t spikes = spikes_of(net, t), plus = t.start[net.steps];
  for (int32_t e = 0; e < plus; e++) t.counts[t.units[e]] += T(1);
  for (int32_t e = 0; e < spikes - plus; e++) t.counts[t.minus_units[e]] += T(1);
  double push = 0;
  if (net.upper != 0) {
    const double over = (double)spikes / neurons - net.upper_count;
    if (over > 0) {
      loss += net.upper * (net.upper_power == 1 ? over : over * over);
      push = net.upper * (net.upper_power == 1 ? 1.0 : 2 * over) / neurons;
    }
  }
  bool any = push != 0;
  double lower = 0;
  for (int i = 0; i < neurons; i++) {
    double adjoint = push;
    const double under = net.lower_count - (double)t.counts[i];
    if (net.lower != 0 && under > 0) {
      lower += under * under;
      adjoint -= 2 * net.lower / neurons * under;
      any = true;
    }
    t.counts[i] = T(adjoint);
  }
  loss += net.lower / neurons * lower;
  return any;
}

// The largest of the logits; a tie falls to the first.
template <class T> static int leader(const T *logits, int classes) {
  int best = 0;
  for (int c = 1; c < classes; c++)
    if (logits[c] > logits[best]) best = c;
  return best;
}

// The score of an answer: 1, or 1/m if the label's logit is one of m equal largest ones, or 0.
// Rounded to 32 binary places, so that sums are exact in any order (`objectives.py`).
template <class T> static double rightness(const T *logits, int classes, int64_t label) {
  const T most = logits[leader(logits, classes)];
  int ahead = 0;
  for (int c = 0; c < classes; c++) ahead += logits[c] == most;
  const double unit = 4294967296.0;
  return logits[label] == most ? std::floor(unit / ahead + 0.5) / unit : 0;
}

// Returns the cross-entropy of the logits without label smoothing, and writes the gradient with
// smoothing to g, which may be the same memory.
template <class T>
static double cross_entropy(const Network &net, int vectors, int64_t label, const T *logits, T *g) {
  constexpr int W = LANES<T>;
  const T most = logits[leader(logits, net.classes)];
  const double own = (double)logits[label];
  for (int v = 0; v < vectors; v++) store(g + v * W, exp_negative(load(logits + v * W) - most));
  for (int c = net.classes; c < vectors * W; c++) g[c] = 0;
  double total = 0;
  for (int c = 0; c < net.classes; c++) total += (double)g[c];
  const T scale = T(1 / total);
  for (int v = 0; v < vectors; v++) store(g + v * W, load(g + v * W) * scale);
  if (net.smoothing != 0)
    for (int c = 0; c < net.classes; c++) g[c] -= T(net.smoothing / net.classes);
  g[label] -= T(1 - net.smoothing);
  return std::log(total) - (own - (double)most);
}

}  // namespace SGPIPE_ISA
