// The dense product of the backward pass: out[r] = init[r] + sum_k a[r][k] w[k].
//
// w lies in panels of a few vectors' width, so that one tile of TILE x PANEL accumulators reads
// it front to back and stays in registers throughout; the panel stays in cache for the next tile.
#pragma once
#include "vec.hpp"

namespace SGPIPE_ISA {

// Samples that go together, and the rows that memory is padded to. A power of two, as most batches
// are: no tile is left half empty.
constexpr int ROWS = 8;
// TILE x PANEL accumulators, a row of w and one more value take nearly all registers.
#if SGPIPE_BYTES == 64 || !defined(__x86_64__)
constexpr int PANEL = 3, TILE = 8;
#else
constexpr int PANEL = 3, TILE = 4;
#endif

template <class T> struct Strided {
  T *at;
  ptrdiff_t row, column;
};

// Rows of `init` and `out` have unit column stride; a null init means zero.
template <class T, int R, int C>
SGPIPE_INLINE void tile(Strided<const T> a, const T *w, ptrdiff_t w_row, int depth,
                        Strided<const T> init, Strided<T> out) {
  Vec<T> acc[R][C];
  each<R>([&](auto r) SGPIPE_LAMBDA {
    each<C>([&](auto c) SGPIPE_LAMBDA {
      acc[r][c] = init.at ? load(init.at + r * init.row + c * LANES<T>) : Vec<T>{};
    });
  });
  for (int k = 0; k < depth; k++) {
    Vec<T> b[C];
    each<C>([&](auto c) SGPIPE_LAMBDA { b[c] = load(w + k * w_row + c * LANES<T>); });
    const T *ak = a.at + k * a.column;
    each<R>([&](auto r) SGPIPE_LAMBDA {
      const Vec<T> x = splat(ak[r * a.row]);
      each<C>([&](auto c) SGPIPE_LAMBDA { acc[r][c] += x * b[c]; });
    });
  }
  each<R>([&](auto r) SGPIPE_LAMBDA {
    each<C>([&](auto c) SGPIPE_LAMBDA { store(out.at + r * out.row + c * LANES<T>, acc[r][c]); });
  });
}

// The tiles of `rows` rows beside C vectors of w, whose rows are w_row apart. A single vector takes
// as many rows as keep the arithmetic busy.
template <class T, int C>
SGPIPE_INLINE void tiles(Strided<const T> a, const T *w, ptrdiff_t w_row, int depth,
                         Strided<const T> init, Strided<T> out, int rows) {
  constexpr int R = C == 1 ? ROWS : TILE;
  for (int r = 0; r < rows; r += R)
    tile<T, R, C>({a.at + r * a.row, a.row, a.column}, w, w_row, depth,
                  {init.at ? init.at + r * init.row : nullptr, init.row, 1}, {out.at + r * out.row, out.row, 1});
}

// Over all panels. A multiple of ROWS rows of a, init and out must be readable.
template <class T>
static __attribute__((noinline)) void product(Strided<const T> a, const T *panels, int depth, int vectors,
                                              Strided<const T> init, Strided<T> out, int rows) {
  constexpr int W = LANES<T>;
  in_groups<PANEL>(vectors, [&](int v, auto n) SGPIPE_LAMBDA {
    constexpr int C = decltype(n)::value;
    Strided<const T> i = init;
    if (i.at) i.at += v * W;
    tiles<T, C>(a, panels + (ptrdiff_t)v * W * depth, C * W, depth, i, {out.at + v * W, out.row, 1}, rows);
  });
}

// ROWS rows, with w as plain rows that lie w_row apart (analog input, readout).
template <class T>
static __attribute__((noinline)) void product_plain(Strided<const T> a, const T *w, ptrdiff_t w_row, int depth,
                                                    int vectors, Strided<const T> init, Strided<T> out) {
  constexpr int W = LANES<T>;
  in_groups<PANEL>(vectors, [&](int v, auto n) SGPIPE_LAMBDA {
    constexpr int C = decltype(n)::value;
    Strided<const T> i = init;
    if (i.at) i.at += v * W;
    tiles<T, C>(a, w + v * W, w_row, depth, i, {out.at + v * W, out.row, 1}, ROWS);
  });
}

}  // namespace SGPIPE_ISA
