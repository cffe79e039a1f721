// Surrogate derivatives that are formulas: fractions of polynomials (sgpipe.engines.fraction), or a table of polynomials
// with one lookup per lane (sgpipe.engines.table).
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "network.hpp"
#include "vec.hpp"

namespace SGPIPE_ISA {
using namespace sgpipe;

// Coefficients of each lane's polynomial, from the constant term on: those of lane k begin at rows[at[k]].
//
// They lie side by side, so a lane costs one or two loads of 16 bytes. What the loads bring is transposed within blocks
// of 16 bytes: gather instructions, one per coefficient, take several times as long on many processors.
template <class T, int N> struct Coefficients {
  Vec<T> c[N];
};
#if defined(__x86_64__)
SGPIPE_INLINE Vec<float> blocks(const float *const *row, int lane) {
#if SGPIPE_BYTES == 64
  __m512 r = _mm512_castps128_ps512(_mm_loadu_ps(row[lane]));
  r = _mm512_insertf32x4(r, _mm_loadu_ps(row[lane + 4]), 1);
  r = _mm512_insertf32x4(r, _mm_loadu_ps(row[lane + 8]), 2);
  return (Vec<float>)_mm512_insertf32x4(r, _mm_loadu_ps(row[lane + 12]), 3);
#elif SGPIPE_BYTES == 32
  const __m256 r = _mm256_castps128_ps256(_mm_loadu_ps(row[lane]));
  return (Vec<float>)_mm256_insertf128_ps(r, _mm_loadu_ps(row[lane + 4]), 1);
#else
  return (Vec<float>)_mm_loadu_ps(row[lane]);
#endif
}
SGPIPE_INLINE Vec<double> blocks(const double *const *row, int lane, int from) {
#if SGPIPE_BYTES == 64
  __m512d r = _mm512_castpd128_pd512(_mm_loadu_pd(row[lane] + from));
  r = _mm512_insertf64x2(r, _mm_loadu_pd(row[lane + 2] + from), 1);
  r = _mm512_insertf64x2(r, _mm_loadu_pd(row[lane + 4] + from), 2);
  return (Vec<double>)_mm512_insertf64x2(r, _mm_loadu_pd(row[lane + 6] + from), 3);
#elif SGPIPE_BYTES == 32
  const __m256d r = _mm256_castpd128_pd256(_mm_loadu_pd(row[lane] + from));
  return (Vec<double>)_mm256_insertf128_pd(r, _mm_loadu_pd(row[lane + 2] + from), 1);
#else
  return (Vec<double>)_mm_loadu_pd(row[lane] + from);
#endif
}
#if SGPIPE_BYTES == 64
#define SGPIPE_WIDE(name) _mm512_##name
typedef __m512 WideFloat;
typedef __m512d WideDouble;
#elif SGPIPE_BYTES == 32
#define SGPIPE_WIDE(name) _mm256_##name
typedef __m256 WideFloat;
typedef __m256d WideDouble;
#else
#define SGPIPE_WIDE(name) _mm_##name
typedef __m128 WideFloat;
typedef __m128d WideDouble;
#endif
SGPIPE_INLINE Coefficients<float, 4> coefficients(const float *const *row) {
  const WideFloat a = (WideFloat)blocks(row, 0), b = (WideFloat)blocks(row, 1), c = (WideFloat)blocks(row, 2),
                  d = (WideFloat)blocks(row, 3);
  const WideDouble low = (WideDouble)SGPIPE_WIDE(unpacklo_ps)(a, b), high = (WideDouble)SGPIPE_WIDE(unpackhi_ps)(a, b),
                   low2 = (WideDouble)SGPIPE_WIDE(unpacklo_ps)(c, d), high2 = (WideDouble)SGPIPE_WIDE(unpackhi_ps)(c, d);
  return {{(Vec<float>)SGPIPE_WIDE(unpacklo_pd)(low, low2), (Vec<float>)SGPIPE_WIDE(unpackhi_pd)(low, low2),
           (Vec<float>)SGPIPE_WIDE(unpacklo_pd)(high, high2), (Vec<float>)SGPIPE_WIDE(unpackhi_pd)(high, high2)}};
}
SGPIPE_INLINE Coefficients<double, 6> coefficients(const double *const *row) {
  Coefficients<double, 6> all;
  each<3>([&](auto pair) SGPIPE_LAMBDA {
    constexpr int from = 2 * decltype(pair)::value;
    const WideDouble a = (WideDouble)blocks(row, 0, from), b = (WideDouble)blocks(row, 1, from);
    all.c[from] = (Vec<double>)SGPIPE_WIDE(unpacklo_pd)(a, b);
    all.c[from + 1] = (Vec<double>)SGPIPE_WIDE(unpackhi_pd)(a, b);
  });
  return all;
}
#undef SGPIPE_WIDE
#else
template <class T> SGPIPE_INLINE Coefficients<T, Table::terms<T>()> coefficients(const T *const *row) {
  Coefficients<T, Table::terms<T>()> all;
  for (int k = 0; k < LANES<T>; k++)
    for (int term = 0; term < Table::terms<T>(); term++) all.c[term][k] = row[k][term];
  return all;
}
#endif

// A number over a polynomial of |v|, whose coefficients include slope and height.
template <class T> struct Ratio {
  static constexpr bool takes_exponent = false, compact = false;
  T under[Fraction::terms_under];
  explicit Ratio(const Surrogate &s) {
    double factor = 1 / (s.height * s.fraction.over[0]);
    for (int k = 0; k < Fraction::terms_under; k++, factor *= s.slope)
      under[k] = T(std::min(s.fraction.under[k] * factor, 1e37));  // an infinite one would give 0 times infinity
  }
  SGPIPE_INLINE Vec<T> at(const Ratio &f, Vec<T> x) {
    const Vec<T> v = magnitude(x), square = v * v;
    return reciprocal(((v * f.under[3] + f.under[2]) + square * f.under[4]) * square + (v * f.under[1] + f.under[0]));
  }
};

// over(|v|), and 0 from a certain distance on.
template <class T> struct Arch {
  static constexpr bool takes_exponent = false, compact = true;
  T slope, last, over[Fraction::terms_over];
  explicit Arch(const Surrogate &s) : slope(T(s.slope)), last(std::nextafter(T(s.fraction.end), T(0))) {
    for (int k = 0; k < Fraction::terms_over; k++) over[k] = T(s.height * s.fraction.over[k]);
  }
  SGPIPE_INLINE Vec<T> at(const Arch &f, Vec<T> x) {
    const Vec<T> v = magnitude(x * f.slope);
    return unless(above(v, splat(f.last)), (v * f.over[2] + f.over[1]) * v + f.over[0]);
  }
};

template <class T> struct Tabulated {
  static constexpr bool takes_exponent = false, compact = true;  // it may be: Surrogate::compact() knows
  typedef typename Types<T>::int_t int_t;
  static constexpr int terms = Table::terms<T>();
  const T *rows, *edges;
  int count, shift;                      // how many edges; how many bits that do not name a cell
  int_t first, last, stride, keep, sign;  // stride: cells of a region; keep, sign: masks
  T slope, height, one, top;
  explicit Tabulated(const Surrogate &s)
      : rows((const T *)s.table.rows), edges((const T *)s.table.edges), count((int)s.table.regions - 1),
        shift(s.table.shift), first((int_t)s.table.first), last((int_t)s.table.cells - 1), stride((int_t)s.table.cells),
        keep((int_t)(~(uint64_t)0 << s.table.shift)), sign(s.table.even ? std::numeric_limits<int_t>::max() : -1),
        slope(T(s.slope)), height(T(s.height)), one(T(s.table.one)), top(T(s.table.top)) {}
  SGPIPE_INLINE Vec<T> at(const Tabulated &f, Vec<T> x) {
    constexpr int W = LANES<T>;
    const Vec<T> v = x * f.slope;
    Vec<T> size = magnitude(v);
    size = size > f.top ? splat(f.top) : size;  // NaN stays NaN
    const Int<T> bits = (Int<T>)(size + f.one);
    const Vec<T> t = size - ((Vec<T>)(bits & f.keep) - f.one);
    Int<T> cell = (bits >> f.shift) - f.first;
    cell = cell > f.last ? f.last - Int<T>{} : cell;
    if (f.count) {
      const Vec<T> side = (Vec<T>)((Int<T>)v & f.sign);
      for (int k = 0; k < f.count; k++) cell += (Int<T>)(side >= f.edges[k]) & f.stride;
    }
    cell = sizeof(T) == 8 ? (cell << 5) + (cell << 4) : cell << 4;  // in bytes
    alignas(64) std::make_unsigned_t<int_t> lanes[W];
    *(Int<T> *)lanes = cell;
    const T *row[W];
    each<W>([&](auto k) SGPIPE_LAMBDA { row[k] = (const T *)((const char *)f.rows + lanes[k]); });
    const Coefficients<T, terms> p = coefficients(row);
    Vec<T> sum = p.c[terms - 1];
    each<terms - 1>([&](auto k) SGPIPE_LAMBDA { sum = sum * t + p.c[terms - 2 - k]; });
    return unless(above(Vec<T>{}, sum), sum) * f.height;
  }
};

}  // namespace SGPIPE_ISA
