// One band of neighbouring channels, from a sound's spectrum to spikes. The same operations in the same order as in
// basilar_membrane.py, hair_cells.py and bushy_cells.py, so that the same bits come out; compiled without fused
// multiply-adds. Sixteen channels are two vectors of eight: real and imaginary parts of one complex transform.
#include <algorithm>
#include <cstring>

#include "philox.hpp"
#include "transform.hpp"

namespace SGPIPE_ISA {

using ear::PLACES;
constexpr int TERMS = 4;    // as in bushy_cells.py
constexpr int AT_ONCE = 64; // steps between two looks at who fired

EAR_INLINE V splat(float x) { return x - V{}; }

// The spectrum of all channels of the band, of every per_step-th sample of the sound's movement.
void spectrum(const ear::Band &band, const ear::Sound &sound, const float *heard, int64_t steps, Complex *row) {
  struct Pair { Complex a, b; };
  const int64_t bins = std::min(band.bins, sound.bins);
  const auto product = [&](int64_t k) {
    const float *s = heard + 2 * k;
    const Unaligned *f = (const Unaligned *)(band.filters + 32 * k);
    return Pair{{f[0] * s[0] - f[1] * s[1], f[0] * s[1] + f[1] * s[0]},
                {f[2] * s[0] - f[3] * s[1], f[2] * s[1] + f[3] * s[0]}};
  };
  const auto folded = [&](int64_t k) {
    Pair p{};
    if (k < bins) p = product(k);
    for (k += steps; k < bins; k += steps) {
      const Pair more = product(k);
      p = {p.a + more.a, p.b + more.b};
    }
    return p;
  };
  for (int64_t k = 0; k <= steps / 2; k++) {
    const int64_t mirrored = k ? steps - k : 0;
    if (k >= bins && mirrored >= bins) {
      row[k] = row[mirrored] = Complex{};
      continue;
    }
    const Pair p = folded(k), q = folded(mirrored);
    const V u = p.a.re + q.a.re, v = p.b.im - q.b.im, w = p.a.im - q.a.im, z = p.b.re + q.b.re;
    row[mirrored] = {u + v, z - w};
    row[k] = {u - v, w + z};
  }
}

// What moves the hair cells, summed over the samples of a step: (steps,) of two vectors.
void movement(const ear::Ear &e, const ear::Band &band, const ear::Sound &sound, Complex *row, Complex *work,
              Complex *sum) {
  const ear::Plan &plan = e.plan;
  const int first = plan.first, second = plan.second;
  const V floor = splat(-e.hair.offset), offset = splat(e.hair.offset), half = splat(e.hair.half);
  const auto ratio = [&](V velocity) {
    const V push = (velocity > floor ? velocity : floor) + offset;
    return push / (push + half);
  };
  for (int sample = 0; sample < band.per_step; sample++) {
    spectrum(band, sound, sound.spectrum + 2 * sample * sound.stride, (int64_t)first * second, row);
    for (int k = 0; k < second; k++) {
      const float *w = plan.between + 2 * (int64_t)k * first;
      Complex *column = row + k;
      const Complex *x = transform(plan.columns, first, column, second, work);
      for (int t = 0; t < first; t++) column[(int64_t)t * second] = turn(x[t], w + 2 * t);
    }
    for (int t = 0; t < first; t++) {
      const Complex *x = transform(plan.rows, second, row + (int64_t)t * second, 1, work);
      Complex *to = sum + t;
      for (int i = 0; i < second; i++, to += first) {
        const Complex moved = {ratio(x[i].re), ratio(x[i].im)};
        *to = sample ? *to + moved : moved;
      }
    }
  }
}

// All sixteen places. Two vectors take turns at each operation: one alone would wait for its own results.
struct Sixteen { V x, y; };
struct Flags { I x, y; };
#define EAR_EACH(OPERATOR)                                                                                             \
  EAR_INLINE Sixteen operator OPERATOR(Sixteen a, Sixteen b) { return {a.x OPERATOR b.x, a.y OPERATOR b.y}; }          \
  EAR_INLINE Sixteen operator OPERATOR(Sixteen a, V b) { return {a.x OPERATOR b, a.y OPERATOR b}; }                    \
  EAR_INLINE Sixteen operator OPERATOR(V a, Sixteen b) { return {a OPERATOR b.x, a OPERATOR b.y}; }
EAR_EACH(+)
EAR_EACH(-)
EAR_EACH(*)
#undef EAR_EACH
EAR_INLINE Flags operator>(Sixteen a, Sixteen b) { return {a.x > b.x, a.y > b.y}; }
EAR_INLINE Flags operator>=(Sixteen a, V b) { return {a.x >= b, a.y >= b}; }
EAR_INLINE Flags operator-(Flags a, Flags b) { return {a.x - b.x, a.y - b.y}; }
EAR_INLINE V least(V a, V b) { return a < b ? a : b; }
EAR_INLINE Sixteen least(Sixteen a, Sixteen b) { return {least(a.x, b.x), least(a.y, b.y)}; }
EAR_INLINE V unless(I flag, V a) { return (V)(~flag & (I)a); } // 0 where the flag is set
EAR_INLINE Sixteen unless(Flags flag, Sixteen a) { return {unless(flag.x, a.x), unless(flag.y, a.y)}; }
EAR_INLINE Sixteen floats(Flags a) { return {__builtin_convertvector(a.x, V), __builtin_convertvector(a.y, V)}; }

// What does not change while a band is heard, as vectors: loads of single numbers would be more instructions.
struct Constants {
  V series[7], scale, of_old, of_new, keep, full, recovery, reprocess, firing, keep_current, keep_voltage, weight;
  I rest;

  explicit Constants(const ear::Ear &e)
      : scale(splat(e.hair.scale)), of_old(splat(e.hair.of_old)), of_new(splat(e.hair.of_new)),
        keep(splat(e.hair.keep)), full(splat(e.hair.full)), recovery(splat(e.hair.recovery)),
        reprocess(splat(e.hair.reprocess)), firing(splat(e.hair.firing)), keep_current(splat(e.bushy.keep_current)),
        keep_voltage(splat(e.bushy.keep_voltage)), weight(splat(e.bushy.weight)), rest(I{} + (e.rest - 1)) {
    for (int k = 0; k < 7; k++) series[k] = splat(e.series[k]);
  }
};

// 1 - exp(-y) for y from 0 to 1; hair_cells.py: lost
EAR_INLINE Sixteen lost(Sixteen y, const V *c) {
  const Sixteen square = y * y;
  const Sixteen low = (y * c[1] + c[0]) + square * (y * c[3] + c[2]);
  const Sixteen high = (y * c[5] + c[4]) + square * c[6];
  return y * (low + square * square * high);
}

struct State {
  Sixteen ready, cleft, returning, free, current, voltage;
  Flags resting; // for how many steps more
};

// One step; returns which bushy cells fire.
EAR_INLINE Flags advance(const Constants &c, State &s, Sixteen moved, Sixteen random, Sixteen &recent) {
  // hair_cells.py: Pools.step
  const Sixteen ejected = s.ready * lost(moved * c.scale, c.series);
  const Sixteen leaves = s.cleft * c.of_old + ejected * c.of_new;
  s.cleft = s.cleft + ejected - leaves;
  const Sixteen reprocessed = s.returning * c.reprocess;
  s.ready = (s.ready - ejected) * c.keep + (reprocessed + c.full);
  s.returning = (s.returning - reprocessed) + leaves * c.recovery;
  // bushy_cells.py: BushyCells._fibres
  const V one = splat(1.0f);
  s.free = s.free + recent;
  const Sixteen expected = leaves * c.firing * s.free, small = least(expected, {one, one}), excess = expected - small;
  const Sixteen none = one - lost(small, c.series);
  Sixteen term = {one, one}, terms = term;
  Flags drawn = Flags{} - (random > none);
#pragma GCC unroll 4
  for (int number = 1; number < TERMS; number++) {
    term = term * small;
    if (number > 1) term = term * splat(1.0f / (float)number);
    terms = terms + term;
    drawn = drawn - (random > none * terms);
  }
  const Sixteen fired = least(floats(drawn) + excess, s.free);
  s.free = s.free - fired;
  recent = fired;
  // bushy_cells.py: BushyCells.step
  s.current = s.current * c.keep_current + fired;
  s.voltage = s.voltage * c.keep_voltage + s.current * c.weight;
  s.voltage = unless({s.resting.x > 0, s.resting.y > 0}, s.voltage);
  const Flags spikes = s.voltage >= one;
  s.voltage = unless(spikes, s.voltage);
  s.resting = {spikes.x ? c.rest : s.resting.x - 1, spikes.y ? c.rest : s.resting.y - 1};
  return spikes;
}

// The random numbers of the band, of one step after the other. They are drawn some steps ahead: integers and vectors
// are calculated side by side.
class Draws {
  static constexpr int AHEAD = 4;
  const ear::Band &band;
  const Philox philox;
  alignas(64) uint32_t rows[AHEAD][24];
  int shift[AHEAD];

  EAR_INLINE void fill(int64_t step) {
    const uint64_t place = (uint64_t)(step * band.channels + band.first);
    const int row = (int)(step % AHEAD);
    shift[row] = (int)(place % 8);
    philox.draw(place / 8, rows[row]);
    philox.draw(place / 8 + 1, rows[row] + 8);
    if (shift[row]) philox.draw(place / 8 + 2, rows[row] + 16);
  }

public:
  Draws(const ear::Band &band, const ear::Sound &sound) : band(band), philox(sound.key) {
    for (int64_t step = 0; step < AHEAD; step++) fill(step);
  }
  // Uniform in [0, 1), as numpy makes them of integers.
  EAR_INLINE Sixteen next(int64_t step) {
    typedef uint32_t U __attribute__((vector_size(32)));
    U bits[2];
    memcpy(bits, rows[step % AHEAD] + shift[step % AHEAD], sizeof bits);
    fill(step + AHEAD);
    const float unit = 1.0f / 16777216.0f;
    return {__builtin_convertvector((I)(bits[0] >> 8), V) * unit, __builtin_convertvector((I)(bits[1] >> 8), V) * unit};
  }
};

std::vector<int64_t> scan(const ear::Ear &e, const ear::Band &band, const ear::Sound &sound, const Complex *moved,
                          Complex *recent) {
  const auto both = [](float x) { return Sixteen{splat(x), splat(x)}; };
  State state = {both(e.hair.ready), both(e.hair.cleft), both(e.hair.returning), both(e.bushy.fibres), both(0), both(0)};
  std::vector<int64_t> found;
  std::fill(recent, recent + e.rest, Complex{});
  const Constants constants(e);
  Draws draws(band, sound);
  alignas(64) Flags spikes[AT_ONCE];
  int now = 0;
  for (int64_t start = 0; start < sound.steps; start += AT_ONCE) {
    const int64_t steps = std::min<int64_t>(AT_ONCE, sound.steps - start);
    for (int64_t t = 0; t < steps; t++) {
      Sixteen before = {recent[now].re, recent[now].im};
      spikes[t] = advance(constants, state, {moved[start + t].re, moved[start + t].im}, draws.next(start + t), before);
      recent[now] = {before.x, before.y};
      now = now + 1 == e.rest ? 0 : now + 1;
    }
    for (int64_t t = 0; t < steps; t++) {
      int32_t fires[PLACES];
      uint64_t any = 0, part[PLACES / 2];
      memcpy(fires, &spikes[t], sizeof fires);
      memcpy(part, &spikes[t], sizeof part);
      for (uint64_t p : part) any |= p;
      if (any)
        for (int64_t place = 0; place < band.count; place++)
          if (fires[place]) found.push_back((start + t) * band.channels + band.first + place);
    }
  }
  return found;
}

std::vector<int64_t> listen(const ear::Ear &e, const ear::Band &band, const ear::Sound &sound,
                            std::vector<char> &scratch) {
  const size_t steps = (size_t)e.plan.first * e.plan.second, most = 2 * (size_t)std::max(e.plan.first, e.plan.second);
  scratch.resize((2 * steps + most + (size_t)e.rest) * sizeof(Complex) + 64);
  Complex *row = (Complex *)(((uintptr_t)scratch.data() + 63) / 64 * 64);
  Complex *sum = row + steps, *work = sum + steps;
  movement(e, band, sound, row, work, sum);
  return scan(e, band, sound, sum, work + most);
}

} // namespace SGPIPE_ISA
