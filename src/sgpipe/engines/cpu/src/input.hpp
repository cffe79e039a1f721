// Samples as the scans read them: events indexed by step, analog values in padded rows.
#pragma once
#include "scratch.hpp"

namespace SGPIPE_ISA {

// Finds the first event that would lead out of bounds.
static Fault find_fault(const Network &net, const Samples &x, int64_t first, int64_t last, int64_t &event) {
  for (event = first; event < last; event++) {
    if ((uint32_t)x.unit[event] >= (uint32_t)net.inputs) return Fault::unit;
    if ((uint32_t)x.step[event] >= (uint32_t)net.steps) return Fault::step;
    if (event > first && x.step[event] < x.step[event - 1]) return Fault::order;
  }
  return Fault::none;
}

// Finds where each step's events start among a sample's, without a branch per event.
static Fault index_events(const Network &net, const Samples &x, int64_t i, int32_t *start,
                          int64_t &event) {
  const int64_t first = x.start[i], last = x.start[i + 1];
  if (first < 0 || last < first || last > x.events || last - first > INT32_MAX) return Fault::bounds;
  const int32_t *step = x.step + first, *unit = x.unit + first;
  const int32_t count = (int32_t)(last - first);
  uint32_t bad = 0;
  for (int32_t e = 0; e < count; e++)
    bad |= ((uint32_t)unit[e] >= (uint32_t)net.inputs) | ((uint32_t)step[e] >= (uint32_t)net.steps);
  for (int32_t e = 1; e < count; e++) bad |= step[e] < step[e - 1];
  if (bad) return find_fault(net, x, first, last, event);
  std::memset(start, 0, (net.steps + 1) * sizeof *start);
  for (int32_t e = 0; e < count; e++) start[step[e] + 1] = e + 1;
  for (int n = 1, most = 0; n <= net.steps; n++) start[n] = most = start[n] > most ? start[n] : most;
  return Fault::none;
}

// One sample's analog input or embedded words, the rows padded to whole tiles.
template <class T> static void dense_input(const Job<T> &job, Scratch<T> &m, int64_t i) {
  const Network &net = job.net;
  const int hold = job.samples.hold, frames = net.steps / hold;
  const T *x = (const T *)job.samples.dense + (ptrdiff_t)i * frames * net.inputs;
  const int32_t *word = job.samples.unit + (net.tied ? job.samples.start[i] : 0);
  for (int n = 0; n < net.steps; n++) {
    T *to = m.input + (ptrdiff_t)n * m.input_row;
    const T *from = net.tied ? job.embedding + (ptrdiff_t)word[n] * net.inputs : x + (ptrdiff_t)(n / hold) * net.inputs;
    std::memcpy(to, from, net.inputs * sizeof(T));
    for (int j = net.inputs; j < m.input_row; j++) to[j] = 0;
  }
}

// Computes the drives of the first layer by this input, step by step.
template <class T>
static void dense_drive(const Network &net, const Scratch<T> &m, const Projection<T> &w, T *drive) {
  constexpr int W = LANES<T>;
  const ptrdiff_t row = (ptrdiff_t)w.post_vectors * W;
  for (int v = 0; v < w.post_vectors; v += w.slice) {
    const int width = w.post_vectors - v < w.slice ? w.post_vectors - v : w.slice;
    for (int n = 0; n < net.steps; n += ROWS)
      product_plain<T>({m.input + (ptrdiff_t)n * m.input_row, m.input_row, 1}, w.rows + (ptrdiff_t)v * W * w.pre,
                       width * W, net.inputs, width, {nullptr, 0, 0}, {drive + n * row + v * W, row, 1});
  }
}

// sum[j] += sum_n x[n][j] adjoint[n]
template <class T>
static void dense_gather(const Network &net, const Scratch<T> &m, int vectors, const T *adjoint,
                         T *sum, int end) {
  const ptrdiff_t row = (ptrdiff_t)vectors * LANES<T>;
  for (int j = 0; j < net.inputs; j += ROWS)
    product_plain<T>({m.input + j, 1, m.input_row}, adjoint, row, end, vectors,
                     {sum + j * row, row, 1}, {sum + j * row, row, 1});
}

}  // namespace SGPIPE_ISA
