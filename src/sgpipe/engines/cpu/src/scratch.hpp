// The memory of one block of samples: everything between the events and the sums of gradients.
#pragma once
#include "back_product.hpp"
#include "forward.hpp"
#include "gather.hpp"
#include "matmul.hpp"
#include "near.hpp"

namespace SGPIPE_ISA {

// The adjoint of the last hidden layer's spikes is the readout's, seen through W_out.
// The readout is linear, so its filters run in the hidden space instead:
//   B[n] = b_syn B[n+1] + A[n+1],  A[n] = b_out A[n+1] + rate + sum_{c: t_c = n} g_c W_out[c]
// and S'[n] = B[n+1]: two multiply-adds per neuron, whatever the number of classes.
// A constant S' = r of the regularisers rides along as the fixed point B = r.
template <class T> struct Filters {
  const T *weights;  // [classes][padded]
  T *A, *B, *rate;   // [padded], start values and constant drive
  int32_t *when, *which;  // classes by falling step of their maximum, then -1
  const T *g;        // [classes]
  int from;          // the step that the filters start at
};

// State of a recurrent layer's reverse scan: [ROWS][padded] each, one row per sample. For delta neurons A is the
// adjoint of the adaptation's trace, and B that of the spikes without what comes through V.
template <class T> struct Coupled {
  T *A, *B, *dU, *dJ, *dS, *P_next;
};

// How many steps a readout of words takes at once: their logits stay in the last cache, and each word's weights, as
// many bytes again, are read once for all of them.
constexpr int WORD_ROWS = 120;
// Logits of a step, in whole panels.
template <class T> constexpr int word_columns(const Network &net) {
  constexpr int panel = LONG_GROUP * LANES<T>;
  return (net.classes + panel - 1) / panel * panel;
}

// Hands out aligned pieces of one allocation; with a null base it only measures.
struct Bump {
  char *base;
  size_t used = 0;
  template <class U> U *take(size_t n) {
    U *p = base ? (U *)(base + used) : nullptr;
    used += (n * sizeof(U) + 63) / 64 * 64;
    return p;
  }
};

// What dropout keeps of the events that a layer receives.
struct Kept { int32_t *start, *units, *minus_start, *minus_units; };

template <class T> struct Sample {
  Trace<T> trace[MAX_LAYERS];
  Kept kept[MAX_LAYERS];
  Active active[MAX_LAYERS];
  int32_t *start;     // of the sample's own input events
  Events in;          // those that the network receives
  Kept kept_in;       // memory for them where some are dropped
  T *logits, *reached;  // of each class, and the step of its maximum
  T *g;                 // gradient of the loss with respect to the logits
  Filters<T> filters;
  int64_t index;
  int last;  // latest step with a gradient of the loss in the readout
};

template <class T> struct Scratch {
  Sample<T> sample[ROWS];
  Coupled<T> coupled;
  ByUnit by_unit, by_minus;
  Near<T> near;
  T *current, *readout, *input, *drive;
  T *back;  // [WORD_ROWS + ROWS][padded]: what a readout of words sends back
  uint16_t *halves;  // of a backward product
  int input_row;

  void lay_out(const Network &net, bool train, bool dense, int samples, Bump &m) {
    constexpr int W = LANES<T>;
    auto padded = [](int n) { return (size_t)(n + W - 1) / W * W; };
    const size_t rows = net.steps + 1 + ROWS, classes = padded(net.classes);
    size_t widest = net.words ? 0 : classes;
    if (net.tied && padded(net.inputs) > widest) widest = padded(net.inputs);
    for (int l = 0; l < net.layers; l++)
      if (net.gates() * padded(net.width[l]) > widest) widest = net.gates() * padded(net.width[l]);
    for (int r = 0; r < samples; r++) {
      Sample<T> &s = sample[r];
      for (int l = 0; l < net.layers; l++) {
        Trace<T> &t = s.trace[l];
        const size_t n = padded(net.width[l]);
        const int bytes = bits_row(net.width[l]);
        // Delta neurons need a row for their state before the first step, gated ones for their cells.
        const int silent = net.stacked() ? 2 : 1;
        t.history = m.take<T>((rows + net.delta) * net.gates() * n);
        t.adapted = net.adaptive || net.gated ? m.take<T>((size_t)(net.steps + 1) * n) : nullptr;
        t.bits = m.take<uint8_t>((size_t)(silent + (net.gated ? 0 : net.steps)) * bytes);
        if (m.base) {
          t.bits += silent * bytes;
          if (net.delta) t.history += n;
          if (t.adapted) t.adapted += n;
        }
        t.start = m.take<int32_t>(net.steps + 1);
        // After a spike comes a reset: current-based neurons fire at most every other step;
        // append() needs slack.
        const size_t most = net.stacked() ? net.steps : (size_t)(net.steps + 1) / 2;
        t.units = m.take<int32_t>(most * net.width[l] + 8);
        t.minus_start = net.gated ? m.take<int32_t>(net.steps + 1) : nullptr;
        t.minus_units = net.gated ? m.take<int32_t>(most * net.width[l] + 8) : nullptr;
        t.before = net.words ? m.take<int32_t>(net.width[l]) : nullptr;
        t.above = train && (net.stacked() || l + 1 < net.layers) ? m.take<T>(rows * n) : nullptr;
        t.counts = m.take<T>(n);
        if (train && net.dropout != 0) {
          s.kept[l].start = m.take<int32_t>(net.steps + 1);
          const size_t events = (l ? (size_t)net.steps * net.width[l - 1] : (size_t)net.most_events) + 1;
          s.kept[l].units = m.take<int32_t>(events);
          s.kept[l].minus_start = net.gated && l ? m.take<int32_t>(net.steps + 1) : nullptr;
          s.kept[l].minus_units = net.gated && l ? m.take<int32_t>(events) : nullptr;
        }
        // Lists for layers that get S' from a product: through V or from the next layer.
        const bool product = net.coupled(l) || l + 1 < net.layers;
        if (train && product && !net.stacked() && net.surrogate[l].compact()) {
          const int post = l + 1 < net.layers ? net.width[l + 1] : net.width[l];
          Active &a = s.active[l];
          a.limit = active_limit(net.steps, post, (int)padded(post) / W, (int)n / W);
          a.start = m.take<int32_t>(net.steps + 2);
          a.units = m.take<int32_t>(a.limit + net.width[l] + 8);
        }
      }
      s.start = m.take<int32_t>(net.steps + 1);
      if (train && net.input_dropout != 0 && !dense) {
        s.kept_in.start = m.take<int32_t>(net.steps + 1);
        s.kept_in.units = m.take<int32_t>((size_t)net.most_events + 1);
      }
      s.logits = m.take<T>(classes);
      s.reached = m.take<T>(classes);
      s.g = m.take<T>(classes);
      s.filters.A = m.take<T>(widest);
      s.filters.B = m.take<T>(widest);
      s.filters.rate = m.take<T>(widest);
      s.filters.when = m.take<int32_t>(net.classes + 1);
      s.filters.which = m.take<int32_t>(net.classes + 1);
    }
    if (train) {
      T **state[] = {&coupled.A, &coupled.B, &coupled.dU, &coupled.dJ, &coupled.dS, &coupled.P_next};
      for (T **p : state) *p = m.take<T>(ROWS * widest);
    }
    if (train) {
      int units = net.inputs;
      for (int l = 0; l < net.layers; l++)
        if (net.width[l] > units) units = net.width[l];
      by_unit.end = m.take<int32_t>(units);
      // A readout of words sorts all events that it takes at once.
      const size_t at_once = net.words ? (size_t)WORD_ROWS * net.width[net.layers - 1] : 0;
      by_unit.at = m.take<int32_t>(at_once > ByUnit::most ? at_once : ByUnit::most);
      by_unit.rows = m.take<uint8_t>(ByUnit::far_rows * GATHER * SGPIPE_BYTES);
      by_minus.end = net.gated && net.words ? m.take<int32_t>(units) : nullptr;
      by_minus.at = net.gated && net.words ? m.take<int32_t>(at_once) : nullptr;
    }
    if (train && net.delta) {
      near.start = m.take<int32_t>(Near<T>::rows + 1);
      near.units = m.take<int32_t>(Near<T>::rows * widest + 8);
      near.bits = m.take<uint8_t>(bits_row((int)widest) + 32);
    }
    const bool half = train && net.products != Products::single;
    halves = half ? m.take<uint16_t>(halves_size(net.words && (size_t)net.classes > widest ? net.classes : (int)widest)) : nullptr;
    current = m.take<T>(widest);
    if (net.words) {
      const size_t block = WORD_ROWS + ROWS;
      readout = m.take<T>(block * word_columns<T>(net));
      back = train ? m.take<T>(block * padded(net.width[net.layers - 1])) : nullptr;
    } else {
      readout = m.take<T>(rows * classes);
      back = nullptr;
    }
    input_row = (net.inputs + ROWS - 1) / ROWS * ROWS;
    input = dense ? m.take<T>(rows * input_row) : nullptr;
    drive = dense ? m.take<T>(rows * widest) : nullptr;
  }
};

template <class T> static size_t scratch_bytes(const Network &net, bool train, bool dense, int n) {
  Scratch<T> s;
  Bump m{nullptr};
  s.lay_out(net, train, dense, n, m);
  return m.used;
}

}  // namespace SGPIPE_ISA
