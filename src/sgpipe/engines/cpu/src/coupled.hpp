// Reverse scan of a recurrent layer whose gradient is propagated: several samples in step.
#pragma once
#include "backward.hpp"

namespace SGPIPE_ISA {

// One step of one sample of a recurrent layer. dS holds S' without the reset's part.
template <class T, class H, bool ATTACHED>
SGPIPE_INLINE void reverse_row(const H &h, Reverse<T> t, int n, int vectors, const T *dS, T *dU,
                               T *dJ, T *P_next) {
  constexpr int W = LANES<T>;
  const Vec<T> b_mem = splat(t.d.mem), b_syn = splat(t.d.syn);
  const uint8_t *now = t.bits + (ptrdiff_t)n * t.bytes, *before = now - t.bytes;
  T *here = t.history + n * t.row;
  in_groups<4>(vectors, [&](int v, auto count) SGPIPE_LAMBDA {
    each<decltype(count)::value>([&](auto i) SGPIPE_LAMBDA {
      const int k = v + i;
      const Vec<T> P = load(here + k * W);
      __builtin_prefetch(here - t.row + k * W);
      Vec<T> u = load(dU + k * W), j = load(dJ + k * W), next{};
      if constexpr (ATTACHED) next = load(P_next + k * W);
      store(here + k * W, j);
      reverse_step<T>(h, ATTACHED, P, mask_at<T>(before, k), mask_at<T>(now, k),
                      load(dS + k * W), next, b_mem, b_syn, u, j);
      store(dU + k * W, u);
      store(dJ + k * W, j);
      if constexpr (ATTACHED) store(P_next + k * W, P);
    });
  });
}
// Recurrent layer with its gradient propagated: `count` samples together, since the product through V is worth a matrix
// kernel. S' comes from the filters (one per sample) or, without them, from `above`; `near`, if given, lists the
// neurons that need it.
template <class T, class H, bool ATTACHED>
static __attribute__((noinline)) void reverse_together(const H &h, const Projection<T> &v,
                                                       const Reverse<T> *t, int count, int from,
                                                       const Filters<T> *f, const T *const *above,
                                                       const Active *near, Coupled<T> c) {
  const int vectors = v.post_vectors;
  const ptrdiff_t row = (ptrdiff_t)vectors * LANES<T>;
  const Vec<T> b_syn = splat(t->d.syn), b_out = splat(t->d.out);
  const int32_t *when[ROWS];
  for (int r = 0; f && r < count; r++) when[r] = f[r].when;
  for (int n = from; n >= 0; n--) {
    if (n <= t->top) {
      // S' from above, plus what flows back through V from J'[n+1].
      for (int r = 0; above && r < count; r++)
        std::memcpy(c.B + r * row, above[r] + n * row, row * sizeof(T));
      if (near) {
        std::memcpy(c.dS, c.B, count * row * sizeof(T));
        for (int r = 0; r < count; r++)
          sparse_row<T>(c.dJ + r * row, v.rows, vectors, near[r].units + near[r].start[n],
                        near[r].units + near[r].start[n + 1], c.dS + r * row);
      } else {
        product<T>({c.dJ, row, 1}, v.panels, v.post, vectors, {c.B, row, 1}, {c.dS, row, 1}, count);
      }
      for (int r = 0; r < count; r++)
        reverse_row<T, H, ATTACHED>(h, t[r], n, vectors, c.dS + r * row, c.dU + r * row,
                                    c.dJ + r * row, c.P_next + r * row);
    }
    for (int r = 0; f && r < count; r++)
      filter_row<T>(f[r], when[r], n, vectors, c.A + r * row, c.B + r * row, b_syn, b_out);
  }
}
template <class T>
static void reverse_coupled(const Network &net, const Surrogate &shape, const Projection<T> &v,
                            const Reverse<T> *t, int count, const Filters<T> *f,
                            const T *const *above, const Active *near, Coupled<T> c) {
  const ptrdiff_t row = (ptrdiff_t)v.post_vectors * LANES<T>;
  T *const states[] = {c.A, c.B, c.dU, c.dJ, c.dS, c.P_next};
  for (T *state : states) std::memset(state, 0, ROWS * row * sizeof(T));
  int from = t->top;
  for (int r = 0; f && r < count; r++) {
    if (f[r].from > from) from = f[r].from;
    std::memcpy(c.A + r * row, f[r].A, row * sizeof(T));
    std::memcpy(c.B + r * row, f[r].B, row * sizeof(T));
  }
  with_family<T>(shape, [&](auto h) {
    typedef decltype(h) H;
    if (net.reset_attached) reverse_together<T, H, true>(h, v, t, count, from, f, above, near, c);
    else reverse_together<T, H, false>(h, v, t, count, from, f, above, near, c);
  });
}

}  // namespace SGPIPE_ISA
