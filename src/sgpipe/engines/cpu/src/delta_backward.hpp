// Reverse scan of a layer of delta neurons, for up to ROWS samples in step. With ' for an
// adjoint, x = S[n-1] and P[n] = alpha y[n-1] + i[n] (times alpha where the drive decays):
//   S'[n]  = (from above) + V^T i'[n+1] + (1 - d) b'[n+1] + R[n+1]
//   y'[n]  = alpha y'[n+1] (times 1 - S[n] if the reset gates the voltage) + h S'[n]
//   i'[n]  = y'[n] (times 1 - x if it gates the drive, times alpha if that decays)
//   thr'[n] = -h S'[n] - x y'[n] (the last term if it subtracts)
//   b'[n]  = d b'[n+1] + beta thr'[n]
// where h = h(y[n] - thr[n]), and R[n] is what an attached reset passes to x: -y'[n] times
// thr[n], alpha y[n-1] or P[n], if it subtracts, gates the voltage, or also gates the drive.
// An event at step n adds i'[n] to the gradient of its weights, and a spike at step n adds
// i'[n+1] through V, so i'[n] replaces row n of the history.
#pragma once
#include "back_product.hpp"
#include "rounding.hpp"
#include "scratch.hpp"

namespace SGPIPE_ISA {

template <class T> struct DeltaScan {
  Trace<T> t;
  T *dS, *B, *dY, *dI, *dB;  // [padded]
};

// One step of one sample. `sums` are the gradients of the neurons' constants, null if not wanted.
template <class T, class H, bool ADAPTIVE>
SGPIPE_INLINE void reverse_delta_row(const H &h, const Network &net, const Neurons<T> &q,
                                     DeltaScan<T> c, int n, int vectors, int bytes, T *sums) {
  constexpr int W = LANES<T>;
  const Reset reset = net.reset;
  const bool attached = net.reset_attached, trained = net.trained && sums;
  const ptrdiff_t row = (ptrdiff_t)vectors * W;
  const uint8_t *now = c.t.bits + (ptrdiff_t)n * bytes, *before = now - bytes;
  T *history = c.t.history + n * row;
  const T *adapted = ADAPTIVE ? c.t.adapted + n * row : nullptr, *above = c.t.above + (n - 1) * row;
  in_groups<4>(vectors, [&](int v0, auto count) SGPIPE_LAMBDA {
    each<decltype(count)::value>([&](auto i) SGPIPE_LAMBDA {
      const int k = v0 + i;
      const ptrdiff_t at = (ptrdiff_t)k * W;
      const Mask<T> x = mask_at<T>(before, k);
      const Vec<T> alpha = load(q.alpha + at), P = load(history + at);
      // Too many rows at once for the processor to predict the next ones.
      prefetch(history - row + at, i);
      prefetch(above - row + at, i);
      if constexpr (ADAPTIVE) prefetch(adapted - row + at, i);
      const Vec<T> y = reset.gates_drive ? unless(x, P) : P;
      Vec<T> threshold = load(q.threshold + at), b{};
      if constexpr (ADAPTIVE) {
        b = load(adapted + at);
        threshold += load(q.strength + at) * b;
      }
      const Vec<T> through = slope_at<T>(h, q, at, y - threshold) * load(c.dS + at);
      Vec<T> dY = load(c.dY + at);
      if (reset.gates_voltage) dY = unless(mask_at<T>(now, k), dY);
      dY = alpha * dY + through;
      store(c.dY + at, dY);
      const Vec<T> open = unless(x, dY);
      Vec<T> dI = reset.gates_drive ? open : dY;
      if (reset.drive_decays) dI *= alpha;
      Vec<T> y_before{};
      if (trained || (attached && reset.gates_voltage && !reset.gates_drive))
        y_before = voltage(reset, history - row, before - bytes, k);
      store(history + at, dI);
      store(c.dI + at, dI);
      Vec<T> carry{};
      if (attached) {
        if (reset.subtracts) carry = -(dY * threshold);
        else if (reset.gates_drive) carry = -(dY * P);
        else if (reset.gates_voltage) carry = -(dY * alpha * y_before);
      }
      Vec<T> d_threshold = -through;
      if (reset.subtracts) d_threshold -= dY - open;
      if constexpr (ADAPTIVE) {
        const Vec<T> d = load(q.fading + at);
        const Vec<T> dB = d * load(c.dB + at) + load(q.strength + at) * d_threshold;
        store(c.dB + at, dB);
        carry += (T(1) - d) * dB;
        if (trained) {
          auto add = [&](int which, Vec<T> value) SGPIPE_LAMBDA {
            store(sums + which * row + at, load(sums + which * row + at) + value);
          };
          add(STRENGTH, d_threshold * b);
          add(FADING, dB * (load(adapted - row + at) - pick(x, splat(T(1)), Vec<T>{})));
        }
      }
      if (sums) {
        store(sums + BIAS * row + at, load(sums + BIAS * row + at) + dI);
        if (trained) {
          // Where the drive decays too, this is alpha times alpha's gradient.
          Vec<T> kept = reset.gates_voltage ? open * y_before : dY * y_before;
          if (reset.drive_decays) kept = dY * y;
          store(sums + ALPHA * row + at, load(sums + ALPHA * row + at) + kept);
          store(sums + THRESHOLD * row + at, load(sums + THRESHOLD * row + at) + d_threshold);
        }
      }
      if (n > 0) carry += load(above + at);
      store(c.B + at, carry);
    });
  });
}

template <class T, class H, bool ADAPTIVE>
static __attribute__((noinline)) void reverse_delta_of(const H &h, const Network &net,
                                                       const Projection<T> &w, const Projection<T> *v,
                                                       const Neurons<T> &q, DeltaScan<T> *scan,
                                                       int count, bool narrow, Near<T> near, T *sums,
                                                       uint16_t *halves) {
  const int vectors = w.post_vectors, bytes = bits_row(w.post);
  const ptrdiff_t row = (ptrdiff_t)vectors * LANES<T>;
  for (int n = net.steps - 1; n >= 0; n--) {
    if (v) {
      bool few = false;
      if constexpr (H::compact) {
        for (int r = 0; r < count && narrow; r++)
          list_near<T>(h, net.reset, ADAPTIVE, q, scan[r].t, n, w.post, vectors, r, near);
        few = narrow && near.few(count, w.post);
      }
      if (few) near_product<T>(scan->dI, *v, {scan->B, row, 1}, {scan->dS, row, 1}, count, near);
      else product_back<T>(net, {scan->dI, row, 1}, *v, {scan->B, row, 1}, {scan->dS, row, 1}, count, halves);
    }
    for (int r = 0; r < count; r++)
      reverse_delta_row<T, H, ADAPTIVE>(h, net, q, scan[r], n, vectors, bytes, sums);
    if (v && net.mixed) round_to_bfloat16(scan->dI, (size_t)count * row);
  }
}

// `v` is the layer's V if gradients flow through it. The adjoints are left in the histories.
template <class T>
static void reverse_delta(const Network &net, const Surrogate &shape, const Projection<T> &w,
                          const Projection<T> *v, const Neurons<T> &q, const Trace<T> *t, int count,
                          Coupled<T> c, Near<T> near, T *sums, uint16_t *halves) {
  const ptrdiff_t row = (ptrdiff_t)w.post_vectors * LANES<T>;
  T *const states[] = {c.A, c.B, c.dU, c.dJ, c.dS};
  for (T *state : states) std::memset(state, 0, ROWS * row * sizeof(T));
  DeltaScan<T> scan[ROWS];
  for (int r = 0; r < count; r++) {
    const ptrdiff_t at = r * row;
    // Without a product, S' is what B gathers.
    scan[r] = {t[r], (v ? c.dS : c.B) + at, c.B + at, c.dU + at, c.dJ + at, c.A + at};
    std::memcpy(c.B + at, t[r].above + (net.steps - 1) * row, row * sizeof(T));
  }
  with_surrogate<T>(shape, [&](auto h) {
    typedef decltype(h) H;
    const bool narrow = shape.compact() && near_pays(net);
    if (net.adaptive) reverse_delta_of<T, H, true>(h, net, w, v, q, scan, count, narrow, near, sums, halves);
    else reverse_delta_of<T, H, false>(h, net, w, v, q, scan, count, narrow, near, sums, halves);
  });
}

}  // namespace SGPIPE_ISA
