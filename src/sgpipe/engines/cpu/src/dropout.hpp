// Which inputs of a hidden layer, and of the network, are dropped: the functions of sgpipe/model/dropout.py. The kept
// inputs of a layer are scaled through its weights, which the driver packs; those of the network are not scaled.
#pragma once
#include "scratch.hpp"

namespace SGPIPE_ISA {

// hashed() of sgpipe/base/rng.py as an integer below 2^53 (SplitMix64, Steele, Lea & Flood 2014).
SGPIPE_INLINE uint64_t hashed(uint64_t key, uint64_t counter) {
  uint64_t z = (counter + 1) * 0x9E3779B97F4A7C15u + key;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (z ^ (z >> 31)) >> 11;
}

constexpr int INPUT = -1;  // in place of a layer: the input of the network itself

// Hashes from this one on are kept. Scaling by a power of two is exact.
inline uint64_t least_kept(const Network &net, int l) {
  return (uint64_t)std::ceil((l == INPUT ? net.input_dropout : net.dropout) * 9007199254740992.0);
}
inline uint64_t dropout_key(const Network &net, int l) { return l == INPUT ? net.input_key : net.dropout_key[l]; }
inline int dropout_units(const Network &net, int l) { return net.fan_in(l == INPUT ? 0 : l); }

// The counter of a layer's first input at a step.
inline uint64_t first_counter(const Network &net, int l, int64_t sample, int step) {
  return ((uint64_t)sample * net.dropout_steps + step) * (uint64_t)dropout_units(net, l);
}

static void keep_events(const Network &net, int l, int64_t sample, Events in, int32_t *kept_start, int32_t *kept_units) {
  const uint64_t least = least_kept(net, l), key = dropout_key(net, l);
  int32_t end = 0;
  for (int n = 0; n < net.steps; n++) {
    const uint64_t counter = first_counter(net, l, sample, n);
    kept_start[n] = end;
    for (int32_t e = in.start[n]; e < in.start[n + 1]; e++) {
      kept_units[end] = in.units[e];
      end += hashed(key, counter + in.units[e]) >= least;
    }
  }
  kept_start[net.steps] = end;
}

// Clears what is dropped in a row of a layer's inputs, or of what flows back to them.
template <class T> static void drop_row(const Network &net, int l, int64_t sample, int step, T *row) {
  const uint64_t least = least_kept(net, l), key = dropout_key(net, l);
  const uint64_t counter = first_counter(net, l, sample, step);
  const int units = dropout_units(net, l);
  for (int j = 0; j < units; j++) row[j] = hashed(key, counter + j) >= least ? row[j] : T(0);
}

template <class T> SGPIPE_INLINE void add_row(T *to, const T *from, int vectors) {
  for (int v = 0; v < vectors; v++) store(to + v * LANES<T>, load(to + v * LANES<T>) + load(from + v * LANES<T>));
}

}  // namespace SGPIPE_ISA
