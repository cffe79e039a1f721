// Elementary functions of vectors, to one or two units in the last place.
#pragma once
#include "vec.hpp"

namespace SGPIPE_ISA {

// What floating-point formats are made of, for exponents in integer registers.
template <class T> struct Format;
template <> struct Format<float> {
  static constexpr int digits = 23, bias = 127;
  static constexpr float round = 12582912.0f;     // 1.5 * 2^23: adding it rounds to whole numbers
  static constexpr int32_t round_bits = 0x4B400000;
  static constexpr float least = -87.3f;          // exp of less is not a normal number
  static constexpr float huge = 1e38f;
  static constexpr int32_t root_half = 0x3F3504F3;  // sqrt(1/2)
  // log 2 in two parts: the first has so few bits that whole multiples of it are exact.
  static constexpr float log2_high = 0.693359375f, log2_low = -2.12194440e-4f;
  static constexpr int exp_terms = 7, atanh_terms = 4;  // of the Taylor series
};
template <> struct Format<double> {
  static constexpr int digits = 52, bias = 1023;
  static constexpr double round = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr int64_t round_bits = 0x4338000000000000LL;
  static constexpr double least = -708.3;
  static constexpr double huge = 1e308;
  static constexpr int64_t root_half = 0x3FE6A09E667F3BCDLL;
  static constexpr double log2_high = 6.93145751953125e-1, log2_low = 1.42860682030941723212e-6;
  static constexpr int exp_terms = 13, atanh_terms = 10;
};

// sum_k x^k / k!, k <= LAST, from term K on.
template <class T, int LAST, int K = 0> SGPIPE_INLINE Vec<T> exp_series(Vec<T> x) {
  if constexpr (K == LAST) return splat(T(1));
  else return exp_series<T, LAST, K + 1>(x) * x * T(1.0 / (K + 1)) + T(1);
}
// sum_k z^k / (2 k + 1), k <= LAST: atanh(s) / s for z = s^2.
template <class T, int LAST, int K = 0> SGPIPE_INLINE Vec<T> atanh_series(Vec<T> z) {
  if constexpr (K == LAST) return splat(T(1.0 / (2 * K + 1)));
  else return atanh_series<T, LAST, K + 1>(z) * z + T(1.0 / (2 * K + 1));
}

// exp(x) for x <= 0; 0 where it is below the normal numbers.
template <class T> SGPIPE_INLINE Vec<T> exp_negative_of(Vec<T> x) {
  typedef Format<T> F;
  typedef typename Types<T>::int_t int_t;
  const Vec<T> t = x * T(1.4426950408889634) + F::round, n = t - F::round;
  const Int<T> e = (Int<T>)t - F::round_bits;
  const Vec<T> r = (x - n * F::log2_high) - n * F::log2_low;
  const Vec<T> power = (Vec<T>)((e + (int_t)F::bias) << F::digits);
  return unless(above(splat(F::least), x), exp_series<T, F::exp_terms>(r) * power);
}
SGPIPE_INLINE Vec<float> exp_negative(Vec<float> x) { return exp_negative_of<float>(x); }
SGPIPE_INLINE Vec<double> exp_negative(Vec<double> x) { return exp_negative_of<double>(x); }

// log(1 + y) for y >= 0. With 1 + y = 2^k m, m within [sqrt(1/2), sqrt(2)), and f = m - 1, it is
// k log 2 + 2 atanh(f / (2 + f)); what 1 + y loses to rounding goes back into f.
template <class T> SGPIPE_INLINE Vec<T> log1p_positive_of(Vec<T> y) {
  typedef Format<T> F;
  typedef typename Types<T>::int_t int_t;
  constexpr int_t one = (int_t)F::bias << F::digits, mantissa = ((int_t)1 << F::digits) - 1;
  y = y > F::huge ? splat(F::huge) : y;
  const Vec<T> u = y + T(1), back = u - T(1);
  const Vec<T> lost = (T(1) - (u - back)) + (y - back);
  const Int<T> bits = (Int<T>)u + (one - F::root_half);
  const Int<T> k = (bits >> F::digits) - (int_t)F::bias;
  const Vec<T> m = (Vec<T>)((bits & mantissa) + F::root_half);
  const Vec<T> shrink = (Vec<T>)(((int_t)F::bias - k) << F::digits);  // 2^-k
  const Vec<T> f = (m - T(1)) + lost * shrink;
  const Vec<T> s = f / (f + T(2));
  const Vec<T> n = (Vec<T>)(k + F::round_bits) - F::round;
  return n * F::log2_high + (s * T(2) * atanh_series<T, F::atanh_terms>(s * s) + n * F::log2_low);
}
SGPIPE_INLINE Vec<float> log1p_positive(Vec<float> y) { return log1p_positive_of<float>(y); }
SGPIPE_INLINE Vec<double> log1p_positive(Vec<double> y) { return log1p_positive_of<double>(y); }

}  // namespace SGPIPE_ISA
