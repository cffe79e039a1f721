// The dense product of the backward pass: out[r] = init[r] + sum_k a[r][k] w[k].
//
// w lies in panels of a few vectors' width, so that one tile of ROWS x PANEL
// accumulators reads it front to back and stays in registers throughout.
#pragma once
#include "vec.hpp"

namespace SGPIPE_ISA {

#if SGPIPE_BYTES == 64 || !defined(__x86_64__)
constexpr int PANEL = 4, ROWS = 6;
#else
constexpr int PANEL = 2, ROWS = 6;
#endif

template <class T> struct Strided {
  T *at;
  ptrdiff_t row, column;
};

// Rows of `init` and `out` have unit column stride; a null init means zero.
template <class T, int C>
SGPIPE_INLINE void tile(Strided<const T> a, const T *w, ptrdiff_t w_row, int depth,
                        Strided<const T> init, Strided<T> out) {
  Vec<T> acc[ROWS][C];
  each<ROWS>([&](auto r) SGPIPE_LAMBDA {
    each<C>([&](auto c) SGPIPE_LAMBDA {
      acc[r][c] = init.at ? load(init.at + r * init.row + c * LANES<T>) : Vec<T>{};
    });
  });
  for (int k = 0; k < depth; k++) {
    Vec<T> b[C];
    each<C>([&](auto c) SGPIPE_LAMBDA { b[c] = load(w + k * w_row + c * LANES<T>); });
    const T *ak = a.at + k * a.column;
    each<ROWS>([&](auto r) SGPIPE_LAMBDA {
      const Vec<T> x = splat(ak[r * a.row]);
      each<C>([&](auto c) SGPIPE_LAMBDA { acc[r][c] += x * b[c]; });
    });
  }
  each<ROWS>([&](auto r) SGPIPE_LAMBDA {
    each<C>([&](auto c) SGPIPE_LAMBDA { store(out.at + r * out.row + c * LANES<T>, acc[r][c]); });
  });
}

// ROWS rows at a time over all panels; all ROWS rows of a, init and out must be readable.
template <class T>
static __attribute__((noinline)) void product(Strided<const T> a, const T *panels, int depth,
                                              int vectors, Strided<const T> init, Strided<T> out) {
  constexpr int W = LANES<T>;
  in_groups<PANEL>(vectors, [&](int v, auto n) SGPIPE_LAMBDA {
    constexpr int C = decltype(n)::value;
    Strided<const T> i = init;
    if (i.at) i.at += v * W;
    tile<T, C>(a, panels + (ptrdiff_t)v * W * depth, C * W, depth, i,
               {out.at + v * W, out.row, 1});
  });
}

// The same with w as plain rows of `vectors` vectors (analog input).
template <class T>
static __attribute__((noinline)) void product_plain(Strided<const T> a, const T *w, int depth,
                                                    int vectors, Strided<const T> init,
                                                    Strided<T> out) {
  constexpr int W = LANES<T>;
  in_groups<PANEL>(vectors, [&](int v, auto n) SGPIPE_LAMBDA {
    constexpr int C = decltype(n)::value;
    Strided<const T> i = init;
    if (i.at) i.at += v * W;
    tile<T, C>(a, w + v * W, (ptrdiff_t)vectors * W, depth, i, {out.at + v * W, out.row, 1});
  });
}

}  // namespace SGPIPE_ISA
