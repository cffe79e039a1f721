// Runs samples of a batch through blocks of one kind.
//
// Each kind of block and type of number has its own translation unit, so that they compile in parallel.
#pragma once
#include "scratch.hpp"

namespace SGPIPE_ISA {

template <class T> class Block;
template <class T> class DeltaBlock;
template <class T> class SlstmBlock;

// Samples first..last-1 of the batch, `together` at a time.
template <class B, class T>
void samples(const Job<T> &job, int64_t first, int64_t last, int together, const Gradients<T> &grad,
             Tally &tally, void *memory) {
  Scratch<T> m;
  Bump bump{(char *)memory};
  m.lay_out(job.net, job.train, job.samples.dense || job.net.tied, together, bump);
#if defined(__SSE2__)
  // Adjoints decay into denormal numbers, which are slow and worth nothing: flush them.
  const unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040);
#endif
  for (; first < last && tally.fault == Fault::none; first += together) {
    const int count = last - first < together ? (int)(last - first) : together;
    B(job, first, count, grad, tally, m).run();
  }
#if defined(__SSE2__)
  _mm_setcsr(mode);
#endif
}

#define SGPIPE_SAMPLES(B, T)                                                                                \
  template void samples<B<T>, T>(const Job<T> &, int64_t, int64_t, int, const Gradients<T> &, Tally &, \
                                 void *)
extern SGPIPE_SAMPLES(Block, float);
extern SGPIPE_SAMPLES(Block, double);
extern SGPIPE_SAMPLES(DeltaBlock, float);
extern SGPIPE_SAMPLES(DeltaBlock, double);
extern SGPIPE_SAMPLES(SlstmBlock, float);
extern SGPIPE_SAMPLES(SlstmBlock, double);

}  // namespace SGPIPE_ISA
