// The adjoints that the readout sends back to the layer below, as two filters per neuron.
#pragma once
#include "scratch.hpp"

namespace SGPIPE_ISA {

// The filters of one sample; `counts` are the adjoints of its spike counts, null if there are none.
template <class T>
static void prepare_filters(const Network &net, const Projection<T> &w, const Sample<T> &s,
                            const T *counts, Filters<T> &f) {
  constexpr int W = LANES<T>;
  const int row = w.pre_vectors * W;
  f.weights = w.plain;
  f.g = s.g;
  f.from = counts ? net.steps - 1 : s.last;
  int n = 0;
  if (!net.head_sum())
    for (int c = 0; c < net.classes; c++) {
      const int32_t t = (int32_t)s.reached[c];
      int k = n++;
      for (; k > 0 && f.when[k - 1] < t; k--) {
        f.when[k] = f.when[k - 1];
        f.which[k] = f.which[k - 1];
      }
      f.when[k] = t;
      f.which[k] = c;
    }
  f.when[n] = -1;
  const T fixed_A = T(1 - net.b_syn), fixed_rate = T((1 - net.b_syn) * (1 - net.b_out));
  for (int i = 0; i < row; i++) {
    const T r = counts ? counts[i] : T(0);
    f.B[i] = r;
    f.A[i] = fixed_A * r;
    f.rate[i] = fixed_rate * r;
  }
  if (net.head_sum())
    for (int c = 0; c < net.classes; c++)
      for (int i = 0; i < row; i++) f.rate[i] += s.g[c] * w.plain[(ptrdiff_t)c * row + i];
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

}  // namespace SGPIPE_ISA
