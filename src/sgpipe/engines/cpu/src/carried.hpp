// The state that a text's batches pass on: where a layer starts, and where it ends.
#pragma once
#include "scratch.hpp"

namespace SGPIPE_ISA {

// Reads one strand's outputs before its first step, as lists of units; without a state all are 0.
template <class T> static void read_outputs(const Job<T> &job, int l, int64_t strand, Trace<T> &t) {
  t.plus_before = t.minus_before = 0;
  if (!job.state[l][0]) return;
  const int units = job.net.width[l];
  const T *output = job.state[l][0] + strand * units;
  for (int i = 0; i < units; i++)
    if (output[i] > 0) t.before[t.plus_before++] = i;
  for (int i = 0; i < units; i++)
    if (output[i] < 0) t.before[t.plus_before + t.minus_before++] = i;
}

// Reads one strand's voltages, cells or traces into a row of them.
template <class T>
static void read_state(const Job<T> &job, int l, int which, int64_t strand, T *row, int padded) {
  std::memset(row, 0, padded * sizeof(T));
  const int units = job.net.width[l];
  if (const T *state = job.state[l][which]) std::memcpy(row, state + strand * units, units * sizeof(T));
}
template <class T> static void leave_state(const Job<T> &job, int l, int which, int64_t strand, const T *row) {
  const int units = job.net.width[l];
  std::memcpy(job.state[l][which] + strand * units, row, units * sizeof(T));
}

// Writes one strand's outputs of the last step.
template <class T> static void leave_outputs(const Job<T> &job, int l, int64_t strand, const Trace<T> &t) {
  const int units = job.net.width[l], last = job.net.steps - 1;
  T *output = job.state[l][0] + strand * units;
  std::memset(output, 0, units * sizeof(T));
  for (int32_t e = t.start[last]; e < t.start[last + 1]; e++) output[t.units[e]] = 1;
  for (int32_t e = job.net.gated ? t.minus_start[last] : 0; job.net.gated && e < t.minus_start[last + 1]; e++)
    output[t.minus_units[e]] = -1;
}

// Adds the contribution of the outputs before the first step to the gradient of V: the adjoints of the first step.
template <class T> static void gather_before(T *sum, const Trace<T> &t, int vectors) {
  constexpr int W = LANES<T>;
  for (int32_t e = 0; e < t.plus_before + t.minus_before; e++) {
    T *to = sum + (ptrdiff_t)t.before[e] * vectors * W;
    const T sign = e < t.plus_before ? T(1) : T(-1);
    for (int v = 0; v < vectors; v++) store(to + v * W, load(to + v * W) + load(t.history + v * W) * sign);
  }
}

}  // namespace SGPIPE_ISA
