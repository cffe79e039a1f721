// The engine for one instruction set.
//
// No templates of the standard library here: this file is compiled several times, and
// an inline function of theirs compiled for AVX-512 must not reach an older processor.
#include "arrays.hpp"
#include "block.hpp"

namespace SGPIPE_ISA {

template <class T>
static void block(const Job<T> &job, int64_t first, int count, const Gradients<T> &grad,
                  Tally &tally, void *memory) {
  Scratch<T> m;
  Bump bump{(char *)memory};
  m.lay_out(job.net, job.train, job.samples.dense != nullptr, count, bump);
  Block<T> b(job, first, count, grad, tally, m);
#if defined(__SSE2__)
  // Adjoints decay into denormal numbers, which are slow and worth nothing: flush them.
  const unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040);
  b.run();
  _mm_setcsr(mode);
#else
  b.run();
#endif
}

template <class T> constexpr Entry<T> entry() {
  return {LANES<T>, PANEL,     ROWS,        scratch_bytes<T>, block<T>,
          add<T>,   finite<T>, transpose<T>, evaluate<T>,      adam<T>};
}

#define SGPIPE_STRING(x) #x
#define SGPIPE_NAME(x) SGPIPE_STRING(x)
extern const Engine engine;
const Engine engine = {SGPIPE_NAME(SGPIPE_ISA), entry<float>(), entry<double>()};

}  // namespace SGPIPE_ISA
