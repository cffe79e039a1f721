// Fourier transforms of eight places side by side; fourier.py says the same in numpy, operation by operation.
#pragma once
#include <utility>

#include "ear.hpp"

namespace SGPIPE_ISA {

using ear::Pass;
typedef float V __attribute__((vector_size(32), may_alias));
typedef float Unaligned __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t I __attribute__((vector_size(32), may_alias));

struct Complex { V re, im; };

#define EAR_INLINE inline __attribute__((always_inline))

EAR_INLINE Complex operator+(const Complex &x, const Complex &y) { return {x.re + y.re, x.im + y.im}; }
EAR_INLINE Complex operator-(const Complex &x, const Complex &y) { return {x.re - y.re, x.im - y.im}; }
EAR_INLINE Complex turn(const Complex &x, const float *w) {
  return {x.re * w[0] - x.im * w[1], x.re * w[1] + x.im * w[0]};
}

template <int P> EAR_INLINE void butterfly(Complex (&x)[P], const float *roots) {
  if constexpr (P == 2) {
    const Complex a = x[0], b = x[1];
    x[0] = a + b;
    x[1] = a - b;
  } else if constexpr (P == 4) {
    const Complex even = x[0] + x[2], odd = x[1] + x[3], left = x[0] - x[2], d = x[1] - x[3];
    x[0] = even + odd;
    x[1] = {left.re - d.im, left.im + d.re};
    x[2] = even - odd;
    x[3] = {left.re + d.im, left.im - d.re};
  } else {
    constexpr int half = (P - 1) / 2;
    Complex sum[half], difference[half];
    for (int r = 0; r < half; r++) {
      sum[r] = x[r + 1] + x[P - 1 - r];
      difference[r] = x[r + 1] - x[P - 1 - r];
    }
    const Complex x0 = x[0];
    for (int r = 0; r < half; r++) x[0] = x[0] + sum[r];
    for (int i = 1; i <= half; i++) {
      Complex a = x0, b;
      for (int r = 1; r <= half; r++) {
        const float c = roots[2 * (i * r % P)], s = roots[2 * (i * r % P) + 1];
        a = a + Complex{sum[r - 1].re * c, sum[r - 1].im * c};
        const Complex part = {difference[r - 1].re * s, difference[r - 1].im * s};
        b = r == 1 ? part : b + part;
      }
      x[i] = {a.re - b.im, a.im + b.re};
      x[P - i] = {a.re + b.im, a.im - b.re};
    }
  }
}

// Takes what lies `apart` from each other in `from`, leaves it close together in `to`.
template <int P>
void pass(const Pass &how, int m, int s, const Complex *from, int64_t apart, Complex *to) {
  const float *w = how.twiddles;
  for (int j = 0; j < m; j++, w += 2 * (P - 1))
    for (int q = 0; q < s; q++) {
      Complex x[P];
      for (int r = 0; r < P; r++) x[r] = from[apart * (q + s * (j + m * r))];
      butterfly<P>(x, how.roots);
      to[q + s * P * j] = x[0];
      for (int i = 1; i < P; i++) to[q + s * (P * j + i)] = m > 1 ? turn(x[i], w + 2 * (i - 1)) : x[i];
    }
}

// Transforms n numbers; `work` holds twice as many, and the result is in it.
inline Complex *transform(const std::vector<Pass> &passes, int n, const Complex *from, int64_t apart, Complex *work) {
  Complex *to = work, *other = work + n;
  int s = 1;
  for (const Pass &one : passes) {
    const int m = n / (one.radix * s);
    switch (one.radix) {
    case 2: pass<2>(one, m, s, from, apart, to); break;
    case 3: pass<3>(one, m, s, from, apart, to); break;
    case 4: pass<4>(one, m, s, from, apart, to); break;
    case 5: pass<5>(one, m, s, from, apart, to); break;
    case 7: pass<7>(one, m, s, from, apart, to); break;
    case 11: pass<11>(one, m, s, from, apart, to); break;
    case 13: pass<13>(one, m, s, from, apart, to); break;
    }
    from = to;
    apart = 1;
    std::swap(to, other);
    s *= one.radix;
  }
  return other;
}

} // namespace SGPIPE_ISA
