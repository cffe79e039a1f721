// Forward scans over time, one sample: events in, membrane history and spikes out.
//
// Row n of the history holds the membrane candidate P[n] = b_mem U[n-1] + J[n-1] before
// the reset, U[n] = (1 - S[n-1]) P[n]. With the spike bits, this is all that the
// reverse scan needs, including for the reset's gradient.
#pragma once
#include "network.hpp"
#include "vec.hpp"

namespace SGPIPE_ISA {
using namespace sgpipe;

// Which units are active at each step: units[start[n] .. start[n+1]) at step n.
struct Events {
  const int32_t *start;
  const int32_t *units;
};

// Memory of one hidden layer and one sample.
template <class T> struct Trace {
  T *history;     // [steps + ROWS][padded]: candidates, later the adjoints of the current
  T *adapted;     // [steps][padded]: traces of adaptive thresholds
  uint8_t *bits;  // [steps][bits_row] spikes; a silent row stands before the first (delta: two)
  int32_t *start, *units;  // the spikes as events; for gated neurons, where the output is 1
  int32_t *minus_start, *minus_units;  // where their output is -1
  int32_t *before;  // units whose output before the first step is 1, then those where it is -1,
  int32_t plus_before = 0, minus_before = 0;  // and how many
  T *above;       // [steps + ROWS][padded]: adjoints of the spikes from the layer above
  T *counts;      // [padded] adjoint of the spike counts (regularisers)
};
inline constexpr int bits_row(int neurons) { return (neurons + 63) / 64 * 8; }

SGPIPE_INLINE int32_t lowest_bit(uint64_t w) {
#ifdef __BMI__
  return (int32_t)_tzcnt_u64(w);
#else
  return w ? __builtin_ctzll(w) : 0;
#endif
}
// Appends the set bits of w: the first four unconditionally, since most words hold few.
SGPIPE_INLINE int32_t *append(uint64_t w, int32_t base, int32_t *out) {
  int n = __builtin_popcountll(w);
  int32_t *end = out + n;
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    out[k] = base + lowest_bit(w);
    w &= w - 1;
  }
  for (out += 4; out < end; out++) {
    *out = base + lowest_bit(w);
    w &= w - 1;
  }
  return end;
}
SGPIPE_INLINE int32_t *append_row(const uint8_t *bits, int bytes, int32_t *out) {
  for (int b = 0; b < bytes; b += 8) {
    uint64_t w;
    std::memcpy(&w, bits + b, 8);
    out = append(w, b * 8, out);
  }
  return out;
}

// y[k] += the rows of the units listed, NV vectors of each. Two sums side by side keep the adders busy.
template <class T, int NV>
SGPIPE_INLINE void add_rows(const T *rows, ptrdiff_t row, const int32_t *unit, const int32_t *end, Vec<T> *y) {
  constexpr int W = LANES<T>;
  Vec<T> z[NV] = {};
  for (; unit + 2 <= end; unit += 2) {
    const T *a = rows + unit[0] * row, *b = rows + unit[1] * row;
    each<NV>([&](auto k) SGPIPE_LAMBDA { y[k] += load(a + k * W); });
    each<NV>([&](auto k) SGPIPE_LAMBDA { z[k] += load(b + k * W); });
  }
  if (unit < end) each<NV>([&](auto k) SGPIPE_LAMBDA { y[k] += load(rows + *unit * row + k * W); });
  each<NV>([&](auto k) SGPIPE_LAMBDA { y[k] += z[k]; });
}

template <class T> struct Decay { T syn, mem, out; };

// One step of NV vectors of neurons, without their drive; the spikes of step n go into s.
template <class T, int NV>
SGPIPE_INLINE void step(Vec<T> *U, Vec<T> *J, T *next, Mask<T> *s, Vec<T> b_mem, Vec<T> b_syn) {
  each<NV>([&](auto k) SGPIPE_LAMBDA {
    s[k] = above(U[k], splat(T(1)));
    Vec<T> P = b_mem * U[k] + J[k];
    store(next + k * LANES<T>, P);
    U[k] = unless(s[k], P);
    J[k] = b_syn * J[k];
  });
}

template <class T> SGPIPE_INLINE T lane_sum(Vec<T> v) {
  T s = 0;
  for (int k = 0; k < LANES<T>; k++) s += v[k];
  return s;
}

// A group of vectors of neurons stays in registers over all steps. Neurons of a
// feed-forward layer do not see each other; a recurrent layer must be one group (v is
// its V), and lists its spikes on the way. Returns 0, or NaN if a current was not finite.
template <class T, int NV, bool RECURRENT>
static __attribute__((noinline)) T forward_group(const Projection<T> &w, const Projection<T> &v,
                                                 int v0, int steps, Events in, const T *drive,
                                                 Trace<T> t, int bytes, Decay<T> d) {
  constexpr int W = LANES<T>;
  const ptrdiff_t row = (ptrdiff_t)w.post_vectors * W;
  const T *rows = w.rows + v0 * W;
  T *history = t.history + v0 * W;
  const Vec<T> b_mem = splat(d.mem), b_syn = splat(d.syn);
  Vec<T> U[NV], J[NV];
  int32_t *end = t.units;
  each<NV>([&](auto k) SGPIPE_LAMBDA {
    U[k] = J[k] = Vec<T>{};
    store(history + k * W, Vec<T>{});
  });
  for (int n = 0; n < steps; n++) {
    Mask<T> s[NV];
    step<T, NV>(U, J, history + (n + 1) * row, s, b_mem, b_syn);
    store_bits<T, NV>(t.bits + (ptrdiff_t)n * bytes, v0, s);
    if (drive)
      each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] += load(drive + n * row + (v0 + k) * W); });
    else
      for (int32_t e = in.start[n]; e < in.start[n + 1]; e++) {
        const T *add = rows + in.units[e] * row;
        each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] += load(add + k * W); });
      }
    if constexpr (RECURRENT) {
      t.start[n] = (int32_t)(end - t.units);
      const int32_t *first = end;
      end = append_row(t.bits + (ptrdiff_t)n * bytes, bytes, end);
      for (const int32_t *j = first; j < end; j++) {
        const T *add = v.rows + *j * row;
        each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] += load(add + k * W); });
      }
    }
  }
  if constexpr (RECURRENT) t.start[steps] = (int32_t)(end - t.units);
  Vec<T> check{};
  each<NV>([&](auto k) SGPIPE_LAMBDA { check += J[k] * T(0); });
  return lane_sum<T>(check);
}

// U and J take twice GROUP registers; one row takes LONG_GROUP.
constexpr int GROUP = SGPIPE_BYTES == 64 ? 8 : 4;
constexpr int LONG_GROUP = SGPIPE_BYTES == 64 ? 16 : 8;

template <class T>
static T forward_layer(const Projection<T> &w, int steps, Events in, const T *drive, Trace<T> t,
                       Decay<T> d) {
  const int bytes = bits_row(w.post);
  std::memset(t.bits - bytes, 0, (size_t)(steps + 1) * bytes);
  T check = 0;
  in_groups<GROUP>(w.post_vectors, [&](int v0, auto n) {
    check += forward_group<T, decltype(n)::value, false>(w, w, v0, steps, in, drive, t, bytes, d);
  });
  int32_t *end = t.units;
  for (int n = 0; n < steps; n++) {
    t.start[n] = (int32_t)(end - t.units);
    end = append_row(t.bits + (ptrdiff_t)n * bytes, bytes, end);
  }
  t.start[steps] = (int32_t)(end - t.units);
  return check;
}

// A wide recurrent layer advances as a whole, its current in memory.
template <class T>
static __attribute__((noinline)) T forward_recurrent(const Projection<T> &w,
                                                     const Projection<T> &v, int steps, Events in,
                                                     const T *drive, Trace<T> t, T *current,
                                                     Decay<T> d) {
  constexpr int W = LANES<T>;
  const int nv = w.post_vectors, bytes = bits_row(w.post);
  const ptrdiff_t row = (ptrdiff_t)nv * W;
  const Vec<T> b_mem = splat(d.mem), b_syn = splat(d.syn);
  std::memset(t.bits - bytes, 0, (size_t)(steps + 1) * bytes);
  if (nv <= GROUP) {
    T check = 0;
    in_groups<GROUP>(nv, [&](int v0, auto n) {
      check = forward_group<T, decltype(n)::value, true>(w, v, v0, steps, in, drive, t, bytes, d);
    });
    return check;
  }
  std::memset(t.history, 0, row * sizeof(T));
  std::memset(current, 0, row * sizeof(T));
  int32_t *end = t.units;
  for (int n = 0; n < steps; n++) {
    uint8_t *now = t.bits + (ptrdiff_t)n * bytes;
    const uint8_t *before = now - bytes;
    T *P = t.history + n * row;
    in_groups<4>(nv, [&](int v0, auto c) SGPIPE_LAMBDA {
      constexpr int NV = decltype(c)::value;
      Mask<T> s[NV];
      each<NV>([&](auto k) SGPIPE_LAMBDA {
        Vec<T> U = load(P + (v0 + k) * W);
        U = unless(mask_at<T>(before, v0 + k), U);
        s[k] = above(U, splat(T(1)));
        store(P + row + (v0 + k) * W, b_mem * U + load(current + (v0 + k) * W));
      });
      store_bits<T, NV>(now, v0, s);
    });
    t.start[n] = (int32_t)(end - t.units);
    const int32_t *first = end;
    end = append_row(now, bytes, end);
    in_groups<LONG_GROUP>(nv, [&](int v0, auto c) SGPIPE_LAMBDA {
      constexpr int NV = decltype(c)::value;
      Vec<T> J[NV];
      each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] = b_syn * load(current + (v0 + k) * W); });
      if (drive)
        each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] += load(drive + n * row + (v0 + k) * W); });
      else
        for (int32_t e = in.start[n]; e < in.start[n + 1]; e++)
          each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] += load(w.rows + in.units[e] * row + (v0 + k) * W); });
      for (const int32_t *j = first; j < end; j++)
        each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] += load(v.rows + *j * row + (v0 + k) * W); });
      each<NV>([&](auto k) SGPIPE_LAMBDA { store(current + (v0 + k) * W, J[k]); });
    });
  }
  t.start[steps] = (int32_t)(end - t.units);
  Vec<T> check{};
  for (int k = 0; k < nv; k++) check += load(current + k * W) * T(0);
  return lane_sum<T>(check);
}

// Readout: logits and, for the max over the steps from `from` on, the step at which each class first reached it.
template <class T, int NV>
static __attribute__((noinline)) T readout_group(const Projection<T> &w, int v0, int steps,
                                                 Events in, const T *drive, bool sum, int from, T start,
                                                 Decay<T> d, T *logits, T *reached) {
  constexpr int W = LANES<T>;
  const ptrdiff_t row = (ptrdiff_t)w.post_vectors * W;
  const T *rows = w.rows + v0 * W;
  const Vec<T> b_out = splat(d.out), b_syn = splat(d.syn);
  Vec<T> U[NV], J[NV], best[NV], at[NV];
  each<NV>([&](auto k) SGPIPE_LAMBDA {
    U[k] = splat(start);
    J[k] = at[k] = Vec<T>{};
    best[k] = sum ? Vec<T>{} : U[k];
  });
  for (int n = 0; n < steps; n++) {
    each<NV>([&](auto k) SGPIPE_LAMBDA {
      if (sum) {
        best[k] += U[k];
      } else if (n <= from) {
        best[k] = U[k];
        at[k] = splat(T(n));
      } else {
        Mask<T> m = above(U[k], best[k]);
        best[k] = pick(m, U[k], best[k]);
        at[k] = pick(m, splat(T(n)), at[k]);
      }
      U[k] = b_out * U[k] + J[k];
      J[k] = b_syn * J[k];
    });
    if (drive)
      each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] += load(drive + n * row + (v0 + k) * W); });
    else
      for (int32_t e = in.start[n]; e < in.start[n + 1]; e++)
        each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] += load(rows + in.units[e] * row + k * W); });
  }
  Vec<T> check{};
  each<NV>([&](auto k) SGPIPE_LAMBDA {
    check += J[k] * T(0);
    store(logits + (v0 + k) * W, best[k]);
    store(reached + (v0 + k) * W, at[k]);
  });
  return lane_sum<T>(check);
}

}  // namespace SGPIPE_ISA
