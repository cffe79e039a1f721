// The batch around the blocks: threads, and the order of the sums.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <system_error>
#include <thread>
#include <vector>

#include "arena.hpp"
#include "packing.hpp"
#include "unpacking.hpp"

namespace sgpipe {

template <class T> const Entry<T> &entry(const Engine &e);
template <> inline const Entry<float> &entry<float>(const Engine &e) { return e.f32; }
template <> inline const Entry<double> &entry<double>(const Engine &e) { return e.f64; }

// How a batch is divided: blocks of samples that go together, and parts that are each summed separately.
struct Shares {
  int together;
  int64_t blocks;
  int parts, workers;
};

template <class T> class Batch {
 public:
  Job<T> job;
  Constants constants;
  std::vector<const T *> given;  // W1, (V1), (b1, tau_membrane1, ...), W2, ..., W_out, (b_out); or E, W1, ...
  std::vector<T *> wanted;       // gradients in the same order, or empty
  int64_t size = 0;
  int threads = 1;

  explicit Batch(const Engine &engine) : entry_(entry<T>(engine)) {}

  Tally run() {
    job.train = !wanted.empty();
    prepare();
    const Network &net = job.net;
    const Layout<T> lay{entry_, net, job.train};
    Pieces<T> measure{nullptr};
    lay.weights(measure);
    Arena packed = Arena::lease(measure.used);
    Pieces<T> pieces{packed.at()};
    job.weights = lay.weights(pieces);
    if (net.tied) job.embedding = given[0];
    const bool finite = pack(lay, constants, given, job.weights);
    std::vector<T> embedded(job.train && net.tied ? (size_t)size * net.steps * net.inputs : 0);
    job.embedded = embedded.data();

    const size_t sums = lay.gradient_size();
    const Shares share = shares(sums);
    std::vector<Tally> tally(share.parts);
    auto part = [&](int k, char *memory, T *sum) {
      Gradients<T> g = lay.gradients(sum);
      if (job.train) std::fill_n(sum, sums, T(0));
      const int64_t from = share.blocks * k / share.parts, to = share.blocks * (k + 1) / share.parts;
      entry_.samples(job, from * share.together, std::min(to * share.together, size), share.together, g, tally[k],
                     memory);
    };
    auto hand_over = [&](T *sum) {
      if (job.train) unpack(lay, job, sum, size, finite, given, wanted);
    };
    const size_t scratch = entry_.scratch(net, job.train, job.samples.dense || net.tied, share.together);
    if (share.workers == 1) work_alone(share, scratch, sums, part, hand_over);
    else work_together(share, scratch, sums, part, hand_over);
    return total(tally, finite);
  }

 private:
  const Entry<T> &entry_;

  void prepare() {
    Network &net = job.net;
    for (int l = 0; l < net.layers; l++)
      net.surrogate[l] = net.stacked() ? profile_of(constants.surrogate[l]) : constants.surrogate[l].front();
    if (!job.train || (net.dropout == 0 && net.input_dropout == 0) || job.samples.dense || net.tied) return;
    // Room for the events kept of a sample; whether they are valid is checked later.
    const Samples &x = job.samples;
    for (int64_t k = 0; k < size; k++) {
      const int64_t events = x.start[job.indices[k] + 1] - x.start[job.indices[k]];
      net.most_events = std::max(net.most_events, std::min(events, x.events));
    }
  }

  // Cost of the whole batch, in units of a tenth of a nanosecond or less; a neuron's step is about 8.
  double cost() const {
    double work = 0;
    for (int l = 0; l < job.net.layers; l++)
      work += job.net.gates() * job.net.width[l] * (8 + (job.net.recurrent[l] ? job.net.width[l] / 8.0 : 0));
    if (job.net.words) work += job.net.classes * (1 + job.net.width[job.net.layers - 1] / 8.0);
    return work * job.net.steps * (double)size;
  }

  Shares shares(size_t sums) const {
    int together = job.net.words ? entry_.rows : 1;
    for (int l = 0; l < job.net.layers; l++)
      if (job.net.coupled(l)) together = entry_.rows;
    const int64_t blocks = (size + together - 1) / together;
    // Parts depend on the batch alone, and so does the order of the sums. There are few if the sums are large compared
    // to the work, since each part zeroes and adds them all.
    const double work = cost(), share = work / (double)sums;
    const int parts = (int)std::min<int64_t>(blocks, share > 1000 ? 8 : share > 100 ? 4 : 2);
    // A thread is worth starting if it has some 0.2 ms of work.
    const int workers = std::max(1, std::min({threads, parts, (int)std::min(work / 2e6, 1e6)}));
    return {together, blocks, parts, workers};
  }

  // Bytes of the sums of one part, in whole lines of the cache.
  size_t room(size_t sums) const { return job.train ? (sums * sizeof(T) + 63) / 64 * 64 : 0; }

  template <class P, class H>
  void work_alone(const Shares &share, size_t scratch, size_t sums, P part, H hand_over) const {
    const size_t own = room(sums);
    Arena memory = Arena::lease(scratch + 2 * own);
    T *sum = (T *)(memory.at() + scratch), *part_sum = (T *)(memory.at() + scratch + own);
    for (int k = 0; k < share.parts; k++) {
      part(k, memory.at(), k ? part_sum : sum);
      if (k && job.train) entry_.add(sum, part_sum, (int64_t)sums);
    }
    hand_over(sum);
  }

  template <class P, class H>
  void work_together(const Shares &share, size_t scratch, size_t sums, P part, H hand_over) const {
    const size_t own = room(sums);
    Arena all = Arena::lease(own * share.parts);
    auto sum_of = [&](int k) { return (T *)(all.at() + own * k); };
    std::atomic<int> next{0};
    std::vector<std::thread> crew;
    auto work_on = [&](char *memory) {
      for (int k; (k = next++) < share.parts;) part(k, memory, sum_of(k));
    };
    std::vector<Arena> scratches;
    for (int w = 0; w < share.workers; w++) scratches.push_back(Arena::lease(scratch));
    crew.reserve(share.workers);
    try {
      for (int w = 1; w < share.workers; w++) crew.emplace_back(work_on, scratches[w].at());
    } catch (const std::system_error &) {
      // The machine gives no more threads: those that there are do all the work.
    }
    work_on(scratches[0].at());
    for (auto &t : crew) t.join();
    for (int k = 1; k < share.parts && job.train; k++) entry_.add(sum_of(0), sum_of(k), (int64_t)sums);
    hand_over(sum_of(0));
  }

  // The tallies of the parts, added in their order; only the first fault, if there is one.
  Tally total(const std::vector<Tally> &tally, bool finite) const {
    Tally sum;
    for (const Tally &t : tally) {
      if (t.fault != Fault::none) return t;
      sum.loss += t.loss;
      sum.regulariser += t.regulariser;
      sum.correct += t.correct;
      for (int l = 0; l < job.net.layers; l++) sum.spikes[l] += t.spikes[l];
      sum.moved.resize(std::max(sum.moved.size(), t.moved.size()));
      for (size_t c = 0; c < t.moved.size(); c++) sum.moved[c] |= t.moved[c];
    }
    if (!finite) sum.loss = std::numeric_limits<double>::quiet_NaN();
    return sum;
  }
};

}  // namespace sgpipe
