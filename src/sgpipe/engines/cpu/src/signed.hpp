// Signals of -1, 0 and 1: sums of the weight rows where they are 1, minus those where they are -1.
#pragma once
#include "forward.hpp"

namespace SGPIPE_ISA {

// Where a signal is 1, and where it is -1, if it can be.
struct Signed { Events plus, minus; };

// y[k] += sign * the rows of the units listed, NV vectors of each.
template <class T, int NV>
SGPIPE_INLINE void add_units(const T *rows, ptrdiff_t row, const int32_t *e, const int32_t *end, T sign, Vec<T> *y) {
  for (; e < end; e++) {
    const T *add = rows + *e * row;
    each<NV>([&](auto k) SGPIPE_LAMBDA { y[k] += load(add + k * LANES<T>) * sign; });
  }
}

// The same for the signal of step n.
template <class T, int NV>
SGPIPE_INLINE void add_signal(const T *rows, ptrdiff_t row, Signed in, int n, Vec<T> *y) {
  const Events plus = in.plus, minus = in.minus;
  add_units<T, NV>(rows, row, plus.units + plus.start[n], plus.units + plus.start[n + 1], T(1), y);
  if (minus.start) add_units<T, NV>(rows, row, minus.units + minus.start[n], minus.units + minus.start[n + 1], T(-1), y);
}

// y[k] -= the rows of the units listed.
template <class T, int NV>
SGPIPE_INLINE void subtract_rows(const T *rows, ptrdiff_t row, const int32_t *e, const int32_t *end, Vec<T> *y) {
  Vec<T> z[NV] = {};
  add_rows<T, NV>(rows, row, e, end, z);
  each<NV>([&](auto k) SGPIPE_LAMBDA { y[k] -= z[k]; });
}

}  // namespace SGPIPE_ISA
