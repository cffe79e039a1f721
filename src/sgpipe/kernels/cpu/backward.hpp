// Reverse scans over time. With P, U, S of the forward pass, J the current scaled to
// the membrane, and ' for an adjoint:
//   S'[n] = (from above) - P[n+1] U'[n+1]          (the last term if the reset is attached)
//   J'[n] = b_syn J'[n+1] + (1 - S[n]) U'[n+1]
//   U'[n] = b_mem (1 - S[n]) U'[n+1] + h(U[n] - 1) S'[n]
// What an event at step n adds to the gradient of its weights is J'[n+1]: it replaces
// row n of the history.
#pragma once
#include "forward.hpp"
#include "matmul.hpp"
#include "sparse.hpp"

namespace SGPIPE_ISA {

// The adjoint of the last hidden layer's spikes is the readout's, seen through W_out.
// The readout is linear, so its filters run in the hidden space instead:
//   B[n] = b_syn B[n+1] + A[n+1],  A[n] = b_out A[n+1] + rate + sum_{c: t_c = n} g_c W_out[c]
// and S'[n] = B[n+1]: two multiply-adds a neuron, whatever the number of classes.
// A constant S' = r of the regularisers rides along as the fixed point B = r.
template <class T> struct Filters {
  const T *weights;  // [classes][padded]
  T *A, *B, *rate;   // [padded], start values and constant drive
  const int32_t *when, *which;  // classes by falling step of their maximum, then -1
  const T *g;        // [classes]
  int from;          // the step that the filters start at
};

template <class T> struct Reverse {
  T *history;
  const uint8_t *bits;
  ptrdiff_t row;
  int bytes, top;  // S' vanishes after step `top`
  Decay<T> d;
};

template <class T, class H>
SGPIPE_INLINE void reverse_step(const H &h, bool attached, Vec<T> P, Mask<T> s_before, Mask<T> s,
                                Vec<T> dS, Vec<T> P_next, Vec<T> b_mem, Vec<T> b_syn, Vec<T> &dU,
                                Vec<T> &dJ) {
  Vec<T> slope = H::at(h, unless(s_before, P) - T(1));
  if (attached) dS -= dU * P_next;
  Vec<T> kept = unless(s, dU);
  dJ = b_syn * dJ + kept;
  dU = b_mem * kept + dS * slope;
}

// Feed-forward layer, NV vectors in registers over all steps. FILTERED: the layer
// under the readout; otherwise S' is read from `above`.
template <class T, class H, int NV, bool ATTACHED, bool FILTERED>
static __attribute__((noinline)) void reverse_group(const H &h, Reverse<T> t, int v0,
                                                    const Filters<T> *f, const T *above) {
  constexpr int W = LANES<T>;
  const Vec<T> b_mem = splat(t.d.mem), b_syn = splat(t.d.syn), b_out = splat(t.d.out);
  T *history = t.history + v0 * W;
  const ptrdiff_t row = t.row;
  Vec<T> A[NV], B[NV], dU[NV], dJ[NV], P_next[NV];
  Mask<T> s[NV];
  each<NV>([&](auto k) SGPIPE_LAMBDA { dU[k] = dJ[k] = P_next[k] = Vec<T>{}; });
  const int32_t *when = nullptr;
  auto filter = [&](int n) SGPIPE_LAMBDA {
    each<NV>([&](auto k) SGPIPE_LAMBDA {
      B[k] = b_syn * B[k] + A[k];
      A[k] = b_out * A[k] + load(f->rate + (v0 + k) * W);
    });
    while (*when == n) {
      const ptrdiff_t c = f->which[when - f->when];
      const Vec<T> g = splat(f->g[c]);
      each<NV>([&](auto k) SGPIPE_LAMBDA { A[k] += g * load(f->weights + c * row + (v0 + k) * W); });
      when++;
    }
  };
  if constexpr (FILTERED) {
    when = f->when;
    each<NV>([&](auto k) SGPIPE_LAMBDA {
      A[k] = load(f->A + (v0 + k) * W);
      B[k] = load(f->B + (v0 + k) * W);
    });
    for (int n = f->from; n > t.top; n--) filter(n);
  }
  each<NV>([&](auto k) SGPIPE_LAMBDA { s[k] = mask_at<T>(t.bits + (ptrdiff_t)t.top * t.bytes, v0 + k); });
  for (int n = t.top; n >= 0; n--) {
    const uint8_t *before = t.bits + (ptrdiff_t)(n - 1) * t.bytes;
    each<NV>([&](auto k) SGPIPE_LAMBDA {
      T *here = history + n * row + k * W;
      const Vec<T> P = load(here);
      const Mask<T> sb = mask_at<T>(before, v0 + k);
      Vec<T> dS;
      if constexpr (FILTERED) dS = B[k];
      else dS = load(above + n * row + (v0 + k) * W);
      store(here, dJ[k]);
      reverse_step<T>(h, ATTACHED, P, sb, s[k], dS, P_next[k], b_mem, b_syn, dU[k], dJ[k]);
      s[k] = sb;
      if constexpr (ATTACHED) P_next[k] = P;
    });
    if constexpr (FILTERED) filter(n);
  }
}

template <class T>
static void reverse_layer(const Network &net, Reverse<T> t, int vectors, const Filters<T> *f,
                          const T *above) {
  with_surrogate<T>(net.surrogate, [&](auto h) {
    typedef decltype(h) H;
    in_groups<4>(vectors, [&](int v, auto n) {
      constexpr int NV = decltype(n)::value;
      if (net.reset_attached) {
        if (f) reverse_group<T, H, NV, true, true>(h, t, v, f, above);
        else reverse_group<T, H, NV, true, false>(h, t, v, f, above);
      } else {
        if (f) reverse_group<T, H, NV, false, true>(h, t, v, f, above);
        else reverse_group<T, H, NV, false, false>(h, t, v, f, above);
      }
    });
  });
}

// State of a recurrent layer's reverse scan: [ROWS][padded] each, one row a sample.
template <class T> struct Coupled {
  T *A, *B, *dU, *dJ, *dS, *P_next;
};

// One step of one sample of a recurrent layer. dS holds S' but for the reset's part.
template <class T, class H, bool ATTACHED>
SGPIPE_INLINE void reverse_row(const H &h, Reverse<T> t, int n, int vectors, const T *dS, T *dU,
                               T *dJ, T *P_next) {
  constexpr int W = LANES<T>;
  const Vec<T> b_mem = splat(t.d.mem), b_syn = splat(t.d.syn);
  const uint8_t *now = t.bits + (ptrdiff_t)n * t.bytes, *before = now - t.bytes;
  T *here = t.history + n * t.row;
  in_groups<4>(vectors, [&](int v, auto count) SGPIPE_LAMBDA {
    each<decltype(count)::value>([&](auto i) SGPIPE_LAMBDA {
      const int k = v + i;
      const Vec<T> P = load(here + k * W);
      Vec<T> u = load(dU + k * W), j = load(dJ + k * W), next{};
      if constexpr (ATTACHED) next = load(P_next + k * W);
      store(here + k * W, j);
      reverse_step<T>(h, ATTACHED, P, mask_at<T>(before, k), mask_at<T>(now, k),
                      load(dS + k * W), next, b_mem, b_syn, u, j);
      store(dU + k * W, u);
      store(dJ + k * W, j);
      if constexpr (ATTACHED) store(P_next + k * W, P);
    });
  });
}
template <class T>
SGPIPE_INLINE void filter_row(const Filters<T> &f, const int32_t *&when, int n, int vectors, T *A,
                              T *B, Vec<T> b_syn, Vec<T> b_out) {
  constexpr int W = LANES<T>;
  in_groups<4>(vectors, [&](int v, auto count) SGPIPE_LAMBDA {
    each<decltype(count)::value>([&](auto i) SGPIPE_LAMBDA {
      const int k = v + i;
      const Vec<T> a = load(A + k * W);
      store(B + k * W, b_syn * load(B + k * W) + a);
      store(A + k * W, b_out * a + load(f.rate + k * W));
    });
  });
  for (; *when == n; when++) {
    const ptrdiff_t c = f.which[when - f.when];
    for (int k = 0; k < vectors; k++)
      store(A + k * W, load(A + k * W) + f.g[c] * load(f.weights + (c * vectors + k) * W));
  }
}

// Recurrent layer with its gradient propagated: `count` samples together, since the
// product through V is worth a matrix kernel. S' comes from the filters (one a sample)
// or, without them, from `above`; near, if given, tells which neurons need it.
template <class T, class H, bool ATTACHED>
static __attribute__((noinline)) void reverse_together(const H &h, const Projection<T> &v,
                                                       const Reverse<T> *t, int count, int from,
                                                       const Filters<T> *f, const T *const *above,
                                                       const Active *near, Coupled<T> c) {
  const int vectors = v.post_vectors;
  const ptrdiff_t row = (ptrdiff_t)vectors * LANES<T>;
  const Vec<T> b_syn = splat(t->d.syn), b_out = splat(t->d.out);
  const int32_t *when[ROWS];
  for (int r = 0; f && r < count; r++) when[r] = f[r].when;
  for (int n = from; n >= 0; n--) {
    if (n <= t->top) {
      // S' from above, plus what flows back through V from J'[n+1].
      for (int r = 0; above && r < count; r++)
        std::memcpy(c.B + r * row, above[r] + n * row, row * sizeof(T));
      if (near) {
        std::memcpy(c.dS, c.B, count * row * sizeof(T));
        for (int r = 0; r < count; r++)
          sparse_row<T>(c.dJ + r * row, v.rows, vectors, near[r].units + near[r].start[n],
                        near[r].units + near[r].start[n + 1], c.dS + r * row);
      } else {
        product<T>({c.dJ, row, 1}, v.panels, v.post, vectors, {c.B, row, 1}, {c.dS, row, 1});
      }
      for (int r = 0; r < count; r++)
        reverse_row<T, H, ATTACHED>(h, t[r], n, vectors, c.dS + r * row, c.dU + r * row,
                                    c.dJ + r * row, c.P_next + r * row);
    }
    for (int r = 0; f && r < count; r++)
      filter_row<T>(f[r], when[r], n, vectors, c.A + r * row, c.B + r * row, b_syn, b_out);
  }
}
template <class T>
static void reverse_coupled(const Network &net, const Projection<T> &v, const Reverse<T> *t,
                            int count, const Filters<T> *f, const T *const *above,
                            const Active *near, Coupled<T> c) {
  const ptrdiff_t row = (ptrdiff_t)v.post_vectors * LANES<T>;
  T *const states[] = {c.A, c.B, c.dU, c.dJ, c.dS, c.P_next};
  for (T *state : states) std::memset(state, 0, ROWS * row * sizeof(T));
  int from = t->top;
  for (int r = 0; f && r < count; r++) {
    if (f[r].from > from) from = f[r].from;
    std::memcpy(c.A + r * row, f[r].A, row * sizeof(T));
    std::memcpy(c.B + r * row, f[r].B, row * sizeof(T));
  }
  with_surrogate<T>(net.surrogate, [&](auto h) {
    typedef decltype(h) H;
    if (net.reset_attached) reverse_together<T, H, true>(h, v, t, count, from, f, above, near, c);
    else reverse_together<T, H, false>(h, v, t, count, from, f, above, near, c);
  });
}

// Readout: row n of `out` is J'[n+1], for n <= top.
template <class T, int NV>
static __attribute__((noinline)) void reverse_readout(int v0, ptrdiff_t row, int top, bool sum,
                                                      const T *g, const T *reached, Decay<T> d,
                                                      T *out) {
  constexpr int W = LANES<T>;
  const Vec<T> b_out = splat(d.out), b_syn = splat(d.syn);
  Vec<T> dU[NV], dJ[NV];
  each<NV>([&](auto k) SGPIPE_LAMBDA { dU[k] = dJ[k] = Vec<T>{}; });
  for (int n = top; n >= 0; n--)
    each<NV>([&](auto k) SGPIPE_LAMBDA {
      const Vec<T> gk = load(g + (v0 + k) * W), at = load(reached + (v0 + k) * W);
      store(out + n * row + (v0 + k) * W, dJ[k]);
      dJ[k] = b_syn * dJ[k] + dU[k];
      dU[k] = b_out * dU[k];
      if (sum) {
        dU[k] += gk;
      } else {
        // Lanes whose maximum was at step n.
        Vec<T> away = magnitude(at - T(n));
        dU[k] += unless(above(away, splat(T(0.5))), gk);
      }
    });
}

// sum[unit] += adjoint[n] at every event (n, unit) before step `end`.
template <class T, int NV>
static __attribute__((noinline)) void gather_group(T *sum, const T *adjoint, int v0, ptrdiff_t row,
                                                   Events in, int end) {
  constexpr int W = LANES<T>;
  sum += v0 * W;
  adjoint += v0 * W;
  for (int n = 0; n < end; n++) {
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
template <class T>
static void gather(T *sum, const T *adjoint, int vectors, Events in, int end) {
  in_groups<LONG_GROUP>(vectors, [&](int v, auto n) {
    gather_group<T, decltype(n)::value>(sum, adjoint, v, (ptrdiff_t)vectors * LANES<T>, in, end);
  });
}

}  // namespace SGPIPE_ISA
