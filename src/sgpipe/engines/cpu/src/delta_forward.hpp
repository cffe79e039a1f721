// Forward scan of a layer of delta neurons: events in, voltages and spikes out. Up to ROWS samples go
// in step, so that weights which one of them brings into the nearest cache serve the others
// (sgpipe/model/neurons/delta_lif.py and alif.py). With x the layer's spikes of step n - 1:
//   i[n] = W z[n] + V x + bias
//   b[n] = d b[n-1] + (1 - d) x,   thr[n] = threshold + beta b[n]
//   y[n] = alpha y[n-1] + i[n] - thr[n] x      in the forms of Reset
//   S[n] = [y[n] > thr[n]]
// The next layer sees S[n] at the same step.
//
// Row n of the history holds y[n], or y[n] before the gate (1 - x) of a reset that gates the drive.
// With the spike bits, this is all that the reverse scan needs, except for b.
#pragma once
#include "forward.hpp"

namespace SGPIPE_ISA {

// y[n] from the history's row; the bits tell what a reset that gates the drive has cleared.
template <class T>
SGPIPE_INLINE Vec<T> voltage(const Reset &reset, const T *row, const uint8_t *before, int k) {
  const Vec<T> y = load(row + k * LANES<T>);
  return reset.gates_drive ? unless(mask_at<T>(before, k), y) : y;
}

// Row n of `drive`: the sum of the weights' rows at the events of step n.
template <class T>
static __attribute__((noinline)) void drive_delta(const Projection<T> &w, int steps, Events in, T *drive) {
  constexpr int W = LANES<T>;
  const ptrdiff_t row = (ptrdiff_t)w.post_vectors * W;
  in_groups<SLICE>(w.post_vectors, [&](int v0, auto c) SGPIPE_LAMBDA {
    constexpr int NV = decltype(c)::value;
    const T *slice = w.rows + (ptrdiff_t)v0 * W * w.pre;
    for (int n = 0; n < steps; n++) {
      Vec<T> J[NV] = {};
      add_rows<T, NV>(slice, NV * W, in.units + in.start[n], in.units + in.start[n + 1], J);
      each<NV>([&](auto k) SGPIPE_LAMBDA { store(drive + n * row + (v0 + k) * W, J[k]); });
    }
  });
}

// Scans `count` samples in step, whose histories hold their drives. The rows before the first of a history and of
// traces say where it starts, and `before` lists what spiked there. Adds NaN to a sample's `check` if one of its
// voltages was not finite, else 0.
template <class T, bool ADAPTIVE>
static __attribute__((noinline)) void forward_delta_of(const Reset reset, const Projection<T> &w,
                                                       const Projection<T> *v, const Neurons<T> &q,
                                                       int steps, const Trace<T> *t, int count, T *check) {
  constexpr int W = LANES<T>;
  const int nv = w.post_vectors, bytes = bits_row(w.post);
  const ptrdiff_t row = (ptrdiff_t)nv * W;
  Vec<T> sum[ROWS] = {};
  int32_t *end[ROWS];
  const int32_t *last[ROWS], *last_end[ROWS];  // the spikes of the step before
  for (int r = 0; r < count; r++) {
    std::memset(t[r].bits - 2 * bytes, 0, (size_t)(steps + 2) * bytes);
    last[r] = t[r].before;
    last_end[r] = last[r] + t[r].plus_before;
    for (const int32_t *e = last[r]; e < last_end[r]; e++) t[r].bits[*e / 8 - bytes] |= (uint8_t)(1 << *e % 8);
    end[r] = t[r].units;
  }
  for (int n = 0; n < steps; n++) {
    in_groups<SLICE>(nv, [&](int v0, auto c) SGPIPE_LAMBDA {
      constexpr int NV = decltype(c)::value;
      for (int r = 0; r < count; r++) {
        uint8_t *now = t[r].bits + (ptrdiff_t)n * bytes;
        const uint8_t *before = now - bytes;
        T *history = t[r].history + n * row, *adapted = ADAPTIVE ? t[r].adapted + n * row : nullptr;
        Vec<T> J[NV];
        each<NV>([&](auto k) SGPIPE_LAMBDA {
          J[k] = load(q.bias + (v0 + k) * W) + load(history + (v0 + k) * W);
          prefetch(history + row + (v0 + k) * W, k);
        });
        if (v) add_rows<T, NV>(v->rows + (ptrdiff_t)v0 * W * v->pre, NV * W, last[r], last_end[r], J);
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
          sum[r] += y * T(0);
          if (reset.gates_drive) y = unless(x, y);
          s[k] = above(y, threshold);
        });
        store_bits<T, NV>(now, v0, s);
      }
    });
    for (int r = 0; r < count; r++) {
      t[r].start[n] = (int32_t)(end[r] - t[r].units);
      last[r] = end[r];
      last_end[r] = end[r] = append_row(t[r].bits + (ptrdiff_t)n * bytes, bytes, end[r]);
    }
  }
  for (int r = 0; r < count; r++) {
    t[r].start[steps] = (int32_t)(end[r] - t[r].units);
    check[r] += lane_sum<T>(sum[r]);
  }
}

template <class T>
static void forward_delta(const Network &net, const Projection<T> &w, const Projection<T> *v,
                          const Neurons<T> &q, const Trace<T> *t, int count, T *check) {
  if (net.adaptive) forward_delta_of<T, true>(net.reset, w, v, q, net.steps, t, count, check);
  else forward_delta_of<T, false>(net.reset, w, v, q, net.steps, t, count, check);
}

}  // namespace SGPIPE_ISA
