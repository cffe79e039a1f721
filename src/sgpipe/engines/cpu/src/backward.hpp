// Reverse scans over time. With P, U, S of the forward pass, J the current scaled to
// the membrane, and ' for an adjoint:
//   S'[n] = (from above) - P[n+1] U'[n+1]          (the last term if the reset is attached)
//   J'[n] = b_syn J'[n+1] + (1 - S[n]) U'[n+1]
//   U'[n] = b_mem (1 - S[n]) U'[n+1] + h(U[n] - 1) S'[n]
// An event at step n adds J'[n+1] to the gradient of its weights, so J'[n+1] replaces
// row n of the history.
#pragma once
#include "filters.hpp"
#include "surrogate.hpp"

namespace SGPIPE_ISA {

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
static __attribute__((noinline)) void reverse_group(const H h, Reverse<T> t, int v0,
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
static void reverse_layer(const Network &net, const Surrogate &shape, Reverse<T> t, int vectors,
                          const Filters<T> *f, const T *above) {
  with_family<T>(shape, [&](auto h) {
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

}  // namespace SGPIPE_ISA
