// One block of samples through a network of delta neurons and back.
#pragma once
#include "block_base.hpp"
#include "delta_backward.hpp"
#include "steps_loss.hpp"

namespace SGPIPE_ISA {

template <class T> class DeltaBlock : public BlockBase<T> {
 public:
  using BlockBase<T>::BlockBase;

  void run() {
    bool reached = false;  // with a derivative that is zero everywhere nothing is
    for (int l = 0; l < net.layers; l++) reached |= net.surrogate[l].dampening != 0;
    for (int r = 0; r < count; r++) {
      m.sample[r].index = job.indices[first + r];
      if (!this->read(m.sample[r])) return;
    }
    T check[ROWS] = {};
    for (int l = 0; l < net.layers; l++) forward(l, check);
    for (int r = 0; r < count; r++) {
      readout(m.sample[r], first + r, check[r]);
      if (job.train) readout_back(m.sample[r], reached);
    }
    if (job.train && reached) hidden_back();
  }

 private:
  typedef BlockBase<T> Base;
  using Base::count, Base::dense, Base::first, Base::grad, Base::job, Base::m, Base::net, Base::out,
      Base::pushed, Base::row_of, Base::tally, Base::input_of, Base::W;

  // Layer l of all samples; `check` turns to NaN if a voltage of a sample was not finite.
  void forward(int l, T *check) {
    Trace<T> traces[ROWS];
    for (int r = 0; r < count; r++) {
      traces[r] = m.sample[r].trace[l];
      if (!dense || l > 0) drive_delta<T>(job.weights.forward[l], net.steps, input_of(l, m.sample[r]), traces[r].history);
    }
    forward_delta<T>(net, job.weights.forward[l], net.recurrent[l] ? &job.weights.recurrent[l] : nullptr,
                     job.weights.neurons[l], traces, count, check);
    for (int r = 0; r < count; r++) this->count_spikes(l, m.sample[r]);
  }

  // The logits of every step, then their gradients in their place.
  void readout(Sample<T> &s, int64_t place, T check) {
    const Trace<T> &t = s.trace[net.layers - 1];
    in_groups<4>(out.post_vectors, [&](int v, auto n) {
      linear_readout<T, decltype(n)::value>(out, job.weights.readout_bias, v, net.steps, {t.start, t.units},
                                            m.readout);
    });
    const int64_t label = job.samples.label(s.index);
    // A voltage that overflowed may hide behind a reset: it still spoils the loss.
    tally.loss += steps_loss(net, out.post_vectors, label, m.readout, s.logits, s.g) + (double)check;
    tally.correct += rightness(s.logits, net.classes, label);
    if (job.logits)
      for (int c = 0; c < net.classes; c++) job.logits[place * net.classes + c] = s.logits[c] + check;
  }

  void readout_back(Sample<T> &s, bool reached) {
    const int l = net.layers - 1;
    const Projection<T> &w = job.weights.forward[l];
    const Trace<T> &t = s.trace[l];
    const ptrdiff_t row = row_of(w), out_row = row_of(out);
    const Stretch all{{t.start, t.units}, 0, net.steps, 0};
    gather<T>(grad.forward[net.layers], m.readout, out.post_vectors, &all, 1, net.width[l], m.by_unit);
    for (int n = 0; n < net.steps; n++) add_row(grad.readout_bias, m.readout + n * out_row, out.post_vectors);
    for (int n = 0; reached && n < net.steps; n += ROWS)
      product_plain<T>({m.readout + n * out_row, out_row, 1}, out.plain, row, net.classes, w.post_vectors,
                       {pushed[l] ? t.counts : nullptr, 0, 1}, {t.above + n * row, row, 1});
  }

  void hidden_back() {
    for (int l = net.layers - 1; l >= 0; l--) {
      Trace<T> traces[ROWS];
      for (int r = 0; r < count; r++) {
        if (l + 1 < net.layers) this->from_above(l, m.sample[r], net.steps);
        traces[r] = m.sample[r].trace[l];
      }
      reverse_delta<T>(net, net.surrogate[l], job.weights.forward[l],
                       net.coupled(l) ? &job.weights.recurrent[l] : nullptr, job.weights.neurons[l], traces, count,
                       m.coupled, m.near, net.biased || net.trained ? grad.neurons[l] : nullptr);
      this->sum_gradients(l, net.steps, 1);
    }
  }
};

}  // namespace SGPIPE_ISA
