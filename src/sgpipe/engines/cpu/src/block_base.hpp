// What the blocks of all kinds of neurons share: reading samples and summing gradients of weights.
#pragma once
#include "dropout.hpp"
#include "input.hpp"
#include "loss.hpp"
#include "rounding.hpp"

namespace SGPIPE_ISA {

template <class T> class BlockBase {
 public:
  BlockBase(const Job<T> &job, int64_t first, int count, const Gradients<T> &grad, Tally &tally,
            Scratch<T> &m)
      : job(job), net(job.net), out(job.weights.forward[job.net.layers]), first(first),
        count(count), dense(job.samples.dense || job.net.tied), drops(job.train && job.net.dropout != 0),
        drops_input(job.train && job.net.input_dropout != 0),
        grad(grad), tally(tally), m(m) {}

 protected:
  static constexpr int W = LANES<T>;
  const Job<T> &job;
  const Network &net;
  const Projection<T> &out;
  const int64_t first;
  const int count;
  const bool dense, drops, drops_input;
  const Gradients<T> &grad;
  Tally &tally;
  Scratch<T> &m;
  bool pushed[MAX_LAYERS] = {};  // whether the regularisers push a layer's spike counts

  // The events that layer l (the readout: net.layers) receives.
  Events input_of(int l, const Sample<T> &s) const {
    if (drops && l < net.layers) return {s.kept[l].start, s.kept[l].units};
    return l ? Events{s.trace[l - 1].start, s.trace[l - 1].units} : s.in;
  }
  // The events where its input is -1.
  Events minus_of(int l, const Sample<T> &s) const {
    if (drops && l < net.layers) return {s.kept[l].minus_start, s.kept[l].minus_units};
    return {s.trace[l - 1].minus_start, s.trace[l - 1].minus_units};
  }
  // Units of a hidden layer, in vectors.
  int vectors_of(int l) const { return (net.width[l] + W - 1) / W; }
  static ptrdiff_t row_of(const Projection<T> &w) { return (ptrdiff_t)w.post_vectors * W; }

  void read_dense(const Sample<T> &s) {
    dense_input(job, m, s.index);
    for (int n = 0; drops_input && n < net.steps; n++)
      drop_row(net, INPUT, job.samples.number(s.index), n, m.input + (ptrdiff_t)n * m.input_row);
    for (int n = 0; drops && n < net.steps; n++)
      drop_row(net, 0, job.samples.number(s.index), n, m.input + (ptrdiff_t)n * m.input_row);
  }

  bool read(Sample<T> &s) {
    if (dense) {
      read_dense(s);
      dense_drive(net, m, job.weights.forward[0], net.stacked() ? s.trace[0].history : m.drive);
      return true;
    }
    const Fault fault = index_events(net, job.samples, s.index, s.start, tally.fault_event);
    if (fault != Fault::none) {
      tally.fault = fault;
      tally.fault_sample = s.index;
      return false;
    }
    s.in = {s.start, job.samples.unit + job.samples.start[s.index]};
    if (drops_input) {
      keep_events(net, INPUT, job.samples.number(s.index), s.in, s.kept_in.start, s.kept_in.units);
      s.in = {s.kept_in.start, s.kept_in.units};
    }
    if (drops && net.layers) keep(0, s, s.in);
    return true;
  }

  // After the forward pass of hidden layer l.
  void count_spikes(int l, Sample<T> &s) {
    Trace<T> &t = s.trace[l];
    tally.spikes[l] += spikes_of(net, t);
    if (net.regularised()) pushed[l] |= regularise(net, net.width[l], vectors_of(l) * W, t, tally.regulariser);
    if (!drops || l + 1 == net.layers) return;
    keep(l + 1, s, {t.start, t.units});
    if (net.gated) {
      const Kept &k = s.kept[l + 1];
      keep_events(net, l + 1, job.samples.number(s.index), {t.minus_start, t.minus_units}, k.minus_start, k.minus_units);
    }
  }
  void keep(int l, Sample<T> &s, Events in) {
    keep_events(net, l, job.samples.number(s.index), in, s.kept[l].start, s.kept[l].units);
  }

  // Adds the contributions of events before step `end` to the gradients of layer l's weights. The adjoint of an event
  // lies in the history's row of its step, that of a spike through V `lag` rows further on.
  void sum_gradients(int l, int end, int lag) {
    const int vectors = job.weights.forward[l].post_vectors;
    const T *adjoint = m.sample[0].trace[l].history;
    Stretch from_below[ROWS], own[ROWS], minus_below[ROWS], minus_own[ROWS];
    for (int r = 0; r < count; r++) {
      const Sample<T> &s = m.sample[r];
      const Trace<T> &t = s.trace[l];
      const int32_t at = (int32_t)((t.history - adjoint) / W);
      from_below[r] = {input_of(l, s), 0, end, at};
      own[r] = {{t.start, t.units}, 0, end - lag, at + lag * vectors};
      if (net.gated) {
        if (l > 0) minus_below[r] = {minus_of(l, s), 0, end, at};
        minus_own[r] = {{t.minus_start, t.minus_units}, 0, end - lag, at + lag * vectors};
      }
      if (!dense || l > 0) continue;
      if (count > 1) read_dense(s);
      dense_gather(net, m, vectors, t.history, grad.forward[0], end);
    }
    if (!dense || l > 0)
      gather<T>(grad.forward[l], adjoint, vectors, from_below, count, net.fan_in(l), m.by_unit);
    if (net.gated && l > 0)
      gather<T>(grad.forward[l], adjoint, vectors, minus_below, count, net.fan_in(l), m.by_unit, T(-1));
    if (!net.recurrent[l]) return;
    gather<T>(grad.recurrent[l], adjoint, vectors, own, count, net.width[l], m.by_unit);
    if (net.gated)
      gather<T>(grad.recurrent[l], adjoint, vectors, minus_own, count, net.width[l], m.by_unit, T(-1));
  }

  // Lists the delta neurons of layer l near the threshold at `rows` steps from n on; returns whether they are few.
  bool near_rows(int l, const Trace<T> &t, int n, int rows) {
    const Projection<T> &w = job.weights.forward[l];
    with_surrogate<T>(net.surrogate[l], [&](auto h) {
      if constexpr (decltype(h)::compact)
        for (int r = 0; r < rows; r++)
          list_near<T>(h, net.reset, net.adaptive, job.weights.neurons[l], t, n + r, w.post, w.post_vectors, r, m.near);
    });
    return m.near.few(rows, w.post);
  }

  // Writes the adjoints of layer l's spikes from the layer above, at the steps before `end`, to t.above. The layer
  // above has its adjoint of a step in the row of that step.
  void from_above(int l, Sample<T> &s, int end) {
    const Projection<T> &up = job.weights.forward[l + 1];
    const int vectors = vectors_of(l);
    const ptrdiff_t row = (ptrdiff_t)vectors * W, up_row = row_of(up);
    Trace<T> &t = s.trace[l];
    T *adjoint = s.trace[l + 1].history;
    // The gradients of the layer above are complete: its adjoints are needed for nothing else.
    if (net.mixed) round_to_bfloat16(adjoint, (size_t)end * up_row);
    // The counts of gated neurons push only their output gates.
    const T *counts = pushed[l] && !net.gated ? t.counts : nullptr, *init = drops ? nullptr : counts;
    constexpr int together = Near<T>::rows;
    for (int n = 0; n < end; n += together) {
      const int rows = end - n < together ? end - n : together;
      const Strided<const T> from{init, 0, 1};
      const Strided<T> to{t.above + n * row, row, 1};
      if (!drops && net.delta && near_pays(net) && net.surrogate[l].compact() && near_rows(l, t, n, rows))
        near_product<T>(adjoint + n * up_row, up, from, to, rows, m.near);
      else product_back<T>(net, {adjoint + n * up_row, up_row, 1}, up, from, to, rows, m.halves);
    }
    for (int n = 0; drops && n < end; n++) {
      drop_row(net, l + 1, job.samples.number(s.index), n, t.above + n * row);
      if (counts) add_row<T>(t.above + n * row, counts, vectors);
    }
  }
};

}  // namespace SGPIPE_ISA
