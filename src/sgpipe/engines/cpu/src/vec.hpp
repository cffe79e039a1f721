// Vectors of the instruction set this translation unit is compiled for.
//
// Arithmetic is the compiler's own (GCC and Clang vector types); only masks and
// the fast reciprocal need intrinsics. Everything lives in a namespace named
// after the instruction set, so that no copy can be linked in place of another.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef SGPIPE_ISA
#define SGPIPE_ISA base
#endif

#if defined(__AVX512F__)
#define SGPIPE_BYTES 64
#elif defined(__AVX2__)
#define SGPIPE_BYTES 32
#else
#define SGPIPE_BYTES 16
#endif

namespace SGPIPE_ISA {

#define SGPIPE_INLINE static inline __attribute__((always_inline))

template <class T> struct Types;
template <> struct Types<float> {
  typedef float V __attribute__((vector_size(SGPIPE_BYTES), may_alias));
  typedef int32_t I __attribute__((vector_size(SGPIPE_BYTES), may_alias));
  typedef int32_t int_t;
};
template <> struct Types<double> {
  typedef double V __attribute__((vector_size(SGPIPE_BYTES), may_alias));
  typedef int64_t I __attribute__((vector_size(SGPIPE_BYTES), may_alias));
  typedef int64_t int_t;
};
template <class T> using Vec = typename Types<T>::V;
template <class T> using Int = typename Types<T>::I;
template <class T> constexpr int LANES = SGPIPE_BYTES / (int)sizeof(T);

template <class T> SGPIPE_INLINE Vec<T> load(const T *p) { return *(const Vec<T> *)p; }
// Prefetches the cache line that a vector starts.
template <class T> SGPIPE_INLINE void prefetch(const T *p, int v) {
  if (v * SGPIPE_BYTES % 64 == 0) __builtin_prefetch(p);
}
template <class T> SGPIPE_INLINE void store(T *p, Vec<T> v) { *(Vec<T> *)p = v; }
template <class T> SGPIPE_INLINE Vec<T> splat(T x) { return x - Vec<T>{}; }

SGPIPE_INLINE Vec<float> magnitude(Vec<float> v) {
  return (Vec<float>)((Int<float>)v & 0x7fffffff);
}
SGPIPE_INLINE Vec<double> magnitude(Vec<double> v) {
  return (Vec<double>)((Int<double>)v & (int64_t)0x7fffffffffffffffLL);
}
template <class V> SGPIPE_INLINE V positive(V v) { return v > V{} ? v : V{}; }

// Masks: above() compares, unless() zeroes the lanes that are set, pick() chooses.
#if SGPIPE_BYTES == 64
template <class T> struct MaskOf;
template <> struct MaskOf<float> { typedef __mmask16 M; };
template <> struct MaskOf<double> { typedef __mmask8 M; };
template <class T> using Mask = typename MaskOf<T>::M;
SGPIPE_INLINE __mmask16 above(Vec<float> a, Vec<float> b) {
  return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);
}
SGPIPE_INLINE __mmask8 above(Vec<double> a, Vec<double> b) {
  return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GT_OQ);
}
SGPIPE_INLINE Vec<float> pick(__mmask16 m, Vec<float> yes, Vec<float> no) {
  return (Vec<float>)_mm512_mask_blend_ps(m, (__m512)no, (__m512)yes);
}
SGPIPE_INLINE Vec<double> pick(__mmask8 m, Vec<double> yes, Vec<double> no) {
  return (Vec<double>)_mm512_mask_blend_pd(m, (__m512d)no, (__m512d)yes);
}
SGPIPE_INLINE unsigned lane_bits(__mmask16 m) { return m; }
SGPIPE_INLINE unsigned lane_bits(__mmask8 m) { return m; }
template <class T> SGPIPE_INLINE Mask<T> mask_at(const uint8_t *bits, int v) {
  Mask<T> m;
  std::memcpy(&m, bits + v * sizeof m, sizeof m);
  return m;
}
#else
template <class T> using Mask = Int<T>;
template <class V> SGPIPE_INLINE auto above(V a, V b) -> decltype(a > b) { return a > b; }
template <class M, class V> SGPIPE_INLINE V pick(M m, V yes, V no) {
  return (V)(((M)yes & m) | ((M)no & ~m));
}
#if SGPIPE_BYTES == 32
SGPIPE_INLINE unsigned lane_bits(Int<float> m) { return (unsigned)_mm256_movemask_ps((__m256)m); }
SGPIPE_INLINE unsigned lane_bits(Int<double> m) { return (unsigned)_mm256_movemask_pd((__m256d)m); }
#elif defined(__SSE2__)
SGPIPE_INLINE unsigned lane_bits(Int<float> m) { return (unsigned)_mm_movemask_ps((__m128)m); }
SGPIPE_INLINE unsigned lane_bits(Int<double> m) { return (unsigned)_mm_movemask_pd((__m128d)m); }
#else
template <class M> SGPIPE_INLINE unsigned lane_bits(M m) {
  unsigned bits = 0;
  for (unsigned k = 0; k < sizeof m / sizeof m[0]; k++) bits |= (unsigned)(m[k] & 1) << k;
  return bits;
}
#endif
template <class T> SGPIPE_INLINE Mask<T> mask_at(const uint8_t *bits, int v) {
  constexpr int W = LANES<T>;
  typedef typename Types<T>::int_t int_t;
  Int<T> lane;
  for (int k = 0; k < W; k++) lane[k] = (int_t)1 << k;
  int_t word = W >= 8 ? bits[v * (W / 8)] : bits[v * W / 8] >> (v * W % 8);
  return (Mask<T>)((lane & word) == lane);
}
#endif
template <class M, class V> SGPIPE_INLINE V unless(M m, V v) { return pick(m, V{}, v); }

// 1/x of positive numbers, to about one unit in the last place.
SGPIPE_INLINE Vec<double> reciprocal(Vec<double> x) { return 1.0 / x; }
SGPIPE_INLINE Vec<float> reciprocal(Vec<float> x) {
#if SGPIPE_BYTES == 64
  // For infinity the correction would be NaN. If one of its two operands is NaN, min returns the second.
  x = (Vec<float>)_mm512_min_ps(_mm512_set1_ps(3.402823466e38f), (__m512)x);
  Vec<float> y = (Vec<float>)_mm512_rcp14_ps((__m512)x);
  return y * (2.0f - x * y);
#else
  return 1.0f / x;
#endif
}

// f(0), ..., f(N - 1) with constant arguments, so that arrays indexed by them stay in registers.
template <int K> struct Count {
  static constexpr int value = K;
  constexpr operator int() const { return K; }
};
template <int N, class F> SGPIPE_INLINE void each(F f) {
  if constexpr (N > 0) {
    each<N - 1>(f);
    f(Count<N - 1>{});
  }
}
#define SGPIPE_LAMBDA __attribute__((always_inline))

// Spike masks of NV neighbouring vectors, from vector v on (a multiple of 4), one bit per
// neuron; four vectors are stored as one integer, which a later load of words can see.
template <class T, int NV> SGPIPE_INLINE void store_bits(uint8_t *bits, int v, const Mask<T> *m) {
  constexpr int W = LANES<T>, size = W / 2;
  each<(NV + 3) / 4>([&](auto q) SGPIPE_LAMBDA {
    constexpr int from = 4 * decltype(q)::value;
    uint64_t word = 0;
    each<(NV - from < 4 ? NV - from : 4)>([&](auto k) SGPIPE_LAMBDA {
      word |= (uint64_t)lane_bits(m[from + k]) << (W * k);
    });
    std::memcpy(bits + (v + from) / 4 * size, &word, size);
  });
}

// Calls f(first vector, how many) over nv vectors in groups of MAX and a smaller last one.
template <int MAX, class F> SGPIPE_INLINE void in_groups(int nv, F f) {
  int v = 0;
  for (; v + MAX <= nv; v += MAX) f(v, Count<MAX>{});
  if constexpr (MAX > 8) {
    if (nv - v >= 8) {
      f(v, Count<8>{});
      v += 8;
    }
  }
  switch (nv - v) {
    case 7: if constexpr (MAX > 7) f(v, Count<7>{}); break;
    case 6: if constexpr (MAX > 6) f(v, Count<6>{}); break;
    case 5: if constexpr (MAX > 5) f(v, Count<5>{}); break;
    case 4: if constexpr (MAX > 4) f(v, Count<4>{}); break;
    case 3: if constexpr (MAX > 3) f(v, Count<3>{}); break;
    case 2: if constexpr (MAX > 2) f(v, Count<2>{}); break;
    case 1: if constexpr (MAX > 1) f(v, Count<1>{}); break;
  }
}

}  // namespace SGPIPE_ISA
