// Products back through weights for delta neurons whose surrogate vanishes away from the threshold:
// S' is multiplied by h, so it is needed only where h is not 0. Exact: what is left out would be
// multiplied by zero.
#pragma once
#include "delta_forward.hpp"
#include "sparse.hpp"

namespace SGPIPE_ISA {

template <class T, class H>
SGPIPE_INLINE Vec<T> slope_at(const H &h, const Neurons<T> &q, ptrdiff_t at, Vec<T> x) {
  const Vec<T> v = x * load(q.stretch + at);
  if constexpr (H::takes_exponent) return H::at(h, v, load(q.exponent + at)) * load(q.height + at);
  else return H::at(h, v) * load(q.height + at);
}

// Neurons near the threshold in the rows of a product: those of row r are start[r] to start[r + 1].
template <class T> struct Near {
  static constexpr int rows = 4 * ROWS;
  int32_t *start;  // [rows + 1]
  int32_t *units;  // [rows * widest]
  uint8_t *bits;   // of one row
  // An entry costs more here than in a matrix product, and the lists cost a little.
  bool few(int count, int width) const { return 5 * (int64_t)start[count] < 2 * (int64_t)count * width; }
};

// AMX tiles multiply all neurons in less time than it takes to list those near the threshold.
inline bool near_pays(const Network &net) { return net.products != Products::amx; }

// Lists the neurons near the threshold at step n as row r.
template <class T, class H>
static __attribute__((noinline)) void list_near(const H &h, const Reset reset, bool adaptive, const Neurons<T> &q,
                                                const Trace<T> &t, int n, int neurons, int vectors, int r, Near<T> near) {
  constexpr int W = LANES<T>;
  const ptrdiff_t row = (ptrdiff_t)vectors * W;
  const int bytes = bits_row(neurons);
  const uint8_t *before = t.bits + (ptrdiff_t)(n - 1) * bytes;
  const T *history = t.history + n * row, *adapted = adaptive ? t.adapted + n * row : nullptr;
  std::memset(near.bits + bytes - 8, 0, 8);
  in_groups<4>(vectors, [&](int v, auto count) SGPIPE_LAMBDA {
    constexpr int NV = decltype(count)::value;
    Mask<T> is[NV];
    each<NV>([&](auto i) SGPIPE_LAMBDA {
      const ptrdiff_t at = (ptrdiff_t)(v + i) * W;
      Vec<T> threshold = load(q.threshold + at);
      if (adaptive) threshold += load(q.strength + at) * load(adapted + at);
      is[i] = above(slope_at<T>(h, q, at, voltage(reset, history, before, v + i) - threshold), Vec<T>{});
    });
    store_bits<T, NV>(near.bits, v, is);
  });
  if (r == 0) near.start[0] = 0;
  near.start[r + 1] = (int32_t)(append_row(near.bits, bytes, near.units + near.start[r]) - near.units);
}

// to[0..3] = the sums of four vectors.
template <class T> SGPIPE_INLINE void totals(const Vec<T> *x, T *to) {
#if SGPIPE_BYTES == 32
  if constexpr (sizeof(T) == 4) {
    const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps((__m256)x[0], (__m256)x[1]),
                                        _mm256_hadd_ps((__m256)x[2], (__m256)x[3]));
    _mm_storeu_ps((float *)to, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
    return;
  }
#endif
  each<4>([&](auto k) SGPIPE_LAMBDA { to[k] = total(x[k]); });
}

// out[r][j] = init[j] + a[r] . w[j] for the neurons j listed, for `rows` rows; init[r][j] (null: 0) for the others.
// w[j] is what neuron j adds to the layer above, or to its own layer.
template <class T>
static __attribute__((noinline)) void near_product(const T *a, const Projection<T> &w, Strided<const T> init,
                                                   Strided<T> out, int rows, Near<T> near) {
  constexpr int W = LANES<T>;
  const ptrdiff_t a_row = (ptrdiff_t)w.post_vectors * W;
  const size_t bytes = (size_t)w.pre_vectors * W * sizeof(T);
  const T *rows_back = w.back ? w.back : w.rows;
  for (int r = 0; r < rows; r++)
    if (init.at) std::memcpy(out.at + r * out.row, init.at + r * init.row, bytes);
    else std::memset(out.at + r * out.row, 0, bytes);
  // Two slices of w at a time, so that they stay in cache for all rows.
  in_groups<2 * SLICE>(w.post_vectors, [&](int v, auto n) SGPIPE_LAMBDA {
    constexpr int NV = decltype(n)::value, LOW = NV < SLICE ? NV : SLICE, HIGH = NV - LOW;
    const T *low = rows_back + (ptrdiff_t)v * W * w.pre, *high = low + (ptrdiff_t)LOW * W * w.pre;
    for (int r = 0; r < rows; r++) {
      const int32_t *unit = near.units + near.start[r], *end = near.units + near.start[r + 1];
      Vec<T> x[NV];
      each<NV>([&](auto k) SGPIPE_LAMBDA { x[k] = load(a + r * a_row + (v + k) * W); });
      auto dot = [&](ptrdiff_t j) SGPIPE_LAMBDA {
        Vec<T> sum{};
        each<LOW>([&](auto k) SGPIPE_LAMBDA { sum += x[k] * load(low + j * (LOW * W) + k * W); });
        each<HIGH>([&](auto k) SGPIPE_LAMBDA { sum += x[LOW + k] * load(high + j * (HIGH * W) + k * W); });
        return sum;
      };
      T *to = out.at + r * out.row;
      for (; unit + 4 <= end; unit += 4) {
        Vec<T> sum[4];
        each<4>([&](auto k) SGPIPE_LAMBDA { sum[k] = dot(unit[k]); });
        T four[4];
        totals<T>(sum, four);
        each<4>([&](auto k) SGPIPE_LAMBDA { to[unit[k]] += four[k]; });
      }
      for (; unit < end; unit++) to[*unit] += total(dot(*unit));
    }
  });
}

}  // namespace SGPIPE_ISA
