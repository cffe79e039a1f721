// One block of samples through a network of current-based neurons and back.
#pragma once
#include "block_base.hpp"
#include "own_decays.hpp"

namespace SGPIPE_ISA {

template <class T> class Block : public BlockBase<T> {
 public:
  Block(const Job<T> &job, int64_t first, int count, const Gradients<T> &grad, Tally &tally,
        Scratch<T> &m)
      : BlockBase<T>(job, first, count, grad, tally, m),
        d{T(job.net.b_syn), T(job.net.b_mem), T(job.net.b_out)} {}

  void run() {
    for (int r = 0; r < count; r++) {
      Sample<T> &s = m.sample[r];
      s.index = job.indices[first + r];
      if (!this->read(s)) return;
      const T check = hidden(s);
      readout(s, first + r, check);
      if (job.train) readout_back(s);
    }
    // With a derivative that is zero everywhere, no gradient reaches the hidden layers.
    bool reached = false;
    for (int l = 0; l < net.layers; l++) reached |= net.surrogate[l].height != 0;
    if (job.train && reached) hidden_back();
  }

 private:
  typedef BlockBase<T> Base;
  using Base::count, Base::dense, Base::drops, Base::first, Base::grad, Base::job, Base::m, Base::net,
      Base::out, Base::pushed, Base::row_of, Base::tally, Base::input_of, Base::W;
  const Decay<T> d;
  int last = 0;  // latest step with a gradient of the loss in a readout

  // Forward through the hidden layers; 0, or NaN if a current was not finite.
  T hidden(Sample<T> &s) {
    T check = 0;
    for (int l = 0; l < net.layers; l++) {
      const Projection<T> &w = job.weights.forward[l];
      const T *drive = dense && l == 0 ? m.drive : nullptr;
      Trace<T> &t = s.trace[l];
      const Projection<T> *v = net.recurrent[l] ? &job.weights.recurrent[l] : nullptr;
      if (net.own_decays)
        check += forward_own<T>(w, v, job.weights.decays[l], net.steps, input_of(l, s), drive, t, m.current);
      else
        check += v ? forward_recurrent<T>(w, *v, net.steps, input_of(l, s), drive, t, m.current, d)
                   : forward_layer<T>(w, net.steps, input_of(l, s), drive, t, d);
      this->count_spikes(l, s);
    }
    return check;
  }

  void readout(Sample<T> &s, int64_t place, T check) {
    const T *drive = dense && net.layers == 0 ? m.drive : nullptr;
    in_groups<4>(out.post_vectors, [&](int v, auto n) {
      check += readout_group<T, decltype(n)::value>(out, v, net.steps, input_of(net.layers, s),
                                                    drive, net.head_sum(), net.max_from,
                                                    T(net.readout_start), d,
                                                    s.logits, s.reached);
    });
    const int64_t label = job.samples.label(s.index);
    // A reset may hide a current that overflowed, but the loss must still show it.
    tally.loss += cross_entropy(net, out.post_vectors, label, s.logits, s.g) + (double)check;
    tally.correct += rightness(s.logits, net.classes, label);
    if (job.logits)
      for (int c = 0; c < net.classes; c++)
        job.logits[place * net.classes + c] = s.logits[c] + check;
    s.last = net.steps - 1;
    if (!net.head_sum()) {
      T latest = 0;
      for (int c = 0; c < net.classes; c++)
        if (s.reached[c] > latest) latest = s.reached[c];
      tally.moved.resize(net.classes);
      for (int c = 0; c < net.classes; c++) tally.moved[c] |= s.reached[c] > 0;
      s.last = (int)latest;
    }
    if (s.last > last) last = s.last;
  }

  void readout_back(Sample<T> &s) {
    in_groups<4>(out.post_vectors, [&](int v, auto n) {
      reverse_readout<T, decltype(n)::value>(v, row_of(out), s.last, net.head_sum(), s.g, s.reached,
                                             d, m.readout);
    });
    if (dense && net.layers == 0) {
      dense_gather(net, m, out.post_vectors, m.readout, grad.forward[0], s.last - 1);
    } else if (s.last > 1) {
      const Stretch all{input_of(net.layers, s), 0, s.last - 1, 0};
      gather<T>(grad.forward[net.layers], m.readout, out.post_vectors, &all, 1,
                net.fan_in(net.layers), m.by_unit);
    }
  }

  // An event acts on the membrane two steps later: one for the current, one for its
  // drive. So the reverse scan of each layer starts two steps before the layer above.
  void hidden_back() {
    int top = last - 2, above_top = -1;
    for (int l = net.layers - 1; l >= 0; l--) {
      if (pushed[l]) top = net.steps - 1;
      if (top < 0) continue;
      reverse(l, top, above_top);
      if (top > 1) this->sum_gradients(l, top - 1, 0);
      above_top = top;
      top -= 2;
    }
  }

  // The reverse scan of layer l from step `top` down; it leaves its adjoints in the histories.
  void reverse(int l, int top, int above_top) {
    const Projection<T> &w = job.weights.forward[l];
    const bool under_readout = l == net.layers - 1;
    Reverse<T> scans[ROWS];
    const T *above[ROWS];
    Filters<T> filters[ROWS];
    Active near[ROWS];
    const Surrogate &shape = net.surrogate[l];
    bool few = !drops && !net.own_decays && shape.compact() && (net.coupled(l) || !under_readout);
    for (int r = 0; r < count && few; r++) {
      near[r] = m.sample[r].active[l];
      few = list_active(shape, m.sample[r].trace[l], w.post, w.post_vectors, top, near[r]);
    }
    for (int r = 0; r < count; r++) {
      Sample<T> &s = m.sample[r];
      Trace<T> &t = s.trace[l];
      scans[r] = {t.history, t.bits, row_of(w), bits_row(net.width[l]), top, d};
      above[r] = t.above;
      if (under_readout) {
        prepare_filters(net, out, s, pushed[l] ? t.counts : nullptr, s.filters);
        filters[r] = s.filters;
      } else {
        above_hidden(l, s, top, above_top, few ? &near[r] : nullptr);
      }
    }
    if (net.own_decays) {
      reverse_own<T>(net, shape, net.coupled(l) ? &job.weights.recurrent[l] : nullptr, job.weights.decays[l], w.post_vectors,
                     scans, count, under_readout ? filters : nullptr, under_readout ? nullptr : above, m.coupled,
                     net.trained ? grad.neurons[l] : nullptr);
    } else if (net.coupled(l)) {
      reverse_coupled<T>(net, shape, job.weights.recurrent[l], scans, count,
                         under_readout ? filters : nullptr, under_readout ? nullptr : above,
                         few ? near : nullptr, m.coupled);
    } else {
      for (int r = 0; r < count; r++)
        reverse_layer<T>(net, shape, scans[r], w.post_vectors,
                         under_readout ? &filters[r] : nullptr, above[r]);
    }
  }

  // The adjoints of layer l's spikes from the layer above; `near`, if given, lists those that are needed.
  void above_hidden(int l, Sample<T> &s, int top, int above_top, const Active *near) {
    const Projection<T> &w = job.weights.forward[l], &up = job.weights.forward[l + 1];
    const ptrdiff_t row = row_of(w), up_row = row_of(up);
    Trace<T> &t = s.trace[l];
    const T *adjoint = s.trace[l + 1].history;
    const T *counts = pushed[l] ? t.counts : nullptr;
    const int reached = above_top > 1 ? above_top - 1 : 0;
    if (!near) this->from_above(l, s, reached);
    // Later rows of the layer above hold its membrane, not an adjoint.
    for (int n = near ? 0 : reached; n <= top; n++)
      if (counts) std::memcpy(t.above + n * row, counts, row * sizeof(T));
      else std::memset(t.above + n * row, 0, row * sizeof(T));
    for (int n = 0; near && n < reached; n++)
      sparse_row<T>(adjoint + n * up_row, up.rows, up.post_vectors, near->units + near->start[n],
                    near->units + near->start[n + 1], t.above + n * row);
  }
};

}  // namespace SGPIPE_ISA
