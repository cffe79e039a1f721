// The engine for one instruction set.
//
// No templates of the standard library here, nor in the units of samples.hpp. These units are compiled
// several times, and an inline function compiled for AVX-512 must not reach an older processor.
#include "arrays.hpp"
#include "samples.hpp"

namespace SGPIPE_ISA {

// In optimisers.cpp.
template <class T> void update(Rule, const Moving<T> &, const UpdateNumbers<T> &);
template <class T> double square_sum(const T *, int64_t);

template <class T>
static void samples_of_any(const Job<T> &job, int64_t first, int64_t last, int together,
                           const Gradients<T> &grad, Tally &tally, void *memory) {
  const auto run = job.net.gated   ? samples<SlstmBlock<T>, T>
                   : job.net.delta ? samples<DeltaBlock<T>, T>
                                   : samples<Block<T>, T>;
  run(job, first, last, together, grad, tally, memory);
}

template <class T> constexpr Entry<T> entry() {
  return {LANES<T>, PANEL, ROWS, LONG_GROUP, scratch_bytes<T>, samples_of_any<T>,
          add<T>,   finite<T>, transpose<T>, evaluate<T>,      update<T>,        square_sum<T>};
}

#define SGPIPE_STRING(x) #x
#define SGPIPE_NAME(x) SGPIPE_STRING(x)
extern const Engine engine;
#if defined(SGPIPE_BFLOAT16)
constexpr bool halves = true;
#else
constexpr bool halves = false;
#endif
const Engine engine = {SGPIPE_NAME(SGPIPE_ISA), halves, entry<float>(), entry<double>()};

}  // namespace SGPIPE_ISA
