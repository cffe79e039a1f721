// Weight gradients: sum[unit] += adjoint[n] at every event (n, unit).
#pragma once
#include "forward.hpp"
#include "matmul.hpp"

namespace SGPIPE_ISA {

// Some steps of one sample; its row of adjoints at step n lies n rows and `at` vectors on.
struct Stretch {
  Events in;
  int from, end;
  int32_t at;
  int32_t events() const { return in.start[end] - in.start[from]; }
};

// Events sorted by unit.
struct ByUnit {
  static constexpr int most = 1 << 15;
  int32_t *end;  // [units] where each unit's events end
  int32_t *at;   // [most] the vector where the adjoint of an event starts
};

// Step after step: a row of adjoints stays in registers, sums are read and written for each event.
template <class T, int NV>
static __attribute__((noinline)) void gather_by_step(T *sum, const T *adjoint, int v0, int vectors,
                                                     Stretch s) {
  constexpr int W = LANES<T>;
  const ptrdiff_t row = (ptrdiff_t)vectors * W;
  sum += v0 * W;
  adjoint += (s.at + v0) * (ptrdiff_t)W;
  for (int n = s.from; n < s.end; n++) {
    const int32_t first = s.in.start[n], last = s.in.start[n + 1];
    if (first == last) continue;
    Vec<T> a[NV];
    each<NV>([&](auto k) SGPIPE_LAMBDA { a[k] = load(adjoint + n * row + k * W); });
    for (int32_t e = first; e < last; e++) {
      T *to = sum + s.in.units[e] * row;
      each<NV>([&](auto k) SGPIPE_LAMBDA { store(to + k * W, load(to + k * W) + a[k]); });
    }
  }
}

// Unit after unit: a row of sums stays in registers, adjoints are read for each event.
template <class T, int NV>
static __attribute__((noinline)) void gather_by_unit(T *sum, const T *adjoint, int v0, int vectors,
                                                     ByUnit by, int units) {
  constexpr int W = LANES<T>;
  adjoint += v0 * W;
  int32_t e = 0;
  for (int u = 0; u < units; u++) {
    const int32_t last = by.end[u];
    if (e == last) continue;
    T *to = sum + ((ptrdiff_t)u * vectors + v0) * W;
    Vec<T> a[NV];
    each<NV>([&](auto k) SGPIPE_LAMBDA { a[k] = load(to + k * W); });
    for (; e < last; e++) {
      const T *add = adjoint + by.at[e] * (ptrdiff_t)W;
      each<NV>([&](auto k) SGPIPE_LAMBDA { a[k] += load(add + k * W); });
    }
    each<NV>([&](auto k) SGPIPE_LAMBDA { store(to + k * W, a[k]); });
  }
}

static inline void sort_by_unit(const Stretch *s, int count, int units, int vectors, ByUnit by) {
  std::memset(by.end, 0, units * sizeof *by.end);
  for (const Stretch *x = s; x < s + count; x++)
    for (int32_t e = x->in.start[x->from]; e < x->in.start[x->end]; e++) by.end[x->in.units[e]]++;
  int32_t total = 0;
  for (int u = 0; u < units; u++) {
    const int32_t events = by.end[u];
    by.end[u] = total;
    total += events;
  }
  for (const Stretch *x = s; x < s + count; x++)
    for (int n = x->from; n < x->end; n++)
      for (int32_t e = x->in.start[n]; e < x->in.start[n + 1]; e++)
        by.at[by.end[x->in.units[e]]++] = n * vectors + x->at;
}

// Sorting pays when each unit has several events and the sums do not stay in the nearest cache.
template <class T>
static void gather_chunk(T *sum, const T *adjoint, int vectors, const Stretch *s, int count,
                         int32_t events, int units, ByUnit by) {
  const bool sorted = events >= 4 * units && events <= ByUnit::most &&
                      (int64_t)units * vectors * LANES<T> * (int)sizeof(T) > 1 << 16;
  if (sorted) sort_by_unit(s, count, units, vectors, by);
  in_groups<LONG_GROUP>(vectors, [&](int v, auto c) {
    constexpr int NV = decltype(c)::value;
    if (sorted) gather_by_unit<T, NV>(sum, adjoint, v, vectors, by, units);
    for (int k = 0; k < count && !sorted; k++) gather_by_step<T, NV>(sum, adjoint, v, vectors, s[k]);
  });
}

// All events of some samples (at most ROWS), in chunks of no more than can be sorted at once.
template <class T>
static void gather(T *sum, const T *adjoint, int vectors, const Stretch *s, int count, int units,
                   ByUnit by) {
  Stretch chunk[ROWS];
  int filled = 0;
  int32_t events = 0;
  auto flush = [&] {
    gather_chunk(sum, adjoint, vectors, chunk, filled, events, units, by);
    filled = events = 0;
  };
  for (int r = 0; r < count; r++) {
    for (Stretch rest = s[r]; rest.from < rest.end;) {
      Stretch part = rest;
      if (events + part.events() > ByUnit::most) {
        part.end = part.from;
        while (events + rest.in.start[part.end + 1] - rest.in.start[part.from] <= ByUnit::most)
          part.end++;
        // A step alone may be too large.
        if (part.end == part.from && filled == 0) part.end++;
      }
      if (part.end > part.from) {
        chunk[filled++] = part;
        events += part.events();
      }
      if (part.end < rest.end) flush();
      rest.from = part.end;
    }
  }
  if (filled) flush();
}

}  // namespace SGPIPE_ISA
