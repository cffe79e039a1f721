// Updates of a network, one minibatch after the other, without Python in between: for small batches Python takes longer
// than the batch itself.
#pragma once
#include <chrono>
#include <cmath>
#include <vector>

#include "driver.hpp"

namespace sgpipe {

// How an array of weights moves, and the factor by which it shrinks.
template <class T> struct Moved {
  Moving<T> array;
  double shrink;
};

template <class T> struct Updates {
  Rule rule;
  std::vector<Moved<T>> arrays;
  double fresh1, beta2, fresh2, eps;
  const double *rates;  // [updates][2]: step, and correction of the second moment's start
  int64_t size;         // of a minibatch
  double seconds;       // after which to leave
  double *sums;         // [updates][3 + layers]: loss, regulariser, correct, spikes
  uint8_t *moved;       // [classes], set where a maximum was past the readout's start

  // Trains on minibatches of the batch's indices, from the first on. Returns how many it has taken. These are fewer
  // than there are if time is up, or if the loss of the last is not finite, after which nothing is updated. A fault is
  // left in `fault`.
  int64_t run(Batch<T> &batch, const Entry<T> &entry, Tally &fault) const {
    const auto start = std::chrono::steady_clock::now();
    const int64_t *order = batch.job.indices, all = batch.size;
    const int layers = batch.job.net.layers;
    int64_t done = 0;
    for (int64_t first = 0; first < all; first += size) {
      batch.job.indices = order + first;
      batch.size = std::min(size, all - first);
      const Tally t = batch.run();
      if (t.fault != Fault::none) {
        fault = t;
        break;
      }
      double *row = sums + done * (3 + layers);
      row[0] = t.loss, row[1] = t.regulariser, row[2] = t.correct;
      for (int l = 0; l < layers; l++) row[3 + l] = (double)t.spikes[l];
      for (size_t c = 0; c < t.moved.size(); c++) moved[c] |= t.moved[c];
      const double *rate = rates + 2 * done++;
      if (!std::isfinite(t.loss + t.regulariser)) break;
      for (const Moved<T> &m : arrays)
        entry.update(rule, m.array, {T(1), T(m.shrink), T(rate[0]), T(rate[1]), T(fresh1), T(beta2), T(fresh2), T(eps)});
      if (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > seconds) break;
    }
    return done;
  }
};

}  // namespace sgpipe
