// Packs the biases of gated neurons, and unpacks their gradients. Those of the four gates lie below one another; in the
// engine each gate is padded.
#pragma once
#include "neurons.hpp"

namespace sgpipe {

// Fills q from the layer's biases; `padded` is the width of a gate.
template <class T>
void pack_gates(const Network &net, const Constants &c, int l, const T *bias, Neurons<T> q, size_t padded) {
  const int units = net.width[l];
  for (int gate = 0; gate < 4; gate++) {
    T *to = std::copy_n(bias + gate * units, units, q.bias + gate * padded);
    std::fill(to, q.bias + (gate + 1) * padded, T(0));
  }
  pack_surrogates(c.surrogate[l], units, q, padded);
}

template <class T>
void unpack_gates(const Network &net, int l, const T *sums, size_t padded, double scale, T *wanted) {
  const int units = net.width[l];
  for (int gate = 0; gate < 4; gate++)
    for (int i = 0; i < units; i++) *wanted++ = T(scale * (double)sums[gate * padded + i]);
}

}  // namespace sgpipe
