// Products back through weights: out[r] = init[r] + sum_k a[r][k] w[k], of single precision or, in mixed precision on
// processors that can, of numbers in bfloat16. Those are rounded beforehand, so that it makes no difference but to the order
// of the sums.
#pragma once
#include "bfloat16.hpp"
#include "matmul.hpp"
#include "network.hpp"

// Compilers that have the instructions have these headers.
#if SGPIPE_BYTES == 64 && defined(__x86_64__) && __has_include(<amxbf16intrin.h>)
#define SGPIPE_BFLOAT16
#endif

namespace SGPIPE_ISA {

using namespace sgpipe;

// Rows and columns of a that are taken at once: with the weights of four vectors they stay in the second cache.
constexpr int HALF_ROWS = 128, HALF_DEPTH = 1024;

// What is kept of a on its way: numbers of two bytes.
inline size_t halves_size(int depth) {
  return (size_t)HALF_ROWS * (depth < HALF_DEPTH ? tile_depth(depth) : HALF_DEPTH);
}

#if defined(SGPIPE_BFLOAT16)

// a in bfloat16, [rows][depth]; weights of a vector [depth / 2][lanes][2], those of the next `next` further.
struct Halves {
  const uint16_t *a, *w;
  int depth;
  ptrdiff_t next;
};

#define SGPIPE_TARGET(sets) __attribute__((target(sets), noinline))

// Up to TILE rows beside C vectors.
template <int C>
static SGPIPE_TARGET("avx512bf16") void pairs(Halves h, Strided<const float> init, Strided<float> out) {
  __m512 acc[TILE][C];
  for (int r = 0; r < TILE; r++)
    for (int c = 0; c < C; c++)
      acc[r][c] = init.at ? _mm512_loadu_ps(init.at + r * init.row + c * 16) : _mm512_setzero_ps();
  for (int k = 0; k < h.depth / 2; k++) {
    __m512bh b[C];
    for (int c = 0; c < C; c++) b[c] = (__m512bh)_mm512_loadu_si512(h.w + c * h.next + k * 32);
    for (int r = 0; r < TILE; r++) {
      int32_t pair;
      std::memcpy(&pair, h.a + (ptrdiff_t)r * h.depth + 2 * k, sizeof pair);
      const __m512bh x = (__m512bh)_mm512_set1_epi32(pair);
      for (int c = 0; c < C; c++) acc[r][c] = _mm512_dpbf16_ps(acc[r][c], x, b[c]);
    }
  }
  for (int r = 0; r < TILE; r++)
    for (int c = 0; c < C; c++) _mm512_storeu_ps(out.at + r * out.row + c * 16, acc[r][c]);
}

struct alignas(64) TileConfig {
  uint8_t palette = 1, start = 0, none[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

// The compiler takes what follows to read no memory.
#define SGPIPE_BARRIER() __asm__ volatile("" ::: "memory")

// Tiles 0 to 3 are sums of `rows` rows, at most 16, beside C vectors, 4 has a, 5 to 7 take turns with the weights.
template <int C>
static SGPIPE_TARGET("amx-tile,amx-bf16") void tiles_of(Halves h, Strided<const float> init, Strided<float> out) {
  SGPIPE_BARRIER();
  const ptrdiff_t from = init.row * 4, to = out.row * 4, a_row = (ptrdiff_t)h.depth * 2;
  if (init.at) {
    _tile_loadd(0, init.at, from);
    if constexpr (C > 1) _tile_loadd(1, init.at + 16, from);
    if constexpr (C > 2) _tile_loadd(2, init.at + 32, from);
    if constexpr (C > 3) _tile_loadd(3, init.at + 48, from);
  } else {
    _tile_zero(0);
    if constexpr (C > 1) _tile_zero(1);
    if constexpr (C > 2) _tile_zero(2);
    if constexpr (C > 3) _tile_zero(3);
  }
  for (int k = 0; k < h.depth; k += TILE_DEPTH) {
    const uint16_t *w = h.w + k * 16;
    _tile_loadd(4, h.a + k, a_row);
    _tile_loadd(5, w, 64);
    _tile_dpbf16ps(0, 4, 5);
    if constexpr (C > 1) {
      _tile_loadd(6, w + h.next, 64);
      _tile_dpbf16ps(1, 4, 6);
    }
    if constexpr (C > 2) {
      _tile_loadd(7, w + 2 * h.next, 64);
      _tile_dpbf16ps(2, 4, 7);
    }
    if constexpr (C > 3) {
      _tile_loadd(5, w + 3 * h.next, 64);
      _tile_dpbf16ps(3, 4, 5);
    }
  }
  _tile_stored(0, out.at, to);
  if constexpr (C > 1) _tile_stored(1, out.at + 16, to);
  if constexpr (C > 2) _tile_stored(2, out.at + 32, to);
  if constexpr (C > 3) _tile_stored(3, out.at + 48, to);
  SGPIPE_BARRIER();
}

static SGPIPE_TARGET("amx-tile") void use_tiles(int rows) {
  TileConfig config;
  for (int t = 0; t < 8; t++) {
    config.bytes[t] = 64;
    config.rows[t] = (uint8_t)(t < 5 ? rows : 16);
  }
  SGPIPE_BARRIER();
  _tile_loadconfig(&config);
}
static SGPIPE_TARGET("amx-tile") void leave_tiles() { _tile_release(); }

#undef SGPIPE_TARGET
#undef SGPIPE_BARRIER

// Columns [from, from + depth) of rounded numbers, the last ones filled with zeros.
static void to_halves(Strided<const float> a, int rows, int from, int depth, int filled, uint16_t *to) {
  for (int r = 0; r < rows; r++, to += filled) {
    const float *row = a.at + r * a.row + from;
    for (int k = 0; k < depth; k++) {
      uint32_t bits;
      std::memcpy(&bits, row + k, sizeof bits);
      to[k] = upper_half(bits);
    }
    for (int k = depth; k < filled; k++) to[k] = 0;
  }
}

// `rows` rows, a multiple of ROWS and at most HALF_ROWS.
static void half_product(bool amx, Strided<const float> a, const Projection<float> &w, Strided<const float> init,
                         Strided<float> out, int rows, uint16_t *halves) {
  const ptrdiff_t next = (ptrdiff_t)tile_depth(w.post) * 16;
  int set = 0;
  for (int from = 0; from < w.post; from += HALF_DEPTH) {
    const int depth = w.post - from < HALF_DEPTH ? w.post - from : HALF_DEPTH, filled = tile_depth(depth);
    to_halves(a, rows, from, depth, filled, halves);
    const Strided<const float> start = from ? Strided<const float>{out.at, out.row, 1} : init;
    auto over = [&](int v, auto count) {
      constexpr int C = decltype(count)::value;
      for (int r = 0, step; r < rows; r += step) {
        const Halves h{halves + (ptrdiff_t)r * filled, w.halves + v * next + (ptrdiff_t)from * 16, filled, next};
        const Strided<const float> i{start.at ? start.at + r * start.row + v * 16 : nullptr, start.row, 1};
        const Strided<float> o{out.at + r * out.row + v * 16, out.row, 1};
        if (amx) {
          step = rows - r < 16 ? rows - r : 16;
          if (step != set) use_tiles(set = step);
          tiles_of<C>(h, i, o);
        } else {
          step = TILE;
          if constexpr (C <= PANEL) pairs<C>(h, i, o);
        }
      }
    };
    if (amx) in_groups<4>(w.pre_vectors, over);
    else in_groups<PANEL>(w.pre_vectors, over);
  }
  if (set) leave_tiles();
}

#endif

// Of a, init and out a multiple of ROWS rows must be readable.
template <class T>
static void product_back(const Network &net, Strided<const T> a, const Projection<T> &w, Strided<const T> init,
                         Strided<T> out, int rows, uint16_t *halves) {
#if defined(SGPIPE_BFLOAT16)
  if constexpr (sizeof(T) == 4)
    if (w.halves) {
      for (int r = 0; r < rows; r += HALF_ROWS) {
        const int all = (rows + ROWS - 1) / ROWS * ROWS - r;
        half_product(net.products == Products::amx, {a.at + r * a.row, a.row, 1}, w,
                     {init.at ? init.at + r * init.row : nullptr, init.row, 1}, {out.at + r * out.row, out.row, 1},
                     all < HALF_ROWS ? all : HALF_ROWS, halves);
      }
      return;
    }
#endif
  product<T>(a, w.panels, w.post, w.pre_vectors, init, out, rows);
}

}  // namespace SGPIPE_ISA
