// One update of an array of weights, in one pass, by the operations of engines/optimisers.py in their order. The
// results are bit-identical to numpy's; therefore fused multiply-adds are off (CMakeLists.txt).
#pragma once
#include <cmath>

#include "network.hpp"

namespace SGPIPE_ISA {
using namespace sgpipe;

template <Rule RULE, class T> static inline void move(const Moving<T> &a, const UpdateNumbers<T> &r) {
  T *__restrict w = a.weight, *__restrict m = a.first, *__restrict v = a.second, *__restrict memory = a.memory;
  const T *__restrict g = a.gradient;
  for (int64_t i = 0; i < a.size; i++) {
    const T gradient = r.factor * g[i];
    T weight = r.shrink * w[i];
    if (RULE == Rule::smorms3) {
      const T share = T(1) / (memory[i] + T(1));
      m[i] += share * (gradient - m[i]);
      v[i] += share * (gradient * gradient - v[i]);
      const T agreement = m[i] * m[i] / (v[i] + r.eps);
      memory[i] = memory[i] * (T(1) - agreement) + T(1);
      weight -= gradient * ((r.rate < agreement ? r.rate : agreement) / (std::sqrt(v[i]) + r.eps));
    } else {
      m[i] += r.fresh1 * (gradient - m[i]);
      const T deviation = RULE == Rule::adabelief ? gradient - m[i] : gradient;
      const T square = r.fresh2 * deviation * deviation;
      v[i] = v[i] * r.beta2 + (RULE == Rule::adabelief ? square + r.eps : square);
      weight -= r.rate * (m[i] / (std::sqrt(v[i]) / r.root + r.eps));
    }
    w[i] = weight;
  }
}

template <class T> void update(Rule rule, const Moving<T> &a, const UpdateNumbers<T> &r) {
  if (rule == Rule::adam) move<Rule::adam>(a, r);
  else if (rule == Rule::adabelief) move<Rule::adabelief>(a, r);
  else move<Rule::smorms3>(a, r);
}

template <class T> double square_sum(const T *x, int64_t n) {
  constexpr int K = 16;
  double sum[K] = {};
  int64_t i = 0;
  for (; i + K <= n; i += K)
    for (int k = 0; k < K; k++) sum[k] += (double)x[i + k] * (double)x[i + k];
  for (int k = 0; i < n; i++, k++) sum[k] += (double)x[i] * (double)x[i];
  for (int half = K / 2; half; half /= 2)
    for (int k = 0; k < half; k++) sum[k] += sum[k + half];
  return sum[0];
}

}  // namespace SGPIPE_ISA
