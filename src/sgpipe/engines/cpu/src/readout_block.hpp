// One block of samples through layers of neurons and a linear readout, and back; what the neurons do is passed in.
#pragma once
#include "block_base.hpp"
#include "carried.hpp"
#include "steps_loss.hpp"
#include "text_readout.hpp"

namespace SGPIPE_ISA {

template <class T> class ReadoutBlock : public BlockBase<T> {
 public:
  using BlockBase<T>::BlockBase;

 protected:
  typedef BlockBase<T> Base;
  using Base::count, Base::dense, Base::drops, Base::first, Base::grad, Base::job, Base::m, Base::net, Base::out,
      Base::pushed, Base::row_of, Base::tally, Base::input_of, Base::vectors_of, Base::W;

  // `forward(l, traces, check)` runs hidden layer l; it sets a sample's `check` to NaN if anything was not finite.
  template <class F> void run_forward(F forward) {
    for (int l = 0; l < net.layers; l++) reached |= net.surrogate[l].height != 0;
    reached &= job.train;
    for (int r = 0; r < count; r++) {
      m.sample[r].index = job.indices[first + r];
      if (!this->read(m.sample[r])) {
        reached = false;
        return;
      }
    }
    T check[ROWS] = {};
    for (int l = 0; l < net.layers; l++) {
      Trace<T> traces[ROWS];
      for (int r = 0; r < count; r++) {
        read_outputs(job, l, m.sample[r].index, m.sample[r].trace[l]);
        traces[r] = m.sample[r].trace[l];
      }
      forward(l, traces, check);
      for (int r = 0; r < count; r++) this->count_spikes(l, m.sample[r]);
    }
    for (int r = 0; r < count; r++) {
      if (net.words) {
        tally.loss += (double)check[r];
      } else {
        readout(m.sample[r], first + r, check[r]);
        if (job.train) readout_back(m.sample[r]);
      }
    }
    if (net.words) TextReadout<T>(job, grad, tally, m, count, reached, pushed[net.layers - 1]).run();
  }

  // `leave(l, sample)` writes the state of layer l, except for its outputs, if it is asked for.
  template <class F> void leave(F leave) {
    for (int l = 0; l < net.layers && job.state[l][0] && tally.fault == Fault::none; l++)
      for (int r = 0; r < count; r++) {
        leave(l, m.sample[r]);
        leave_outputs(job, l, m.sample[r].index, m.sample[r].trace[l]);
      }
  }

  // `back(l, traces)` turns the adjoints of layer l's outputs into those of its drives.
  template <class F> void run_back(F back) {
    for (int l = net.layers - 1; l >= 0 && reached; l--) {
      Trace<T> traces[ROWS];
      for (int r = 0; r < count; r++) {
        if (l + 1 < net.layers) this->from_above(l, m.sample[r], net.steps);
        traces[r] = m.sample[r].trace[l];
      }
      back(l, traces);
      this->sum_gradients(l, net.steps, 1);
      for (int r = 0; r < count && net.recurrent[l]; r++)
        gather_before<T>(grad.recurrent[l], traces[r], job.weights.forward[l].post_vectors);
    }
    for (int r = 0; r < count && reached && net.tied; r++) embedding_back(m.sample[r]);
  }

 private:
  bool reached = false;  // whether gradients reach the hidden layers: not with a derivative that is zero everywhere

  // Computes the logits of every step, then replaces them by their gradients.
  void readout(Sample<T> &s, int64_t place, T check) {
    const Trace<T> &t = s.trace[net.layers - 1];
    in_groups<4>(out.post_vectors, [&](int v, auto n) {
      linear_readout<T, decltype(n)::value>(out, job.weights.readout_bias, v, net.steps, outputs_of(t), m.readout);
    });
    const int64_t label = job.samples.label(s.index);
    // A reset may hide a voltage that overflowed, but the loss must still show it.
    tally.loss += steps_loss(net, out.post_vectors, label, m.readout, s.logits, s.g) + (double)check;
    tally.correct += rightness(s.logits, net.classes, label);
    if (job.logits)
      for (int c = 0; c < net.classes; c++) job.logits[place * net.classes + c] = s.logits[c] + check;
  }

  void readout_back(Sample<T> &s) {
    const int l = net.layers - 1, vectors = vectors_of(l);
    const Trace<T> &t = s.trace[l];
    const ptrdiff_t row = (ptrdiff_t)vectors * W, out_row = row_of(out);
    const Signed outputs = outputs_of(t);
    const Stretch plus{outputs.plus, 0, net.steps, 0}, minus{outputs.minus, 0, net.steps, 0};
    gather<T>(grad.forward[net.layers], m.readout, out.post_vectors, &plus, 1, net.width[l], m.by_unit);
    if (net.gated)
      gather<T>(grad.forward[net.layers], m.readout, out.post_vectors, &minus, 1, net.width[l], m.by_unit, T(-1));
    for (int n = 0; n < net.steps; n++) add_row(grad.readout_bias, m.readout + n * out_row, out.post_vectors);
    const T *init = pushed[l] && !net.gated ? t.counts : nullptr;
    if (net.mixed) round_to_bfloat16(m.readout, (size_t)net.steps * out_row);
    for (int n = 0; reached && n < net.steps; n += ROWS)
      product_plain<T>({m.readout + n * out_row, out_row, 1}, out.plain, row, net.classes, vectors, {init, 0, 1},
                       {t.above + n * row, row, 1});
  }

  // Gradients of the embedded words.
  void embedding_back(Sample<T> &s) {
    const Projection<T> &w = job.weights.forward[0];
    const ptrdiff_t row = row_of(w), in_row = (ptrdiff_t)w.pre_vectors * W;
    if (net.mixed) round_to_bfloat16(s.trace[0].history, (size_t)net.steps * row);
    product_back<T>(net, {s.trace[0].history, row, 1}, w, {nullptr, 0, 0}, {m.drive, in_row, 1}, net.steps, m.halves);
    T *to = job.embedded + s.index * net.steps * net.inputs;
    for (int n = 0; n < net.steps; n++, to += net.inputs) {
      T *from = m.drive + n * in_row;
      if (drops) drop_row(net, 0, job.samples.number(s.index), n, from);
      std::memcpy(to, from, net.inputs * sizeof(T));
    }
  }
};

}  // namespace SGPIPE_ISA
