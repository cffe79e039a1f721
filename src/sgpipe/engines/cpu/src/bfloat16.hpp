// Instructions that multiply numbers in bfloat16 and add in single precision: which of them a processor has.
#pragma once
#include <cstdint>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace sgpipe {

// AVX512-BF16 multiplies pairs in vectors, AMX whole tiles of 16 rows.
enum class Products { single, bf16, amx };

// Weights lie in pairs of rows, columns side by side, and rows in tiles of this many, of which the last is filled with zeros.
constexpr int TILE_DEPTH = 32;
// With internal linkage: compiled for each instruction set by itself.
static inline int tile_depth(int depth) { return (depth + TILE_DEPTH - 1) / TILE_DEPTH * TILE_DEPTH; }
// The upper half of a number that has been rounded.
static inline uint16_t upper_half(uint32_t bits) { return (uint16_t)(bits >> 16); }

static inline bool runs_bf16() {
#if defined(__x86_64__)
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
#else
  return false;
#endif
}

// Tiles are for those who ask the system for them: a process once, its threads and children then have them, too.
static inline bool runs_amx() {
#if defined(__x86_64__) && defined(__linux__) && defined(SYS_arch_prctl)
  constexpr int ask = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM
  unsigned a, b, c, d;
  const bool has = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) && (d >> 24 & 1);
  static const bool granted = has && syscall(SYS_arch_prctl, ask, tile_data) == 0;
  return granted;
#else
  return false;
#endif
}

// Of what it has, the fastest. Intel's processors do as many products in single precision as of pairs.
static inline Products fastest_products() {
  if (runs_amx()) return Products::amx;
#if defined(__x86_64__)
  if (runs_bf16() && __builtin_cpu_is("amd")) return Products::bf16;
#endif
  return Products::single;
}

}  // namespace sgpipe
