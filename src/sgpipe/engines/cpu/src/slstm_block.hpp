// One block of samples through a spiking LSTM and back.
#pragma once
#include "readout_block.hpp"
#include "slstm_backward.hpp"
#include "slstm_forward.hpp"

namespace SGPIPE_ISA {

template <class T> class SlstmBlock : public ReadoutBlock<T> {
 public:
  using ReadoutBlock<T>::ReadoutBlock;

  void run() {
    this->run_forward([this](int l, const Trace<T> *traces, T *check) {
      const Projection<T> &w = job.weights.forward[l];
      const int nv = this->vectors_of(l);
      for (int r = 0; r < count; r++) {
        const Sample<T> &s = m.sample[r];
        read_state(job, l, 1, s.index, traces[r].adapted - nv * W, nv * W);
        if (!dense || l > 0)
          drive_slstm<T>(w, net.steps, {input_of(l, s), l ? this->minus_of(l, s) : Events{}}, traces[r].history);
      }
      forward_slstm<T>(net, w, net.recurrent[l] ? &job.weights.recurrent[l] : nullptr, job.weights.neurons[l], traces,
                       count, nv, check);
    });
    this->leave([this](int l, const Sample<T> &s) {
      const int nv = this->vectors_of(l);
      leave_state(job, l, 1, s.index, s.trace[l].adapted + (ptrdiff_t)(net.steps - 1) * nv * W);
    });
    this->run_back([this](int l, const Trace<T> *traces) {
      reverse_slstm<T>(net, net.surrogate[l], net.coupled(l) ? &job.weights.recurrent[l] : nullptr,
                       job.weights.neurons[l], traces, count, this->vectors_of(l), pushed[l], m.coupled,
                       grad.neurons[l], m.halves);
    });
  }

 private:
  typedef ReadoutBlock<T> Base;
  using Base::count, Base::dense, Base::grad, Base::job, Base::m, Base::net, Base::pushed, Base::input_of, Base::W;
};

}  // namespace SGPIPE_ISA
