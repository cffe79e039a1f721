// The batch around the blocks: packing, threads, the order of the sums.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <system_error>
#include <thread>
#include <vector>

#include "arena.hpp"
#include "gates.hpp"

namespace sgpipe {

template <class T> const Entry<T> &entry(const Engine &e);
template <> inline const Entry<float> &entry<float>(const Engine &e) { return e.f32; }
template <> inline const Entry<double> &entry<double>(const Engine &e) { return e.f64; }

template <class T> struct Pieces {
  char *base;
  size_t used = 0;
  T *take(size_t n) {
    T *p = base ? (T *)(base + used) : nullptr;
    used += (n * sizeof(T) + 63) / 64 * 64;
    return p;
  }
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
    const bool dense = job.samples.dense || net.tied;
    Pieces<T> measure{nullptr};
    lay_out_weights(measure);
    Arena packed = Arena::lease(measure.used);
    Pieces<T> pieces{packed.at()};
    lay_out_weights(pieces);
    const bool finite = pack();
    std::vector<T> embedded(job.train && net.tied ? (size_t)size * net.steps * net.inputs : 0);
    job.embedded = embedded.data();

    int together = net.words ? entry_.rows : 1;
    for (int l = 0; l < net.layers; l++)
      if (net.coupled(l)) together = entry_.rows;
    const int64_t blocks = (size + together - 1) / together;
    // Accumulation blocks: fixed by the batch, so that the order of the sums is too.
    const size_t sums = gradient_size();
    // Few if the sums are large beside the work, for each block zeroes and adds them all.
    const double work = cost(), share = work / (double)sums;
    const int parts = (int)std::min<int64_t>(blocks, share > 1000 ? 8 : share > 100 ? 4 : 2);
    // A thread is worth its start if it has some 0.2 ms to do.
    const int workers = std::max(1, std::min({threads, parts, (int)std::min(work / 2e6, 1e6)}));
    const size_t scratch = entry_.scratch(net, job.train, dense, together);
    const size_t own = job.train ? (sums * sizeof(T) + 63) / 64 * 64 : 0;

    std::vector<Tally> tally(parts);
    auto part = [&](int k, char *memory, T *sum) {
      Gradients<T> g = gradients(sum);
      if (job.train) std::fill_n(sum, sums, T(0));
      const int64_t from = blocks * k / parts, to = blocks * (k + 1) / parts;
      entry_.samples(job, from * together, std::min(to * together, size), together, g, tally[k], memory);
    };
    if (workers == 1) {
      Arena memory = Arena::lease(scratch + 2 * own);
      T *sum = (T *)(memory.at() + scratch), *part_sum = (T *)(memory.at() + scratch + own);
      for (int k = 0; k < parts; k++) {
        part(k, memory.at(), k ? part_sum : sum);
        if (k && job.train) entry_.add(sum, part_sum, (int64_t)sums);
      }
      if (job.train) unpack(sum, finite);
    } else {
      Arena all = Arena::lease(own * parts);
      std::atomic<int> next{0};
      std::vector<std::thread> crew;
      auto work_on = [&](char *memory) {
        for (int k; (k = next++) < parts;) part(k, memory, (T *)(all.at() + own * k));
      };
      std::vector<Arena> scratches;
      for (int w = 0; w < workers; w++) scratches.push_back(Arena::lease(scratch));
      crew.reserve(workers);
      try {
        for (int w = 1; w < workers; w++) crew.emplace_back(work_on, scratches[w].at());
      } catch (const std::system_error &) {
        // The machine gives no more threads: those there are do all of it.
      }
      work_on(scratches[0].at());
      for (auto &t : crew) t.join();
      if (job.train) {
        for (int k = 1; k < parts; k++) entry_.add((T *)all.at(), (T *)(all.at() + own * k), (int64_t)sums);
        unpack((T *)all.at(), finite);
      }
    }
    Tally sum;
    for (const Tally &t : tally) {
      if (t.fault != Fault::none) return t;
      sum.loss += t.loss;
      sum.regulariser += t.regulariser;
      sum.correct += t.correct;
      for (int l = 0; l < net.layers; l++) sum.spikes[l] += t.spikes[l];
      sum.moved.resize(std::max(sum.moved.size(), t.moved.size()));
      for (size_t c = 0; c < t.moved.size(); c++) sum.moved[c] |= t.moved[c];
    }
    if (!finite) sum.loss = std::numeric_limits<double>::quiet_NaN();
    return sum;
  }

 private:
  const Entry<T> &entry_;

  void prepare() {
    Network &net = job.net;
    for (int l = 0; l < net.layers; l++)
      net.surrogate[l] = net.stacked() ? profile_of(constants.surrogate[l]) : constants.surrogate[l].front();
    if (!job.train || net.dropout == 0 || job.samples.dense || net.tied) return;
    // Room for what is kept of a sample; whether its events make sense is looked at later.
    const Samples &x = job.samples;
    for (int64_t k = 0; k < size; k++) {
      const int64_t events = x.start[job.indices[k] + 1] - x.start[job.indices[k]];
      net.most_events = std::max(net.most_events, std::min(events, x.events));
    }
  }

  // Of the whole batch, a neuron's step being about 8; a unit is a tenth of a nanosecond or less.
  double cost() const {
    double work = 0;
    for (int l = 0; l < job.net.layers; l++)
      work += job.net.gates() * job.net.width[l] * (8 + (job.net.recurrent[l] ? job.net.width[l] / 8.0 : 0));
    if (job.net.words) work += job.net.classes * (1 + job.net.width[job.net.layers - 1] / 8.0);
    return work * job.net.steps * (double)size;
  }

  int vectors(int n) const { return (n + entry_.lanes - 1) / entry_.lanes; }
  size_t padded(int n) const { return (size_t)vectors(n) * entry_.lanes; }
  // What drives a hidden layer, each gate padded.
  size_t drives(int l) const { return job.net.gates() * padded(job.net.width[l]); }
  // Answers of the readout: of a text, in whole panels.
  size_t panel() const { return (size_t)entry_.words * entry_.lanes; }
  size_t answers() const {
    const int n = job.net.classes;
    return job.net.words ? (n + panel() - 1) / panel() * panel() : padded(n);
  }
  size_t columns(int l) const { return l == job.net.layers ? answers() : drives(l); }
  size_t neuron_sums(int l) const { return (job.net.gated ? 1 : NEURON_SUMS) * drives(l); }
  // Analog gradients are written in whole tiles of rows.
  size_t sum_rows(int n) const { return (size_t)n + entry_.rows; }

  void lay_out_weights(Pieces<T> &m) {
    const Network &net = job.net;
    for (int l = 0; l <= net.layers; l++) {
      const bool out = l == net.layers;
      auto make = [&](int pre, int post, bool panels, bool plain) {
        Projection<T> p;
        p.slice = net.stacked() && !out ? SLICE : out && net.words ? entry_.words : vectors(post);
        p.pre = pre;
        p.post = post;
        p.pre_vectors = vectors(pre);
        p.post_vectors = (int)(columns(l) / entry_.lanes);
        p.rows = m.take(pre * columns(l));
        p.panels = panels ? m.take(post * padded(pre)) : nullptr;
        p.plain = plain ? m.take(post * padded(pre)) : nullptr;
        return p;
      };
      const int post = out ? net.classes : net.gated ? (int)drives(l) : net.width[l];
      const bool words = out && net.words, panels = out ? words : l > 0 || net.tied;
      job.weights.forward[l] = make(net.fan_in(l), post, job.train && panels, job.train && out && !words && net.layers > 0);
      if (!out && net.recurrent[l])
        job.weights.recurrent[l] = make(net.width[l], post, job.train && net.coupled(l), false);
      if (!out && net.stacked()) job.weights.neurons[l] = lay_out_neurons<T>(m, drives(l));
      if (out && net.stacked()) job.weights.readout_bias = m.take(answers());
    }
  }

  // Calls f(gate, its first row in the caller's matrix, its first column in the engine's, how many) for what
  // drives layer l; of the readout for all it answers.
  template <class F> void each_gate(int l, F f) const {
    const Network &net = job.net;
    const int units = l == net.layers ? net.classes : net.width[l];
    for (int gate = 0; gate < (l == net.layers ? 1 : net.gates()); gate++)
      f((ptrdiff_t)gate * units, gate * padded(units), units);
  }
  // Calls f(first word, how many) for each panel of words.
  template <class F> void each_panel(F f) const {
    for (int c = 0; c < job.net.classes; c += (int)panel()) f(c, std::min((int)panel(), job.net.classes - c));
  }

  // Delta neurons have no connection to themselves.
  bool pack_one(int l, const Projection<T> &p, const T *w, T scale, bool diagonal = true) {
    bool finite = true;
    std::vector<ptrdiff_t> source(p.post, -1);  // of a column the row in w
    each_gate(l, [&](ptrdiff_t row, size_t column, int units) {
      finite &= entry_.finite(w + row * p.pre, (int64_t)p.pre * units);
      for (int i = 0; i < units; i++) source[column + i] = row + i;
    });
    for (int v = 0; v < p.post_vectors; v += p.slice) {
      const int from = v * entry_.lanes, width = std::min(p.slice, p.post_vectors - v) * entry_.lanes;
      T *slice = p.rows + (size_t)from * p.pre;
      int filled = 0;
      each_gate(l, [&](ptrdiff_t row, size_t column, int units) {
        const int first = std::max(from, (int)column), last = std::min(from + width, (int)column + units);
        if (first >= last) return;
        for (int j = 0; j < p.pre; j++) std::fill(slice + j * width + filled, slice + j * width + first - from, T(0));
        entry_.transpose(w + (row + first - (ptrdiff_t)column) * p.pre, last - first, p.pre, (ptrdiff_t)p.pre,
                         slice + first - from, (ptrdiff_t)width, scale);
        filled = last - from;
      });
      for (int j = 0; j < p.pre; j++) std::fill(slice + j * width + filled, slice + (j + 1) * width, T(0));
      for (int j = from; j < from + filled && !diagonal; j++) slice[j * width + j - from] = 0;
    }
    for (T *to : {p.panels, p.plain}) {
      if (!to) continue;
      const int group = to == p.plain ? p.pre_vectors : entry_.panel;
      for (int v = 0; v < p.pre_vectors; v += group) {
        const int width = std::min(group, p.pre_vectors - v) * entry_.lanes;
        const int from = v * entry_.lanes, filled = std::min(width, p.pre - from);
        T *panel = to + (size_t)from * p.post;
        for (int i = 0; i < p.post; i++, panel += width) {
          const int real = source[i] < 0 ? 0 : filled;
          for (int j = 0; j < real; j++) panel[j] = scale * w[source[i] * p.pre + from + j];
          std::fill(panel + real, panel + width, T(0));
          if (!diagonal && i >= from && i < from + filled) panel[i - from] = 0;
        }
      }
    }
    return finite;
  }
  T scale_of(int l) const {
    if (job.net.stacked()) return T(1);
    return T(1 - (l == job.net.layers ? job.net.b_out : job.net.b_mem));
  }
  // Of feed-forward weights: what dropout keeps is scaled.
  T forward_scale(int l) const {
    const bool drops = job.train && job.net.dropout != 0 && l < job.net.layers;
    return drops ? T((double)scale_of(l) / (1 - job.net.dropout)) : scale_of(l);
  }
  bool pack() {
    bool finite = true;
    const Network &net = job.net;
    size_t k = net.tied;
    const size_t own = neuron_arrays(net).size();
    if (net.tied) job.embedding = given[0];
    for (int l = 0; l <= net.layers; l++) {
      const bool out = l == net.layers;
      finite &= pack_one(l, job.weights.forward[l], out && net.tied ? given[0] : given[k++], forward_scale(l));
      if (out) break;
      if (net.recurrent[l]) finite &= pack_one(l, job.weights.recurrent[l], given[k++], scale_of(l), !net.delta);
      for (size_t i = 0; i < own; i++) finite &= entry_.finite(given[k + i], net.gates() * net.width[l]);
      if (net.delta) pack_neurons(net, constants, l, given.data() + k, job.weights.neurons[l], padded(net.width[l]));
      if (net.gated) pack_gates(net, constants, l, given[k], job.weights.neurons[l], padded(net.width[l]));
      k += own;
    }
    if (net.stacked()) {
      T *bias = job.weights.readout_bias;
      std::fill_n(bias, answers(), T(0));
      if (net.tied) return finite;
      finite &= entry_.finite(given[k], net.classes);
      std::copy_n(given[k], net.classes, bias);
    }
    return finite;
  }

  Gradients<T> gradients(T *sum) const {
    const Network &net = job.net;
    Gradients<T> g;
    for (int l = 0; l <= net.layers; l++) {
      const size_t post = columns(l);
      g.forward[l] = sum;
      sum += sum_rows(net.fan_in(l)) * post;
      if (l < net.layers && net.recurrent[l]) {
        g.recurrent[l] = sum;
        sum += net.width[l] * post;
      }
      if (!net.stacked()) continue;
      (l < net.layers ? g.neurons[l] : g.readout_bias) = sum;
      sum += l < net.layers ? neuron_sums(l) : post;
    }
    return g;
  }
  size_t gradient_size() const {
    const Network &net = job.net;
    size_t n = 0;
    for (int l = 0; l <= net.layers; l++) {
      const size_t post = columns(l);
      n += sum_rows(net.fan_in(l)) * post;
      if (l < net.layers && net.recurrent[l]) n += net.width[l] * post;
      if (net.stacked()) n += l < net.layers ? neuron_sums(l) : post;
    }
    return n;
  }
  // Gradients of the mean over the batch, in the layout of the caller's weights.
  void unpack(T *sum, bool finite) {
    const Network &net = job.net;
    const Gradients<T> g = gradients(sum);
    size_t k = net.tied;
    auto one = [&](int l, const T *from, int pre, T scale, T *to) {
      if (!finite) scale = std::numeric_limits<T>::quiet_NaN();
      if (l == net.layers && net.words)
        each_panel([&](int c, int words) {
          entry_.transpose(from + (ptrdiff_t)c * pre, pre, words, (ptrdiff_t)panel(), to + (ptrdiff_t)c * pre,
                           (ptrdiff_t)pre, scale);
        });
      else
        each_gate(l, [&](ptrdiff_t row, size_t column, int units) {
          entry_.transpose(from + column, pre, units, (ptrdiff_t)columns(l), to + row * pre, (ptrdiff_t)pre, scale);
        });
    };
    const size_t own = neuron_arrays(net).size();
    const double mean = finite ? 1 / (double)size : std::numeric_limits<double>::quiet_NaN();
    for (int l = 0; l <= net.layers; l++) {
      const bool out = l == net.layers;
      const int post = out ? net.classes : net.width[l];
      one(l, g.forward[l], net.fan_in(l), forward_scale(l) / T(size), wanted[out && net.tied ? 0 : k++]);
      if (out) break;
      if (net.recurrent[l]) {
        one(l, g.recurrent[l], post, scale_of(l) / T(size), wanted[k++]);
        for (int i = 0; i < post && net.delta; i++) wanted[k - 1][(ptrdiff_t)i * post + i] = T(mean * 0);
      }
      if (net.gated) unpack_gates(net, l, g.neurons[l], padded(post), mean, wanted[k]);
      else if (own)
        unpack_neurons(net, l, g.neurons[l], padded(post), mean, given.data() + k, job.weights.neurons[l],
                       wanted.data() + k);
      k += own;
    }
    if (net.tied) return add_embedded(T(mean));
    for (int c = 0; c < net.classes && net.stacked(); c++) wanted[k][c] = T(mean * (double)g.readout_bias[c]);
  }
  // Of the embedding: what the words that were read add to what the readout gave.
  void add_embedded(T mean) {
    const Network &net = job.net;
    const T *from = job.embedded;
    for (int64_t word = 0; word < size * net.steps; word++, from += net.inputs) {
      T *to = wanted[0] + (ptrdiff_t)job.samples.unit[word] * net.inputs;
      for (int j = 0; j < net.inputs; j++) to[j] += mean * from[j];
    }
  }
};

}  // namespace sgpipe
