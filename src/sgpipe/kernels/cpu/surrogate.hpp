// Surrogate derivatives h(x) of a spike, x = membrane - threshold.
//
// A shape is a small object made once from the numbers of the specification and
// called on vectors. To add one: a struct here, a name in Shape, a case in
// with_surrogate(). `dampening` scales any of them; `sharpness` and `tail` are
// for the shapes that have them (q-PseudoSpike and its like).
#pragma once
#include <cmath>
#include "network.hpp"
#include "vec.hpp"

namespace SGPIPE_ISA {

// dampening / (beta |x| + 1)^2: SuperSpike, and with dampening beta its asymptotic form.
template <class T> struct FastSigmoid {
  static constexpr bool compact = false;
  T slope, one;
  // The dampening goes into the denominator, which costs nothing there.
  explicit FastSigmoid(const Surrogate &s)
      : slope(T(s.sharpness / std::sqrt(s.dampening))), one(T(1 / std::sqrt(s.dampening))) {}
  SGPIPE_INLINE Vec<T> at(const FastSigmoid &f, Vec<T> x) {
    Vec<T> r = reciprocal(magnitude(x) * f.slope + f.one);
    return r * r;
  }
};

// dampening * s (1 - s), s = 1 / (1 + exp(-beta x)), written in exp(-|beta x|) <= 1.
template <class T> struct Sigmoid {
  static constexpr bool compact = false;
  T slope, scale;
  explicit Sigmoid(const Surrogate &s) : slope(T(-s.sharpness)), scale(T(s.dampening)) {}
  SGPIPE_INLINE Vec<T> at(const Sigmoid &f, Vec<T> x) {
    Vec<T> e = exp_negative(magnitude(x) * f.slope);
    Vec<T> r = reciprocal(e + T(1));
    return e * r * r * f.scale;
  }
};

// dampening * max(0, 1 - beta |x|): Esser's, triangular.
template <class T> struct Triangle {
  static constexpr bool compact = true;
  T slope, top;
  explicit Triangle(const Surrogate &s)
      : slope(T(s.dampening * s.sharpness)), top(T(s.dampening)) {}
  SGPIPE_INLINE Vec<T> at(const Triangle &f, Vec<T> x) {
    return positive(f.top - magnitude(x) * f.slope);
  }
};

// The same everywhere; zero is the true derivative.
template <class T> struct Constant {
  static constexpr bool compact = false;
  T value;
  explicit Constant(const Surrogate &s) : value(T(s.dampening)) {}
  SGPIPE_INLINE Vec<T> at(const Constant &f, Vec<T>) { return splat(f.value); }
};

template <class T, class F> SGPIPE_INLINE void with_surrogate(const Surrogate &s, F f) {
  switch (s.shape) {
    case Shape::fast_sigmoid: f(FastSigmoid<T>(s)); break;
    case Shape::sigmoid: f(Sigmoid<T>(s)); break;
    case Shape::triangle: f(Triangle<T>(s)); break;
    case Shape::constant: f(Constant<T>(s)); break;
  }
}

}  // namespace SGPIPE_ISA
