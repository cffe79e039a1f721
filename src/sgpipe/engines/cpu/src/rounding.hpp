// Mixed precision: numbers of single precision are rounded to the nearest bfloat16, ties to even.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bfloat16.hpp"

namespace sgpipe {

// With internal linkage: compiled separately for each instruction set. Double precision is never mixed.
template <class T> static void round_to_bfloat16(T *, size_t) {}
template <> void round_to_bfloat16(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    bits = (is_nan ? bits | 0x00400000u : bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
    std::memcpy(x + i, &bits, sizeof bits);
  }
}

// Stores rounded numbers in two bytes each, with a stride of `apart`.
template <class T> static void store_halves(T *, int, uint16_t *, int) {}
template <> void store_halves(float *x, int n, uint16_t *to, int apart) {
  round_to_bfloat16(x, (size_t)n);
  for (int i = 0; i < n; i++) {
    uint32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    to[i * apart] = upper_half(bits);
  }
}

}  // namespace sgpipe
