// Forward scan of a layer of delta neurons, one sample: events in, voltages and spikes out
// (sgpipe/neurons/delta_lif.py and alif.py). With x the layer's spikes of step n - 1:
//   i[n] = W z[n] + V x + bias
//   b[n] = d b[n-1] + (1 - d) x,   thr[n] = threshold + beta b[n]
//   y[n] = alpha y[n-1] + i[n] - thr[n] x      in the forms of Reset
//   S[n] = [y[n] > thr[n]]
// The next layer sees S[n] at the same step.
//
// The history row n holds y[n], under a reset that gates the drive before its gate (1 - x):
// with the spike bits that is all that the reverse scan needs, but for b.
#pragma once
#include "forward.hpp"

namespace SGPIPE_ISA {

// y[n] from the history's row: what a reset that gates the drive has cleared, the bits tell.
template <class T>
SGPIPE_INLINE Vec<T> voltage(const Reset &reset, const T *row, const uint8_t *before, int k) {
  const Vec<T> y = load(row + k * LANES<T>);
  return reset.gates_drive ? unless(mask_at<T>(before, k), y) : y;
}

// Returns 0, or NaN if a voltage was not finite.
template <class T, bool ADAPTIVE>
static __attribute__((noinline)) T forward_delta_of(const Reset reset, const Projection<T> &w,
                                                    const Projection<T> *v, const Neurons<T> &q,
                                                    int steps, Events in, const T *drive, Trace<T> t) {
  constexpr int W = LANES<T>;
  const int nv = w.post_vectors, bytes = bits_row(w.post);
  const ptrdiff_t row = (ptrdiff_t)nv * W;
  std::memset(t.bits - 2 * bytes, 0, (size_t)(steps + 2) * bytes);
  std::memset(t.history - row, 0, row * sizeof(T));
  if (ADAPTIVE) std::memset(t.adapted - row, 0, row * sizeof(T));
  Vec<T> check{};
  int32_t *end = t.units;
  const int32_t *last = end;  // the spikes of the step before: last..end
  for (int n = 0; n < steps; n++) {
    uint8_t *now = t.bits + (ptrdiff_t)n * bytes;
    const uint8_t *before = now - bytes;
    T *history = t.history + n * row, *adapted = ADAPTIVE ? t.adapted + n * row : nullptr;
    in_groups<LONG_GROUP>(nv, [&](int v0, auto c) SGPIPE_LAMBDA {
      constexpr int NV = decltype(c)::value;
      Vec<T> J[NV];
      each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] = load(q.bias + (v0 + k) * W); });
      if (drive)
        each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] += load(drive + n * row + (v0 + k) * W); });
      else
        for (int32_t e = in.start[n]; e < in.start[n + 1]; e++) {
          const T *add = w.rows + in.units[e] * row + v0 * W;
          each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] += load(add + k * W); });
        }
      if (v)
        for (const int32_t *j = last; j < end; j++) {
          const T *add = v->rows + *j * row + v0 * W;
          each<NV>([&](auto k) SGPIPE_LAMBDA { J[k] += load(add + k * W); });
        }
      Mask<T> s[NV];
      each<NV>([&](auto k) SGPIPE_LAMBDA {
        const ptrdiff_t at = (v0 + k) * W;
        const Mask<T> x = mask_at<T>(before, v0 + k);
        const Vec<T> alpha = load(q.alpha + at);
        Vec<T> threshold = load(q.threshold + at);
        if constexpr (ADAPTIVE) {
          const Vec<T> d = load(q.fading + at);
          const Vec<T> b = d * load(adapted - row + at) + pick(x, T(1) - d, Vec<T>{});
          store(adapted + at, b);
          threshold += load(q.strength + at) * b;
        }
        Vec<T> kept = alpha * voltage(reset, history - row, before - bytes, v0 + k);
        if (reset.gates_voltage && !reset.gates_drive) kept = unless(x, kept);
        if (reset.drive_decays) J[k] *= alpha;
        Vec<T> y = kept + J[k];
        if (reset.subtracts) y -= pick(x, threshold, Vec<T>{});
        store(history + at, y);
        check += y * T(0);
        if (reset.gates_drive) y = unless(x, y);
        s[k] = above(y, threshold);
      });
      store_bits<T, NV>(now, v0, s);
    });
    t.start[n] = (int32_t)(end - t.units);
    last = end;
    end = append_row(now, bytes, end);
  }
  t.start[steps] = (int32_t)(end - t.units);
  return lane_sum<T>(check);
}

template <class T>
static T forward_delta(const Network &net, const Projection<T> &w, const Projection<T> *v,
                       const Neurons<T> &q, Events in, const T *drive, Trace<T> t) {
  return net.adaptive ? forward_delta_of<T, true>(net.reset, w, v, q, net.steps, in, drive, t)
                      : forward_delta_of<T, false>(net.reset, w, v, q, net.steps, in, drive, t);
}

}  // namespace SGPIPE_ISA
