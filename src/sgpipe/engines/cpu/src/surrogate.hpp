// Surrogate derivatives of a spike, h(x) = height * F(slope * x; tail), x = membrane - threshold.
//
// A family is a small object made once from the numbers of a run and called on vectors. Compact ones are 0 from a
// certain distance on, or may be. To add one: a name in Family and FAMILIES, a struct here, a case in
// AnyFamily and in with_own_family().
#pragma once
#include <cmath>

#include "elementary.hpp"
#include "network.hpp"
#include "tabulated.hpp"

namespace SGPIPE_ISA {
using namespace sgpipe;

// 1 / (|v| + 1)^2
template <class T> struct InverseSquare {
  static constexpr bool takes_exponent = false, compact = false;
  T slope, one;
  // The height goes into the denominator, which costs nothing there.
  explicit InverseSquare(const Surrogate &s)
      : slope(T(s.slope / std::sqrt(s.height))), one(T(1 / std::sqrt(s.height))) {}
  SGPIPE_INLINE Vec<T> at(const InverseSquare &f, Vec<T> x) {
    Vec<T> r = reciprocal(magnitude(x) * f.slope + f.one);
    return r * r;
  }
};

// The families made of an exponential, e = exp(-g(v)) <= 1, which takes nearly all of their time:
//   logistic: e / (1 + e)^2, g = |v|   (s (1 - s) of the logistic function s, without overflow)
//   exponential: e, g = |v|            gaussian: e, g = pi v^2
//   power: e, g = tail log(1 + 2 |v| / (tail - 1))
template <class T> struct Exponentials {
  static constexpr bool takes_exponent = true, compact = false;
  Family family;
  T slope, power, scale;
  explicit Exponentials(const Surrogate &s)
      : family(s.family), slope(T(s.slope)), power(T(-s.tail)), scale(T(s.height)) {
    if (family == Family::power) slope = T(2 * s.slope / (s.tail - 1));
  }
  SGPIPE_INLINE Vec<T> at(const Exponentials &f, Vec<T> x) {
    return at(f, x, splat(f.power));
  }
  SGPIPE_INLINE Vec<T> at(const Exponentials &f, Vec<T> x, Vec<T> power) {
    const Vec<T> v = magnitude(x) * f.slope;
    Vec<T> g = -v;
    if (f.family == Family::gaussian) g = v * v * T(-3.141592653589793);
    if (f.family == Family::power) g = log1p_positive(v) * power;
    const Vec<T> e = exp_negative(g);
    if (f.family != Family::logistic) return e * f.scale;
    const Vec<T> r = reciprocal(e + T(1));
    return e * r * r * f.scale;
  }
};

// max(0, 1 - |v|)
template <class T> struct Triangle {
  static constexpr bool takes_exponent = false, compact = true;
  T slope, top;
  explicit Triangle(const Surrogate &s) : slope(T(s.height * s.slope)), top(T(s.height)) {}
  SGPIPE_INLINE Vec<T> at(const Triangle &f, Vec<T> x) {
    return positive(f.top - magnitude(x) * f.slope);
  }
};

// 1 where |v| < 1/2; with a slope of 0 the same everywhere.
template <class T> struct Rectangle {
  static constexpr bool takes_exponent = false, compact = true;
  T slope, top;
  explicit Rectangle(const Surrogate &s) : slope(T(s.slope)), top(T(s.height)) {}
  SGPIPE_INLINE Vec<T> at(const Rectangle &f, Vec<T> x) {
    return pick(above(splat(T(0.5)), magnitude(x * f.slope)), splat(f.top), Vec<T>{});
  }
};

// Any family, chosen at every call. Separate scans for each family take most of the engine's compile time, and gain
// something only where little else is computed: feed-forward layers in single precision.
template <class T> struct AnyFamily {
  static constexpr bool takes_exponent = true, compact = true;  // it may be: Surrogate::compact() knows
  enum class Kind { inverse_square, exponentials, triangle, rectangle, tabulated, arch, ratio } kind;
  union {
    InverseSquare<T> inverse_square;
    Exponentials<T> exponentials;
    Triangle<T> triangle;
    Rectangle<T> rectangle;
    Tabulated<T> tabulated;
    Arch<T> arch;
    Ratio<T> ratio;
  };
  AnyFamily(const InverseSquare<T> &f) : kind(Kind::inverse_square), inverse_square(f) {}
  AnyFamily(const Exponentials<T> &f) : kind(Kind::exponentials), exponentials(f) {}
  AnyFamily(const Triangle<T> &f) : kind(Kind::triangle), triangle(f) {}
  AnyFamily(const Rectangle<T> &f) : kind(Kind::rectangle), rectangle(f) {}
  AnyFamily(const Tabulated<T> &f) : kind(Kind::tabulated), tabulated(f) {}
  AnyFamily(const Arch<T> &f) : kind(Kind::arch), arch(f) {}
  AnyFamily(const Ratio<T> &f) : kind(Kind::ratio), ratio(f) {}
  __attribute__((noinline)) static Vec<T> at(const AnyFamily &f, Vec<T> x) {
    switch (f.kind) {
      case Kind::inverse_square: return InverseSquare<T>::at(f.inverse_square, x);
      case Kind::triangle: return Triangle<T>::at(f.triangle, x);
      case Kind::rectangle: return Rectangle<T>::at(f.rectangle, x);
      case Kind::tabulated: return Tabulated<T>::at(f.tabulated, x);
      case Kind::arch: return Arch<T>::at(f.arch, x);
      case Kind::ratio: return Ratio<T>::at(f.ratio, x);
      default: return Exponentials<T>::at(f.exponentials, x);
    }
  }
  // Families without an exponent ignore the lanes' own.
  __attribute__((noinline)) static Vec<T> at(const AnyFamily &f, Vec<T> x, Vec<T> power) {
    return f.kind == Kind::exponentials ? Exponentials<T>::at(f.exponentials, x, power) : at(f, x);
  }
};

template <class T, class F> SGPIPE_INLINE void with_own_family(const Surrogate &s, F f) {
  switch (s.family) {
    case Family::inverse_square: f(InverseSquare<T>(s)); break;
    case Family::triangle: f(Triangle<T>(s)); break;
    case Family::rectangle: f(Rectangle<T>(s)); break;
    case Family::formula:
      if (s.fraction.end == 0) f(Tabulated<T>(s));
      else if (s.compact()) f(Arch<T>(s));
      else f(Ratio<T>(s));
      break;
    default: f(Exponentials<T>(s));
  }
}

template <class T, class F> SGPIPE_INLINE void with_surrogate(const Surrogate &s, F f) {
  with_own_family<T>(s, [&](auto h) { f(AnyFamily<T>(h)); });
}

// For scans of which a separate one for each family is worthwhile.
template <class T, class F> SGPIPE_INLINE void with_family(const Surrogate &s, F f) {
  if constexpr (sizeof(T) == 8) with_surrogate<T>(s, f);  // double precision is for tests and close inspection
  else with_own_family<T>(s, f);
}

template <class T> static void evaluate(const Surrogate &s, const T *x, T *out, int64_t n) {
  constexpr int W = LANES<T>;
  alignas(64) T lanes[W] = {};
  with_surrogate<T>(s, [&](auto h) {
    for (int64_t i = 0; i < n; i += W) {
      const int width = n - i < W ? (int)(n - i) : W;
      for (int k = 0; k < width; k++) lanes[k] = x[i + k];
      store(lanes, decltype(h)::at(h, load(lanes)));
      for (int k = 0; k < width; k++) out[i + k] = lanes[k];
    }
  });
}

}  // namespace SGPIPE_ISA
