// Layers of current-based neurons that each have decays of their own, forward and backward. The equations are those of
// forward.hpp and backward.hpp, except that currents are I and not J = (1 - b_mem) I: weights are not scaled here.
//
// The gradients of the decays, with K[n] = (1 - S[n]) U'[n+1] and J[n] = P[n+1] - b_mem U[n]:
//   b_mem' = sum K[n] (U[n] - I[n]) = sum K[n] ((1 - b_mem) U[n] - J[n]) / (1 - b_mem)
//   b_syn' = sum I'[n+1] I[n]       = sum I'[n+1] J[n] / (1 - b_mem)
// The sums are kept without the division by 1 - b_mem.
#pragma once
#include "coupled.hpp"

namespace SGPIPE_ISA {

// Returns 0, or NaN if a current was not finite; `v` is null for a feed-forward layer.
template <class T>
static __attribute__((noinline)) T forward_own(const Projection<T> &w, const Projection<T> *v, Decays<T> d, int steps,
                                               Events in, const T *drive, Trace<T> t, T *current) {
  constexpr int W = LANES<T>;
  const int nv = w.post_vectors, bytes = bits_row(w.post);
  const ptrdiff_t row = (ptrdiff_t)nv * W;
  std::memset(t.bits - bytes, 0, (size_t)(steps + 1) * bytes);
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
        const ptrdiff_t at = (v0 + k) * W;
        const Vec<T> U = unless(mask_at<T>(before, v0 + k), load(P + at));
        s[k] = above(U, splat(T(1)));
        store(P + row + at, load(d.mem + at) * U + load(d.gain + at) * load(current + at));
      });
      store_bits<T, NV>(now, v0, s);
    });
    t.start[n] = (int32_t)(end - t.units);
    const int32_t *first = end;
    end = append_row(now, bytes, end);
    in_groups<LONG_GROUP>(nv, [&](int v0, auto c) SGPIPE_LAMBDA {
      constexpr int NV = decltype(c)::value;
      Vec<T> I[NV];
      each<NV>([&](auto k) SGPIPE_LAMBDA { I[k] = load(d.syn + (v0 + k) * W) * load(current + (v0 + k) * W); });
      if (drive) each<NV>([&](auto k) SGPIPE_LAMBDA { I[k] += load(drive + n * row + (v0 + k) * W); });
      else add_rows<T, NV>(w.rows + v0 * W, row, in.units + in.start[n], in.units + in.start[n + 1], I);
      if (v) add_rows<T, NV>(v->rows + v0 * W, row, first, end, I);
      each<NV>([&](auto k) SGPIPE_LAMBDA { store(current + (v0 + k) * W, I[k]); });
    });
  }
  t.start[steps] = (int32_t)(end - t.units);
  Vec<T> check{};
  for (int k = 0; k < nv; k++) check += load(current + k * W) * T(0);
  return lane_sum<T>(check);
}

// One step of one sample. dS holds S' without the reset's part; dI[n+1] replaces row n of the history.
template <class T, class H>
SGPIPE_INLINE void reverse_own_row(const H &h, bool attached, Reverse<T> t, Decays<T> d, int n, int vectors, const T *dS,
                                   T *dU, T *dI, T *P_next, T *sums) {
  constexpr int W = LANES<T>;
  const uint8_t *now = t.bits + (ptrdiff_t)n * t.bytes, *before = now - t.bytes;
  T *here = t.history + n * t.row;
  for (int k = 0; k < vectors; k++) {
    const ptrdiff_t at = (ptrdiff_t)k * W;
    const Vec<T> P = load(here + at), after = load(P_next + at), b_mem = load(d.mem + at), gain = load(d.gain + at);
    const Vec<T> U = unless(mask_at<T>(before, k), P), u = load(dU + at), i = load(dI + at);
    const Vec<T> kept = unless(mask_at<T>(now, k), u), J = after - b_mem * U;
    Vec<T> s = load(dS + at);
    if (attached) s -= u * after;
    if (sums) {
      T *membrane = sums + MEMBRANE * t.row + at, *synapse = sums + SYNAPSE * t.row + at;
      store(membrane, load(membrane) + kept * (gain * U - J));
      store(synapse, load(synapse) + i * J);
    }
    store(here + at, i);
    store(dI + at, load(d.syn + at) * i + gain * kept);
    store(dU + at, b_mem * kept + s * H::at(h, U - T(1)));
    store(P_next + at, P);
  }
}

// `v` is the layer's V if gradients flow through it. S' comes from the filters (one per sample) or, without them, from
// `above`; `sums` are null if the decays are not trained.
template <class T>
static void reverse_own(const Network &net, const Surrogate &shape, const Projection<T> *v, Decays<T> d, int vectors,
                        const Reverse<T> *t, int count, const Filters<T> *f, const T *const *above, Coupled<T> c, T *sums) {
  const ptrdiff_t row = t->row;
  T *const states[] = {c.A, c.B, c.dU, c.dJ, c.dS, c.P_next};
  for (T *state : states) std::memset(state, 0, ROWS * row * sizeof(T));
  int from = t->top;
  const int32_t *when[ROWS];
  for (int r = 0; f && r < count; r++) {
    if (f[r].from > from) from = f[r].from;
    when[r] = f[r].when;
    std::memcpy(c.A + r * row, f[r].A, row * sizeof(T));
    std::memcpy(c.B + r * row, f[r].B, row * sizeof(T));
  }
  with_surrogate<T>(shape, [&](auto h) {
    typedef decltype(h) H;
    for (int n = from; n >= 0; n--) {
      if (n <= t->top) {
        for (int r = 0; above && r < count; r++) std::memcpy(c.B + r * row, above[r] + n * row, row * sizeof(T));
        if (v) product<T>({c.dJ, row, 1}, v->panels, v->post, vectors, {c.B, row, 1}, {c.dS, row, 1}, count);
        for (int r = 0; r < count; r++)
          reverse_own_row<T, H>(h, net.reset_attached, t[r], d, n, vectors, (v ? c.dS : c.B) + r * row, c.dU + r * row,
                                c.dJ + r * row, c.P_next + r * row, sums);
      }
      for (int r = 0; f && r < count; r++)
        filter_row<T>(f[r], when[r], n, vectors, c.A + r * row, c.B + r * row, splat(t->d.syn), splat(t->d.out));
    }
  });
}

}  // namespace SGPIPE_ISA
