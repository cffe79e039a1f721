// numpy's Philox generator (Salmon et al. 2011, 4 x 64 bits, 10 rounds), from any place in its stream.
#pragma once
#include <cstdint>

namespace SGPIPE_ISA {

struct Philox {
  uint64_t keys[10][2];

  explicit Philox(const uint64_t key[2]) {
    for (int round = 0; round < 10; round++) {
      keys[round][0] = key[0] + (uint64_t)round * 0x9E3779B97F4A7C15u;
      keys[round][1] = key[1] + (uint64_t)round * 0xBB67AE8584CAA73Bu;
    }
  }

  // Writes the numbers 8 block, 8 block + 1, ... + 7 of the stream's 32-bit numbers.
  inline __attribute__((always_inline)) void draw(uint64_t block, uint32_t out[8]) const {
    uint64_t c0 = block + 1, c1 = 0, c2 = 0, c3 = 0;
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
      const unsigned __int128 a = (unsigned __int128)0xD2E7470EE14C6C93u * c0;
      const unsigned __int128 b = (unsigned __int128)0xCA5A826395121157u * c2;
      c0 = (uint64_t)(b >> 64) ^ c1 ^ keys[round][0];
      c2 = (uint64_t)(a >> 64) ^ c3 ^ keys[round][1];
      c1 = (uint64_t)b;
      c3 = (uint64_t)a;
    }
    const uint64_t c[4] = {c0, c1, c2, c3};
    for (int k = 0; k < 4; k++) {
      out[2 * k] = (uint32_t)c[k];
      out[2 * k + 1] = (uint32_t)(c[k] >> 32);
    }
  }
};

} // namespace SGPIPE_ISA
