// The engine for one instruction set.
//
// No templates of the standard library here: this file is compiled several times, and
// an inline function of theirs compiled for AVX-512 must not reach an older processor.
#include "arrays.hpp"
#include "block.hpp"
#include "delta_block.hpp"

namespace SGPIPE_ISA {

// Samples first..last-1 of the batch, `together` at a time.
template <class T>
static void samples(const Job<T> &job, int64_t first, int64_t last, int together,
                    const Gradients<T> &grad, Tally &tally, void *memory) {
  Scratch<T> m;
  Bump bump{(char *)memory};
  m.lay_out(job.net, job.train, job.samples.dense != nullptr, together, bump);
#if defined(__SSE2__)
  // Adjoints decay into denormal numbers, which are slow and worth nothing: flush them.
  const unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040);
#endif
  for (; first < last && tally.fault == Fault::none; first += together) {
    const int count = last - first < together ? (int)(last - first) : together;
    if (job.net.delta) DeltaBlock<T>(job, first, count, grad, tally, m).run();
    else Block<T>(job, first, count, grad, tally, m).run();
  }
#if defined(__SSE2__)
  _mm_setcsr(mode);
#endif
}

template <class T> constexpr Entry<T> entry() {
  return {LANES<T>, PANEL,     ROWS,        scratch_bytes<T>, samples<T>,
          add<T>,   finite<T>, transpose<T>, evaluate<T>,      adam<T>};
}

#define SGPIPE_STRING(x) #x
#define SGPIPE_NAME(x) SGPIPE_STRING(x)
extern const Engine engine;
const Engine engine = {SGPIPE_NAME(SGPIPE_ISA), entry<float>(), entry<double>()};

}  // namespace SGPIPE_ISA
