// One block of samples through a network of delta neurons and back.
#pragma once
#include "delta_backward.hpp"
#include "readout_block.hpp"

namespace SGPIPE_ISA {

template <class T> class DeltaBlock : public ReadoutBlock<T> {
 public:
  using ReadoutBlock<T>::ReadoutBlock;

  void run() {
    this->run_forward([this](int l, Trace<T> *traces, T *check) {
      const Projection<T> &w = job.weights.forward[l];
      for (int r = 0; r < count; r++) {
        const Trace<T> &t = traces[r];
        const int64_t strand = m.sample[r].index;
        read_state(job, l, 1, strand, t.history - row_of(w), (int)row_of(w));
        if (net.adaptive) read_state(job, l, 2, strand, t.adapted - row_of(w), (int)row_of(w));
        if (!dense || l > 0) drive_delta<T>(w, net.steps, input_of(l, m.sample[r]), t.history);
      }
      forward_delta<T>(net, w, net.recurrent[l] ? &job.weights.recurrent[l] : nullptr, job.weights.neurons[l], traces,
                       count, check);
    });
    this->leave([this](int l, const Sample<T> &s) { leave_voltages(l, s); });
    this->run_back([this](int l, const Trace<T> *traces) {
      reverse_delta<T>(net, net.surrogate[l], job.weights.forward[l],
                       net.coupled(l) ? &job.weights.recurrent[l] : nullptr, job.weights.neurons[l], traces, count,
                       m.coupled, m.near, net.biased || net.trained ? grad.neurons[l] : nullptr, m.halves);
    });
  }

 private:
  typedef ReadoutBlock<T> Base;
  using Base::count, Base::dense, Base::grad, Base::job, Base::m, Base::net, Base::row_of, Base::input_of, Base::W;

  // Leaves the last voltages, cleared where a reset gates them, before the adjoints replace them.
  void leave_voltages(int l, const Sample<T> &s) {
    const Trace<T> &t = s.trace[l];
    const int bytes = bits_row(net.width[l]), n = net.steps - 1;
    const ptrdiff_t row = row_of(job.weights.forward[l]);
    T *voltages = m.current;
    for (int v = 0; v < this->vectors_of(l); v++)
      store(voltages + v * W, voltage(net.reset, t.history + n * row, t.bits + (ptrdiff_t)(n - 1) * bytes, v));
    leave_state(job, l, 1, s.index, voltages);
    if (net.adaptive) leave_state(job, l, 2, s.index, t.adapted + n * row);
  }
};

}  // namespace SGPIPE_ISA
