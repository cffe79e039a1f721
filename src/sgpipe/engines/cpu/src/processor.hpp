// Which instruction sets this processor can run.
#pragma once

namespace sgpipe {

inline bool runs_base() { return true; }

#if defined(__x86_64__)
inline bool runs_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
inline bool runs_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}
#else
inline bool runs_avx2() { return false; }
inline bool runs_avx512() { return false; }
#endif

}  // namespace sgpipe
