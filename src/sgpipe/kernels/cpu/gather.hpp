// Weight gradients: sum[unit] += adjoint[n] at every event (n, unit).
#pragma once
#include "forward.hpp"

namespace SGPIPE_ISA {

// Events of one sample sorted by unit, a chunk at a time.
struct ByUnit {
  static constexpr int most = 1 << 14;  // events of a chunk
  int32_t *end;   // [units] where each unit's events end
  int32_t *step;  // [most]
};

// Step after step: a row of adjoints stays in registers, sums are read and written for each event.
template <class T, int NV>
static __attribute__((noinline)) void gather_by_step(T *sum, const T *adjoint, int v0, ptrdiff_t row,
                                                     Events in, int from, int end) {
  constexpr int W = LANES<T>;
  sum += v0 * W;
  adjoint += v0 * W;
  for (int n = from; n < end; n++) {
    const int32_t first = in.start[n], last = in.start[n + 1];
    if (first == last) continue;
    Vec<T> a[NV];
    each<NV>([&](auto k) SGPIPE_LAMBDA { a[k] = load(adjoint + n * row + k * W); });
    for (int32_t e = first; e < last; e++) {
      T *s = sum + in.units[e] * row;
      each<NV>([&](auto k) SGPIPE_LAMBDA { store(s + k * W, load(s + k * W) + a[k]); });
    }
  }
}

// Unit after unit: a row of sums stays in registers, adjoints are read for each event.
template <class T, int NV>
static __attribute__((noinline)) void gather_by_unit(T *sum, const T *adjoint, int v0, ptrdiff_t row,
                                                     ByUnit by, int units) {
  constexpr int W = LANES<T>;
  adjoint += v0 * W;
  int32_t e = 0;
  for (int u = 0; u < units; u++) {
    const int32_t last = by.end[u];
    if (e == last) continue;
    T *s = sum + u * row + v0 * W;
    Vec<T> a[NV];
    each<NV>([&](auto k) SGPIPE_LAMBDA { a[k] = load(s + k * W); });
    for (; e < last; e++) {
      const T *add = adjoint + by.step[e] * row;
      each<NV>([&](auto k) SGPIPE_LAMBDA { a[k] += load(add + k * W); });
    }
    each<NV>([&](auto k) SGPIPE_LAMBDA { store(s + k * W, a[k]); });
  }
}

static inline void sort_by_unit(Events in, int from, int end, int units, ByUnit by) {
  std::memset(by.end, 0, units * sizeof *by.end);
  const int32_t first = in.start[from], last = in.start[end];
  for (int32_t e = first; e < last; e++) by.end[in.units[e]]++;
  int32_t total = 0;
  for (int u = 0; u < units; u++) {
    const int32_t count = by.end[u];
    by.end[u] = total;
    total += count;
  }
  for (int n = from; n < end; n++)
    for (int32_t e = in.start[n]; e < in.start[n + 1]; e++) by.step[by.end[in.units[e]]++] = n;
}

// All events before step `end`. Sorting them pays once a unit has several.
template <class T>
static void gather(T *sum, const T *adjoint, int vectors, Events in, int end, int units, ByUnit by) {
  const ptrdiff_t row = (ptrdiff_t)vectors * LANES<T>;
  for (int n = 0, next; n < end; n = next) {
    next = end;
    if (in.start[end] - in.start[n] > ByUnit::most)
      for (next = n + 1; in.start[next + 1] - in.start[n] <= ByUnit::most;) next++;
    const int32_t events = in.start[next] - in.start[n];
    const bool sorted = events >= 4 * units && events <= ByUnit::most;
    if (sorted) sort_by_unit(in, n, next, units, by);
    in_groups<LONG_GROUP>(vectors, [&](int v, auto c) {
      constexpr int NV = decltype(c)::value;
      if (sorted) gather_by_unit<T, NV>(sum, adjoint, v, row, by, units);
      else gather_by_step<T, NV>(sum, adjoint, v, row, in, n, next);
    });
  }
}

}  // namespace SGPIPE_ISA
