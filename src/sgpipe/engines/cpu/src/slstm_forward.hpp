// Forward scan of a layer of the spiking LSTM, up to ROWS samples in step (sgpipe/model/neurons/slstm.py): events in,
// drives, cells and outputs out. With h the layer's outputs, -1, 0 or 1, and H the step:
//   i, f, g, o = W z[n] + V h[n-1] + bias
//   c[n] = H(f) c[n-1] + H(i) T(g),   h[n] = H(o) T(c[n]),   T(x) = tanh_sign (2 H(x) - 1)
// A product with h is the sum of the rows where h is 1 minus those where it is -1. Half of the outputs are not 0, and
// nearly as many change from step to step, by up to 2: summing over changes alone would save nothing.
//
// Row n of the history holds the four drives, gate after gate; the adapted row n holds the cells.
#pragma once
#include "matmul.hpp"
#include "signed.hpp"

namespace SGPIPE_ISA {

// Computes the cells and outputs of a step from its drives: bits of the outputs that are 1 and of those that are -1.
template <class T>
SGPIPE_INLINE void slstm_step(const T *drives, const T *cells_before, T *cells, int nv, T sign, uint8_t *plus, uint8_t *minus) {
  constexpr int W = LANES<T>;
  const Vec<T> zero{};
  in_groups<4>(nv, [&](int v0, auto count) SGPIPE_LAMBDA {
    constexpr int NV = decltype(count)::value;
    Mask<T> is_plus[NV], is_minus[NV];
    each<NV>([&](auto k) SGPIPE_LAMBDA {
      auto gate = [&](int which) SGPIPE_LAMBDA { return above(load(drives + (which * nv + v0 + k) * W), zero); };
      const Vec<T> candidate = pick(gate(2), splat(sign), splat(-sign));
      const Vec<T> c = pick(gate(1), load(cells_before + (v0 + k) * W), zero) + pick(gate(0), candidate, zero);
      store(cells + (v0 + k) * W, c);
      const Vec<T> h = pick(gate(3), pick(above(c, zero), splat(sign), splat(-sign)), zero);
      is_plus[k] = above(h, zero);
      is_minus[k] = above(zero, h);
    });
    store_bits<T, NV>(plus, v0, is_plus);
    store_bits<T, NV>(minus, v0, is_minus);
  });
}

// Fills the history's rows with the drives from the inputs of every step.
template <class T>
static __attribute__((noinline)) void drive_slstm(const Projection<T> &w, int steps, Signed in, T *drive) {
  constexpr int W = LANES<T>;
  const ptrdiff_t row = (ptrdiff_t)w.post_vectors * W;
  const Events plus = in.plus, minus = in.minus;
  in_groups<SLICE>(w.post_vectors, [&](int v0, auto c) SGPIPE_LAMBDA {
    constexpr int NV = decltype(c)::value;
    const T *slice = w.rows + (ptrdiff_t)v0 * W * w.pre;
    for (int n = 0; n < steps; n++) {
      Vec<T> J[NV] = {};
      add_rows<T, NV>(slice, NV * W, plus.units + plus.start[n], plus.units + plus.start[n + 1], J);
      if (minus.start)
        subtract_rows<T, NV>(slice, NV * W, minus.units + minus.start[n], minus.units + minus.start[n + 1], J);
      each<NV>([&](auto k) SGPIPE_LAMBDA { store(drive + n * row + (v0 + k) * W, J[k]); });
    }
  });
}

// Scans `count` samples in step, whose histories hold their drives. The row before the first of the cells says where
// they start, and `before` lists the outputs there. Adds NaN to a sample's `check` if one of its drives was not finite,
// else 0.
template <class T>
static __attribute__((noinline)) void forward_slstm(const Network &net, const Projection<T> &w, const Projection<T> *v,
                                                    const Neurons<T> &q, const Trace<T> *t, int count, int nv, T *check) {
  constexpr int W = LANES<T>;
  const int vectors = w.post_vectors, bytes = bits_row(nv * W);
  const ptrdiff_t row = (ptrdiff_t)vectors * W;
  Vec<T> sum[ROWS] = {};
  struct List { const int32_t *first, *last; int32_t *end; };  // the outputs of the last step, and where to go on
  List plus[ROWS], minus[ROWS];
  for (int r = 0; r < count; r++) {
    const int32_t *before = t[r].before;
    plus[r] = {before, before + t[r].plus_before, t[r].units};
    minus[r] = {plus[r].last, plus[r].last + t[r].minus_before, t[r].minus_units};
    std::memset(t[r].bits - 2 * bytes, 0, 2 * bytes);
  }
  for (int n = 0; n < net.steps; n++) {
    in_groups<SLICE>(vectors, [&](int v0, auto c) SGPIPE_LAMBDA {
      constexpr int NV = decltype(c)::value;
      for (int r = 0; r < count; r++) {
        T *history = t[r].history + n * row + v0 * W;
        Vec<T> J[NV];
        each<NV>([&](auto k) SGPIPE_LAMBDA {
          J[k] = load(q.bias + (v0 + k) * W) + load(history + k * W);
          prefetch(history + row + k * W, k);
        });
        if (v) {
          const T *slice = v->rows + (ptrdiff_t)v0 * W * v->pre;
          add_rows<T, NV>(slice, NV * W, plus[r].first, plus[r].last, J);
          subtract_rows<T, NV>(slice, NV * W, minus[r].first, minus[r].last, J);
        }
        each<NV>([&](auto k) SGPIPE_LAMBDA {
          store(history + k * W, J[k]);
          sum[r] += J[k] * T(0);
        });
      }
    });
    for (int r = 0; r < count; r++) {
      uint8_t *const is_plus = t[r].bits - 2 * bytes, *const is_minus = t[r].bits - bytes;
      T *cells = t[r].adapted + (ptrdiff_t)n * nv * W;
      // Padding has no drive and stays closed.
      slstm_step<T>(t[r].history + n * row, cells - nv * W, cells, nv, T(net.tanh_sign), is_plus, is_minus);
      auto list = [&](List &l, const uint8_t *bits, int32_t *start, const int32_t *units) {
        start[n] = (int32_t)(l.end - units);
        l.first = l.end;
        l.last = l.end = append_row(bits, bytes, l.end);
        start[n + 1] = (int32_t)(l.end - units);
      };
      list(plus[r], is_plus, t[r].start, t[r].units);
      list(minus[r], is_minus, t[r].minus_start, t[r].minus_units);
    }
  }
  for (int r = 0; r < count; r++) check[r] += lane_sum<T>(sum[r]);
}

}  // namespace SGPIPE_ISA
