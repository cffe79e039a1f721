// Which inputs of a hidden layer are dropped: the function of sgpipe/dropout.py. What is kept is
// scaled by the weights, which the driver packs.
#pragma once
#include "scratch.hpp"

namespace SGPIPE_ISA {

// hashed() of sgpipe/rng.py as an integer below 2^53 (SplitMix64, Steele, Lea & Flood 2014).
SGPIPE_INLINE uint64_t hashed(uint64_t key, uint64_t counter) {
  uint64_t z = (counter + 1) * 0x9E3779B97F4A7C15u + key;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (z ^ (z >> 31)) >> 11;
}

// Values from here on are kept. Scaling by a power of two is exact.
inline uint64_t least_kept(const Network &net) { return (uint64_t)std::ceil(net.dropout * 9007199254740992.0); }

// The counter of a layer's first input at a step.
inline uint64_t first_counter(const Network &net, int l, int64_t sample, int step) {
  return ((uint64_t)sample * net.dropout_steps + step) * (uint64_t)net.fan_in(l);
}

static void keep_events(const Network &net, int l, int64_t sample, Events in, int32_t *kept_start, int32_t *kept_units) {
  const uint64_t least = least_kept(net), key = net.dropout_key[l];
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
  const uint64_t least = least_kept(net), key = net.dropout_key[l];
  const uint64_t counter = first_counter(net, l, sample, step);
  const int units = net.fan_in(l);
  for (int j = 0; j < units; j++) row[j] = hashed(key, counter + j) >= least ? row[j] : T(0);
}

template <class T> SGPIPE_INLINE void add_row(T *to, const T *from, int vectors) {
  for (int v = 0; v < vectors; v++) store(to + v * LANES<T>, load(to + v * LANES<T>) + load(from + v * LANES<T>));
}

}  // namespace SGPIPE_ISA
