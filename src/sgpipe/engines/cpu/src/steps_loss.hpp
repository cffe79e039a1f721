// A linear readout at every step, and the losses that see it.
#pragma once
#include "loss.hpp"
#include "signed.hpp"

namespace SGPIPE_ISA {

// Row n of `logits`, NV vectors from v0 on: bias + W S[n].
template <class T, int NV>
static __attribute__((noinline)) void linear_readout(const Projection<T> &w, const T *bias, int v0, int steps,
                                                     Signed in, T *logits) {
  constexpr int W = LANES<T>;
  const ptrdiff_t row = (ptrdiff_t)w.post_vectors * W;
  for (int n = 0; n < steps; n++) {
    Vec<T> y[NV];
    each<NV>([&](auto k) SGPIPE_LAMBDA { y[k] = load(bias + (v0 + k) * W); });
    add_signal<T, NV>(w.rows + v0 * W, row, in, n, y);
    each<NV>([&](auto k) SGPIPE_LAMBDA { store(logits + n * row + (v0 + k) * W, y[k]); });
  }
}

// The cross-entropy of one sample by net.head. The class with the largest entry of `answer` is the
// network's answer; the readout's rows are replaced by their gradients.
template <class T>
static double steps_loss(const Network &net, int vectors, int64_t label, T *readout, T *answer, T *g) {
  constexpr int W = LANES<T>;
  const ptrdiff_t row = (ptrdiff_t)vectors * W;
  const int steps = net.steps;
  if (net.head == Head::max) {
    std::memcpy(answer, readout, row * sizeof(T));
    for (int n = 1; n < steps; n++)
      for (int c = 0; c < row; c++) answer[c] = readout[n * row + c] > answer[c] ? readout[n * row + c] : answer[c];
  } else {
    std::memset(answer, 0, row * sizeof(T));
    for (int n = 0; n < steps; n++) {
      const T *at = readout + n * row;
      const T most = at[leader(at, net.classes)];
      for (int c = 0; c < row; c++) answer[c] += net.by_mode ? T(at[c] == most) : at[c];
    }
  }
  if (net.head == Head::steps) {
    double loss = 0;
    const T share = T(1.0 / steps);
    for (int n = 0; n < steps; n++) {
      T *at = readout + n * row;
      loss += cross_entropy(net, vectors, label, at, at);
      for (int c = 0; c < row; c++) at[c] *= share;
    }
    return loss / steps;
  }
  const double loss = cross_entropy(net, vectors, label, answer, g);
  if (net.head == Head::sum) {
    for (int n = 0; n < steps; n++) std::memcpy(readout + n * row, g, row * sizeof(T));
    return loss;
  }
  // The first step at which a class reached its maximum gets the gradient.
  for (int n = 0; n < steps; n++)
    for (int c = 0; c < row; c++) {
      const bool here = readout[n * row + c] == answer[c];
      readout[n * row + c] = here ? g[c] : T(0);
      if (here) g[c] = 0;
    }
  return loss;
}

}  // namespace SGPIPE_ISA
