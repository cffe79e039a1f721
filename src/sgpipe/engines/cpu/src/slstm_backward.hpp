// Reverse scan of a layer of the spiking LSTM, for up to ROWS samples in step. With ' for an adjoint, h(x) for the
// surrogate derivative and T' = tanh_sign 2 h:
//   h'[n] = (from above) + V^T (i', f', g', o')[n+1]
//   c'[n] = H(f[n+1]) c'[n+1] + h'[n] H(o) T'(c[n])
//   i' = c' T(g) h(i),   f' = c' c[n-1] h(f),   g' = c' H(i) T'(g),   o' = (h' T(c) + (regularisers)) h(o)
// The adjoints of the drives replace them in the history.
#pragma once
#include "back_product.hpp"
#include "near.hpp"
#include "rounding.hpp"
#include "scratch.hpp"

namespace SGPIPE_ISA {

template <class T> struct SlstmScan {
  Trace<T> t;
  T *dH, *drives, *dC;  // [padded], [4 padded], [padded]
};

// One step of one sample. `sums` are the gradients of the biases.
template <class T, class H>
SGPIPE_INLINE void reverse_slstm_row(const H &h, const Neurons<T> &q, const SlstmScan<T> &c, int n, int nv, T sign,
                                     const T *counts, T *sums) {
  constexpr int W = LANES<T>;
  const ptrdiff_t gate = (ptrdiff_t)nv * W;
  T *history = c.t.history + 4 * gate * n;
  const T *cells = c.t.adapted + gate * n, *from_above = c.t.above + gate * n;
  const Vec<T> zero{};
  for (int v = 0; v < nv; v++) {
    const ptrdiff_t at = (ptrdiff_t)v * W;
    const Vec<T> i = load(history + at), f = load(history + gate + at), g = load(history + 2 * gate + at),
                 o = load(history + 3 * gate + at), cell = load(cells + at);
    auto tanh = [&](Vec<T> x) SGPIPE_LAMBDA { return pick(above(x, zero), splat(sign), splat(-sign)); };
    auto slope = [&](Vec<T> x) SGPIPE_LAMBDA { return slope_at<T>(h, q, at, x); };
    const Vec<T> dH = load(c.dH + at) + load(from_above + at);
    const Vec<T> dC = load(c.dC + at) + pick(above(o, zero), dH * (2 * sign), zero) * slope(cell);
    Vec<T> dO = dH * tanh(cell);
    if (counts) dO += load(counts + at);
    store(c.dC + at, pick(above(f, zero), dC, zero));
    auto put = [&](int which, Vec<T> adjoint) SGPIPE_LAMBDA {
      const ptrdiff_t to = which * gate + at;
      store(history + to, adjoint);
      store(c.drives + to, adjoint);
      store(sums + to, load(sums + to) + adjoint);
    };
    put(0, dC * tanh(g) * slope(i));
    put(1, dC * load(cells - gate + at) * slope(f));
    put(2, pick(above(i, zero), dC * (2 * sign), zero) * slope(g));
    put(3, dO * slope(o));
  }
}

// `v` is the layer's V if gradients flow through it; `counts` says whether its counts are regularised.
template <class T>
static void reverse_slstm(const Network &net, const Surrogate &shape, const Projection<T> *v, const Neurons<T> &q,
                          const Trace<T> *t, int count, int nv, bool counts, Coupled<T> m, T *sums,
                          uint16_t *halves) {
  const ptrdiff_t gate = (ptrdiff_t)nv * LANES<T>;
  std::memset(m.dS, 0, ROWS * gate * sizeof(T));
  std::memset(m.A, 0, ROWS * gate * sizeof(T));
  std::memset(m.dJ, 0, ROWS * 4 * gate * sizeof(T));
  SlstmScan<T> scan[ROWS];
  for (int r = 0; r < count; r++) scan[r] = {t[r], m.dS + r * gate, m.dJ + r * 4 * gate, m.A + r * gate};
  with_surrogate<T>(shape, [&](auto h) {
    for (int n = net.steps - 1; n >= 0; n--) {
      if (v && n + 1 < net.steps)
        product_back<T>(net, {m.dJ, 4 * gate, 1}, *v, {nullptr, 0, 0}, {m.dS, gate, 1}, count, halves);
      for (int r = 0; r < count; r++)
        reverse_slstm_row<T>(h, q, scan[r], n, nv, T(net.tanh_sign), counts ? t[r].counts : nullptr, sums);
      if (v && net.mixed) round_to_bfloat16(m.dJ, (size_t)count * 4 * gate);
    }
  });
}

}  // namespace SGPIPE_ISA
