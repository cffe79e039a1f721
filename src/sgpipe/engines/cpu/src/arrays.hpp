// Loops over whole arrays, left to the compiler to vectorise.
#pragma once
#include <cmath>

#include "network.hpp"
#include "vec.hpp"

namespace SGPIPE_ISA {
using namespace sgpipe;

template <class T> static void add(T *__restrict to, const T *__restrict from, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

template <class T> static bool finite(const T *w, int64_t n) {
  constexpr int K = 4 * LANES<T>;
  T check[K] = {};
  int64_t i = 0;
  for (; i + K <= n; i += K)
    for (int k = 0; k < K; k++) check[k] += w[i + k] * T(0);
  for (; i < n; i++) check[0] += w[i] * T(0);
  for (int k = 1; k < K; k++) check[0] += check[k];
  return check[0] == 0;
}

// In tiles that stay in cache.
template <class T>
static void transpose(const T *__restrict src, int rows, int columns, ptrdiff_t src_row,
                      T *__restrict dst, ptrdiff_t dst_row, T scale) {
  constexpr int B = 16;
  for (int i0 = 0; i0 < rows; i0 += B) {
    const int height = rows - i0 < B ? rows - i0 : B;
    for (int j = 0; j < columns; j++) {
      const T *from = src + i0 * src_row + j;
      T *to = dst + j * dst_row + i0;
      if (height == B)
        for (int i = 0; i < B; i++) to[i] = scale * from[i * src_row];
      else
        for (int i = 0; i < height; i++) to[i] = scale * from[i * src_row];
    }
  }
}

}  // namespace SGPIPE_ISA
