// Weight gradients: sum[unit] += sign * adjoint[n] at every event (n, unit).
#pragma once
#include "forward.hpp"
#include "matmul.hpp"

namespace SGPIPE_ISA {

// Some steps of one sample; its row of adjoints at step n begins after n rows and `at` vectors.
struct Stretch {
  Events in;
  int from, end;
  int32_t at;
  int32_t events() const { return in.start[end] - in.start[from]; }
};

// How many vectors of a row of adjoints are added at once: 256 bytes, so that their sums fit the registers.
constexpr int GATHER = SGPIPE_BYTES == 64 ? 4 : 8;

// Events sorted by unit, and the adjoints of their steps.
struct ByUnit {
  static constexpr int most = 1 << 15;
  // How many rows stay in the nearest cache, and how many in the next.
  static constexpr int near_rows = 26 * 1024 / (GATHER * SGPIPE_BYTES), far_rows = 6 * near_rows;
  int32_t *end;  // [units] where each unit's events end
  int32_t *at;   // [most, or as many as a readout of words takes at once] the row where the adjoint of an event lies
  uint8_t *rows; // [far_rows][GATHER vectors] some columns of the adjoints
};

// Step after step: a row of adjoints stays in registers; sums are read and written for each event.
template <class T, int NV>
static __attribute__((noinline)) void gather_by_step(T *sum, const T *adjoint, int v0, int vectors,
                                                     Stretch s, T sign) {
  constexpr int W = LANES<T>;
  const ptrdiff_t row = (ptrdiff_t)vectors * W;
  sum += v0 * W;
  adjoint += (s.at + v0) * (ptrdiff_t)W;
  for (int n = s.from; n < s.end; n++) {
    const int32_t first = s.in.start[n], last = s.in.start[n + 1];
    if (first == last) continue;
    Vec<T> a[NV];
    each<NV>([&](auto k) SGPIPE_LAMBDA { a[k] = load(adjoint + n * row + k * W) * sign; });
    for (int32_t e = first; e < last; e++) {
      T *to = sum + s.in.units[e] * row;
      each<NV>([&](auto k) SGPIPE_LAMBDA { store(to + k * W, load(to + k * W) + a[k]); });
    }
  }
}

// Unit after unit: a row of sums stays in registers; adjoints are read for each event.
template <class T, int NV>
static __attribute__((noinline)) void gather_by_unit(T *sum, const T *rows, int v0, int vectors, ByUnit by, int units) {
  constexpr int W = LANES<T>;
  int32_t e = 0;
  for (int u = 0; u < units; u++) {
    const int32_t last = by.end[u];
    if (e == last) continue;
    T *to = sum + ((ptrdiff_t)u * vectors + v0) * W;
    Vec<T> a[NV];
    each<NV>([&](auto k) SGPIPE_LAMBDA { a[k] = load(to + k * W); });
    if constexpr (NV <= 4) {
      add_rows<T, NV>(rows, NV * W, by.at + e, by.at + last, a);
      e = last;
    }
    for (; e < last; e++) {
      const T *add = rows + by.at[e] * (NV * W);
      each<NV>([&](auto k) SGPIPE_LAMBDA { a[k] += load(add + k * W); });
    }
    each<NV>([&](auto k) SGPIPE_LAMBDA { store(to + k * W, a[k]); });
  }
}

static inline void sort_by_unit(const Stretch *s, int count, int units, ByUnit by) {
  std::memset(by.end, 0, units * sizeof *by.end);
  for (const Stretch *x = s; x < s + count; x++)
    for (int32_t e = x->in.start[x->from]; e < x->in.start[x->end]; e++) by.end[x->in.units[e]]++;
  int32_t total = 0;
  for (int u = 0; u < units; u++) {
    const int32_t events = by.end[u];
    by.end[u] = total;
    total += events;
  }
  int32_t row = 0;
  for (const Stretch *x = s; x < s + count; x++)
    for (int n = x->from; n < x->end; n++, row++)
      for (int32_t e = x->in.start[n]; e < x->in.start[n + 1]; e++) by.at[by.end[x->in.units[e]]++] = row;
}

// NV columns of the adjoints times the sign, closely packed: rows left in place would compete for few cache lines.
template <class T, int NV>
static void copy_rows(const T *adjoint, int v0, int vectors, const Stretch *s, int count, T sign, T *to) {
  constexpr int W = LANES<T>;
  for (const Stretch *x = s; x < s + count; x++)
    for (int n = x->from; n < x->end; n++, to += NV * W) {
      const T *from = adjoint + ((ptrdiff_t)n * vectors + x->at + v0) * W;
      each<NV>([&](auto k) SGPIPE_LAMBDA { store(to + k * W, load(from + k * W) * sign); });
    }
}

template <class T>
static void gather_chunk(T *sum, const T *adjoint, int vectors, const Stretch *s, int count, bool sorted,
                         int units, ByUnit by, T sign) {
  if (!sorted) {
    in_groups<LONG_GROUP>(vectors, [&](int v, auto c) {
      for (int k = 0; k < count; k++) gather_by_step<T, decltype(c)::value>(sum, adjoint, v, vectors, s[k], sign);
    });
    return;
  }
  sort_by_unit(s, count, units, by);
  in_groups<GATHER>(vectors, [&](int v, auto c) {
    constexpr int NV = decltype(c)::value;
    copy_rows<T, NV>(adjoint, v, vectors, s, count, sign, (T *)by.rows);
    gather_by_unit<T, NV>(sum, (const T *)by.rows, v, vectors, by, units);
  });
}

// All events of some samples (at most ROWS), in chunks. Sorting pays off if each unit has several events
// and the sums do not stay in the nearest cache; the adjoints do if each has many events.
template <class T>
static void gather(T *sum, const T *adjoint, int vectors, const Stretch *s, int count, int units,
                   ByUnit by, T sign = T(1)) {
  int64_t all = 0, steps = 0;
  for (int r = 0; r < count; r++) {
    all += s[r].events();
    steps += s[r].end - s[r].from;
  }
  const bool sorted = all >= 4 * units && (int64_t)units * vectors * LANES<T> * (int)sizeof(T) > 1 << 14;
  // Enough rows to give each unit a dozen events.
  const int64_t wanted = sorted ? 12 * units * steps / all : steps;
  const int limit = (int)(wanted < ByUnit::near_rows ? ByUnit::near_rows : wanted < ByUnit::far_rows ? wanted : ByUnit::far_rows);
  Stretch chunk[ROWS];
  int filled = 0, rows = 0;
  int32_t events = 0;
  auto flush = [&] {
    if (filled) gather_chunk(sum, adjoint, vectors, chunk, filled, sorted && events <= ByUnit::most, units, by, sign);
    filled = events = rows = 0;
  };
  for (int r = 0; r < count; r++) {
    if (s[r].end - s[r].from > limit - rows && s[r].end - s[r].from <= limit) flush();
    for (Stretch rest = s[r]; rest.from < rest.end;) {
      Stretch part = rest;
      part.end = part.from;
      while (part.end < rest.end && rows < limit && events + rest.in.start[part.end + 1] - rest.in.start[part.end] <= ByUnit::most) {
        events += rest.in.start[part.end + 1] - rest.in.start[part.end];
        part.end++;
        rows++;
      }
      // A single step may be too large.
      if (part.end == part.from && filled == 0) {
        events += rest.in.start[part.end + 1] - rest.in.start[part.end];
        part.end++;
      }
      if (part.end > part.from) chunk[filled++] = part;
      if (part.end < rest.end) flush();
      rest.from = part.end;
    }
  }
  flush();
}

}  // namespace SGPIPE_ISA
