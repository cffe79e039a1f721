// What the kernel of the inner ear is asked for; see compiled.py, which fills it in.
#pragma once
#include <cstdint>
#include <vector>

namespace ear {

constexpr int PLACES = 16; // neighbouring channels that are heard together

struct Pass {
  int radix;
  const float *roots;    // (radix, 2)
  const float *twiddles; // (m, radix - 1, 2)
};

struct Plan {
  std::vector<Pass> columns, rows;
  const float *between; // (M2, M1, 2)
  int first, second;    // M1 and M2
};

struct HairCells { // in the order of compiled.py; what each is, hair_cells.py says
  float offset, half, scale;
  float ready, cleft, returning, of_old, of_new, keep, full, recovery, reprocess, firing;
};

struct BushyCells {
  float fibres, keep_current, keep_voltage, weight;
};

struct Band {
  const float *filters; // (bins, 2, 2, 8): real and imaginary parts of channels 0 to 7, then 8 to 15
  int64_t bins;
  int per_step;
  int64_t first, count, channels; // the first one, how many there are, how many the ear has
};

struct Sound {
  const float *spectrum; // (per_step, stride, 2): shifted by 0, 1, ... samples
  int64_t bins, stride, steps;
  uint64_t key[2]; // of its random stream
};

struct Ear {
  Plan plan;
  HairCells hair;
  BushyCells bushy;
  int rest; // steps
  const float *series; // 7 coefficients of (1 - exp(-y)) / y
};

// Returns step x channels + channel of every spike, in order of time.
typedef std::vector<int64_t> (*Listen)(const Ear &, const Band &, const Sound &, std::vector<char> &scratch);

} // namespace ear
