// Surrogates that vanish away from the threshold: a neuron that is far from it at step n
// needs no S'[n], so the dense product shrinks to the few that are near. Exact, not an
// approximation: what is left out would be multiplied by zero.
#pragma once
#include "forward.hpp"
#include "surrogate.hpp"

namespace SGPIPE_ISA {

// Neurons near the threshold, step by step.
struct Active {
  int32_t *start, *units;
  int64_t limit;  // above this number the matrix product is faster
};

// A product row costs half a cycle for each weight vector; a single entry costs two for
// each vector of the upper layer's row and a few for its horizontal sum.
inline int64_t active_limit(int steps, int post, int post_vectors, int pre_vectors) {
  return (int64_t)steps * post * pre_vectors / (4 * (post_vectors + 2));
}

// Lists them up to step `top`; returns false if there are too many to pay off.
template <class T>
static bool list_active(const Surrogate &shape, const Trace<T> &t, int neurons, int vectors, int top,
                        Active a) {
  constexpr int W = LANES<T>;
  const ptrdiff_t row = (ptrdiff_t)vectors * W;
  const int bytes = bits_row(neurons);
  bool listed = false;
  with_surrogate<T>(shape, [&](auto h) {
    typedef decltype(h) H;
    int32_t *end = a.units;
    alignas(64) uint8_t bits[8192];
    if (bytes > (int)sizeof bits) return;
    for (int b = 0; b < bytes; b += 8) std::memset(bits + b, 0, 8);
    for (int n = 0; n <= top; n++) {
      a.start[n] = (int32_t)(end - a.units);
      if (end - a.units > a.limit) return;
      const uint8_t *before = t.bits + (ptrdiff_t)(n - 1) * bytes;
      const T *P = t.history + n * row;
      in_groups<4>(vectors, [&](int v, auto count) SGPIPE_LAMBDA {
        constexpr int NV = decltype(count)::value;
        Mask<T> near[NV];
        each<NV>([&](auto k) SGPIPE_LAMBDA {
          const Vec<T> U = unless(mask_at<T>(before, v + k), load(P + (v + k) * W));
          near[k] = above(H::at(h, U - T(1)), Vec<T>{});
        });
        store_bits<T, NV>(bits, v, near);
      });
      // Padding is silent, but with a wide shape it may count as near the threshold.
      if (neurons % 64) {
        uint64_t last;
        std::memcpy(&last, bits + bytes - 8, 8);
        last &= (uint64_t(1) << (neurons % 64)) - 1;
        std::memcpy(bits + bytes - 8, &last, 8);
      }
      end = append_row(bits, bytes, end);
    }
    a.start[top + 1] = (int32_t)(end - a.units);
    listed = end - a.units <= a.limit;
  });
  return listed;
}

SGPIPE_INLINE float total(Vec<float> v) {
#if SGPIPE_BYTES == 64
  return _mm512_reduce_add_ps((__m512)v);
#else
  return lane_sum<float>(v);
#endif
}
SGPIPE_INLINE double total(Vec<double> v) {
#if SGPIPE_BYTES == 64
  return _mm512_reduce_add_pd((__m512d)v);
#else
  return lane_sum<double>(v);
#endif
}

// out[j] += a . rows[j] for the units listed, four at a time.
template <class T>
SGPIPE_INLINE void sparse_row(const T *a, const T *rows, int vectors, const int32_t *unit,
                              const int32_t *end, T *out) {
  constexpr int W = LANES<T>;
  const ptrdiff_t row = (ptrdiff_t)vectors * W;
  for (; unit + 4 <= end; unit += 4) {
    Vec<T> sum[4] = {};
    const T *w[4];
    each<4>([&](auto k) SGPIPE_LAMBDA { w[k] = rows + unit[k] * row; });
    for (int v = 0; v < vectors; v++) {
      const Vec<T> x = load(a + v * W);
      each<4>([&](auto k) SGPIPE_LAMBDA { sum[k] += x * load(w[k] + v * W); });
    }
    each<4>([&](auto k) SGPIPE_LAMBDA { out[unit[k]] += total(sum[k]); });
  }
  for (; unit < end; unit++) {
    Vec<T> sum{};
    for (int v = 0; v < vectors; v++) sum += load(a + v * W) * load(rows + *unit * row + v * W);
    out[*unit] += total(sum);
  }
}

}  // namespace SGPIPE_ISA
