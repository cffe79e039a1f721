// One block of samples through the whole network and back, for one instruction set.
//
// No templates of the standard library here: this file is compiled several times, and
// an inline function of theirs compiled for AVX-512 must not reach an older processor.
#include "arrays.hpp"
#include "backward.hpp"

namespace SGPIPE_ISA {

// Hands out aligned pieces of one allocation; with a null base it only measures.
struct Bump {
  char *base;
  size_t used = 0;
  template <class U> U *take(size_t n) {
    U *p = base ? (U *)(base + used) : nullptr;
    used += (n * sizeof(U) + 63) / 64 * 64;
    return p;
  }
};

template <class T> struct Sample {
  Trace<T> trace[MAX_LAYERS];
  Active active[MAX_LAYERS];
  int32_t *start;     // of the input events
  const int32_t *units;
  T *logits, *reached, *g;
  Filters<T> filters;
  int32_t *when, *which;
  int64_t index;
  int last;           // latest step with a gradient of the loss in the readout
};

template <class T> struct Scratch {
  Sample<T> sample[ROWS];
  Coupled<T> coupled;
  T *current, *readout, *input, *drive;
  int input_row;

  void lay_out(const Network &net, bool train, bool dense, int samples, Bump &m) {
    constexpr int W = LANES<T>;
    auto padded = [](int n) { return (size_t)(n + W - 1) / W * W; };
    const size_t rows = net.steps + 1 + ROWS, classes = padded(net.classes);
    size_t widest = classes;
    for (int l = 0; l < net.layers; l++)
      if (padded(net.width[l]) > widest) widest = padded(net.width[l]);
    for (int r = 0; r < samples; r++) {
      Sample<T> &s = sample[r];
      for (int l = 0; l < net.layers; l++) {
        Trace<T> &t = s.trace[l];
        const size_t n = padded(net.width[l]);
        const int bytes = bits_row(net.width[l]);
        t.history = m.take<T>(rows * n);
        t.bits = m.take<uint8_t>((size_t)(net.steps + 1) * bytes);
        if (m.base) t.bits += bytes;
        t.start = m.take<int32_t>(net.steps + 1);
        // After a spike comes a reset: at most every other step; append() needs slack.
        t.units = m.take<int32_t>((size_t)(net.steps + 1) / 2 * net.width[l] + 8);
        t.above = train && l + 1 < net.layers ? m.take<T>(rows * n) : nullptr;
        t.counts = m.take<T>(n);
        // Lists of the layers that get S' from a product: through V or from the next layer.
        const bool product = net.coupled(l) || l + 1 < net.layers;
        if (train && product && net.surrogate.shape == Shape::triangle) {
          const int post = l + 1 < net.layers ? net.width[l + 1] : net.width[l];
          Active &a = s.active[l];
          a.limit = active_limit(net.steps, post, (int)padded(post) / W, (int)n / W);
          a.start = m.take<int32_t>(net.steps + 2);
          a.units = m.take<int32_t>(a.limit + net.width[l] + 8);
        }
      }
      s.start = m.take<int32_t>(net.steps + 1);
      s.logits = m.take<T>(classes);
      s.reached = m.take<T>(classes);
      s.g = m.take<T>(classes);
      s.filters.A = m.take<T>(widest);
      s.filters.B = m.take<T>(widest);
      s.filters.rate = m.take<T>(widest);
      s.when = m.take<int32_t>(net.classes + 1);
      s.which = m.take<int32_t>(net.classes + 1);
    }
    if (train) {
      T **state[] = {&coupled.A, &coupled.B, &coupled.dU, &coupled.dJ, &coupled.dS, &coupled.P_next};
      for (T **p : state) *p = m.take<T>(ROWS * widest);
    }
    current = m.take<T>(widest);
    readout = m.take<T>(rows * classes);
    input_row = (net.inputs + ROWS - 1) / ROWS * ROWS;
    input = dense ? m.take<T>(rows * input_row) : nullptr;
    drive = dense ? m.take<T>(rows * widest) : nullptr;
  }
};

template <class T> static size_t scratch_bytes(const Network &net, bool train, bool dense, int n) {
  Scratch<T> s;
  Bump m{nullptr};
  s.lay_out(net, train, dense, n, m);
  return m.used;
}

// The first event that would lead outside.
static Fault find_fault(const Network &net, const Samples &x, int64_t first, int64_t last, int64_t &event) {
  for (event = first; event < last; event++) {
    if ((uint32_t)x.unit[event] >= (uint32_t)net.inputs) return Fault::unit;
    if ((uint32_t)x.step[event] >= (uint32_t)net.steps) return Fault::step;
    if (event > first && x.step[event] < x.step[event - 1]) return Fault::order;
  }
  return Fault::none;
}

// Where each step's events start among a sample's, without a branch for an event.
static Fault index_events(const Network &net, const Samples &x, int64_t i, int32_t *start,
                          int64_t &event) {
  const int64_t first = x.start[i], last = x.start[i + 1];
  if (first < 0 || last < first || last > x.events || last - first > INT32_MAX) return Fault::bounds;
  const int32_t *step = x.step + first, *unit = x.unit + first;
  const int32_t count = (int32_t)(last - first);
  uint32_t bad = 0;
  for (int32_t e = 0; e < count; e++)
    bad |= ((uint32_t)unit[e] >= (uint32_t)net.inputs) | ((uint32_t)step[e] >= (uint32_t)net.steps);
  for (int32_t e = 1; e < count; e++) bad |= step[e] < step[e - 1];
  if (bad) return find_fault(net, x, first, last, event);
  std::memset(start, 0, (net.steps + 1) * sizeof *start);
  for (int32_t e = 0; e < count; e++) start[step[e] + 1] = e + 1;
  for (int n = 1, most = 0; n <= net.steps; n++) start[n] = most = start[n] > most ? start[n] : most;
  return Fault::none;
}

// One sample's analog input, its rows padded to whole tiles.
template <class T> static void dense_input(const Job<T> &job, Scratch<T> &m, int64_t i) {
  const Network &net = job.net;
  const T *x = (const T *)job.samples.dense + (ptrdiff_t)i * net.steps * net.inputs;
  for (int n = 0; n < net.steps; n++) {
    T *to = m.input + (ptrdiff_t)n * m.input_row;
    std::memcpy(to, x + (ptrdiff_t)n * net.inputs, net.inputs * sizeof(T));
    for (int j = net.inputs; j < m.input_row; j++) to[j] = 0;
  }
}

template <class T>
static void dense_drive(const Network &net, Scratch<T> &m, const Projection<T> &w) {
  const ptrdiff_t row = (ptrdiff_t)w.post_vectors * LANES<T>;
  for (int n = 0; n < net.steps; n += ROWS)
    product_plain<T>({m.input + (ptrdiff_t)n * m.input_row, m.input_row, 1}, w.rows, net.inputs,
                     w.post_vectors, {nullptr, 0, 0}, {m.drive + n * row, row, 1});
}

// sum[j] += sum_n x[n][j] adjoint[n]
template <class T>
static void dense_gather(const Network &net, const Scratch<T> &m, int vectors, const T *adjoint,
                         T *sum, int end) {
  const ptrdiff_t row = (ptrdiff_t)vectors * LANES<T>;
  for (int j = 0; j < net.inputs; j += ROWS)
    product_plain<T>({m.input + j, 1, m.input_row}, adjoint, end, vectors,
                     {sum + j * row, row, 1}, {sum + j * row, row, 1});
}

// Regularisers of one layer and sample: their loss, and the adjoint of the spike
// counts into t.counts. Returns whether that is anywhere nonzero.
template <class T>
static bool regularise(const Network &net, int neurons, int padded, Trace<T> &t, double &loss) {
  std::memset(t.counts, 0, padded * sizeof(T));
  const int32_t spikes = t.start[net.steps];
  for (int32_t e = 0; e < spikes; e++) t.counts[t.units[e]] += T(1);
  double push = 0;
  if (net.upper != 0) {
    const double over = (double)spikes / neurons - net.upper_count;
    if (over > 0) {
      loss += net.upper * (net.upper_power == 1 ? over : over * over);
      push = net.upper * (net.upper_power == 1 ? 1.0 : 2 * over) / neurons;
    }
  }
  bool any = push != 0;
  double lower = 0;
  for (int i = 0; i < neurons; i++) {
    double adjoint = push;
    const double under = net.lower_count - (double)t.counts[i];
    if (net.lower != 0 && under > 0) {
      lower += under * under;
      adjoint -= 2 * net.lower / neurons * under;
      any = true;
    }
    t.counts[i] = T(adjoint);
  }
  loss += net.lower / neurons * lower;
  return any;
}

// Cross-entropy of the logits, and its gradient into s.g.
template <class T> static double cross_entropy(const Network &net, int vectors, int64_t label, Sample<T> &s,
                                               bool &correct) {
  constexpr int W = LANES<T>;
  int best = 0;
  for (int c = 1; c < net.classes; c++)
    if (s.logits[c] > s.logits[best]) best = c;
  const T most = s.logits[best];
  for (int v = 0; v < vectors; v++)
    store(s.g + v * W, exp_negative(load(s.logits + v * W) - most));
  for (int c = net.classes; c < vectors * W; c++) s.g[c] = 0;
  double total = 0;
  for (int c = 0; c < net.classes; c++) total += (double)s.g[c];
  const T scale = T(1 / total);
  for (int v = 0; v < vectors; v++) store(s.g + v * W, load(s.g + v * W) * scale);
  s.g[label] -= T(1);
  correct = best == label;
  return std::log(total) - ((double)s.logits[label] - (double)most);
}

template <class T> static void prepare_filters(const Network &net, const Projection<T> &w, Sample<T> &s,
                                               const T *counts, bool regularised) {
  constexpr int W = LANES<T>;
  const int row = w.pre_vectors * W;
  Filters<T> &f = s.filters;
  f.weights = w.plain;
  f.g = s.g;
  f.when = s.when;
  f.which = s.which;
  f.from = regularised ? net.steps - 1 : s.last;
  int n = 0;
  if (!net.head_sum)
    for (int c = 0; c < net.classes; c++) {
      const int32_t t = (int32_t)s.reached[c];
      int k = n++;
      for (; k > 0 && s.when[k - 1] < t; k--) {
        s.when[k] = s.when[k - 1];
        s.which[k] = s.which[k - 1];
      }
      s.when[k] = t;
      s.which[k] = c;
    }
  s.when[n] = -1;
  const T fixed_A = T(1 - net.b_syn), fixed_rate = T((1 - net.b_syn) * (1 - net.b_out));
  for (int i = 0; i < row; i++) {
    const T r = regularised ? counts[i] : T(0);
    f.B[i] = r;
    f.A[i] = fixed_A * r;
    f.rate[i] = fixed_rate * r;
  }
  if (net.head_sum)
    for (int c = 0; c < net.classes; c++)
      for (int i = 0; i < row; i++) f.rate[i] += s.g[c] * w.plain[(ptrdiff_t)c * row + i];
}

template <class T>
static void run_block(const Job<T> &job, int64_t first, int count, const Gradients<T> &grad,
                      Tally &tally, Scratch<T> &m) {
  constexpr int W = LANES<T>;
  const Network &net = job.net;
  const int L = net.layers, steps = net.steps;
  const Projection<T> &out = job.weights.forward[L];
  const Decay<T> d{T(net.b_syn), T(net.b_mem), T(net.b_out)};
  const bool dense = job.samples.dense != nullptr;
  bool pushed[MAX_LAYERS] = {};
  int last = 0;

  auto input_of = [&](int l, const Sample<T> &s) {
    return l ? Events{s.trace[l - 1].start, s.trace[l - 1].units} : Events{s.start, s.units};
  };

  for (int r = 0; r < count; r++) {
    Sample<T> &s = m.sample[r];
    s.index = job.indices[first + r];
    if (!dense) {
      const Fault fault =
          index_events(net, job.samples, s.index, s.start, tally.fault_event);
      if (fault != Fault::none) {
        tally.fault = fault;
        tally.fault_sample = s.index;
        return;
      }
      s.units = job.samples.unit + job.samples.start[s.index];
    } else {
      dense_input(job, m, s.index);
      dense_drive(net, m, job.weights.forward[0]);
    }
    T check = 0;
    for (int l = 0; l < L; l++) {
      const T *drive = dense && l == 0 ? m.drive : nullptr;
      Trace<T> &t = s.trace[l];
      check += net.recurrent[l]
                   ? forward_recurrent<T>(job.weights.forward[l], job.weights.recurrent[l], steps,
                                          input_of(l, s), drive, t, m.current, d)
                   : forward_layer<T>(job.weights.forward[l], steps, input_of(l, s), drive, t, d);
      tally.spikes[l] += t.start[steps];
      if (net.regularised())
        pushed[l] |= regularise(net, net.width[l], job.weights.forward[l].post_vectors * W, t,
                                tally.regulariser);
    }
    const T *drive = dense && L == 0 ? m.drive : nullptr;
    in_groups<4>(out.post_vectors, [&](int v, auto n) {
      check += readout_group<T, decltype(n)::value>(out, v, steps, input_of(L, s), drive,
                                                    net.head_sum, T(net.readout_start), d,
                                                    s.logits, s.reached);
    });
    bool correct;
    // A current that overflowed may hide behind a reset: it still spoils the loss.
    tally.loss += cross_entropy(net, out.post_vectors, job.samples.label(s.index), s, correct) +
                  (double)check;
    tally.correct += correct;
    if (job.logits)
      for (int c = 0; c < net.classes; c++)
        job.logits[(first + r) * net.classes + c] = s.logits[c] + check;

    s.last = steps - 1;
    if (!net.head_sum) {
      T latest = 0;
      for (int c = 0; c < net.classes; c++)
        if (s.reached[c] > latest) latest = s.reached[c];
      s.last = (int)latest;
    }
    if (s.last > last) last = s.last;
    if (!job.train) continue;
    const ptrdiff_t row = (ptrdiff_t)out.post_vectors * W;
    in_groups<4>(out.post_vectors, [&](int v, auto n) {
      reverse_readout<T, decltype(n)::value>(v, row, s.last, net.head_sum, s.g, s.reached, d,
                                             m.readout);
    });
    if (dense && L == 0)
      dense_gather(net, m, out.post_vectors, m.readout, grad.forward[L], s.last - 1);
    else
      gather<T>(grad.forward[L], m.readout, out.post_vectors, input_of(L, s), s.last - 1);
  }
  // With a derivative that is zero everywhere nothing reaches the hidden layers.
  if (!job.train || (net.surrogate.shape == Shape::constant && net.surrogate.dampening == 0)) return;

  // An event acts on the membrane two steps later: one for the current, one for its
  // drive. So the reverse scan of each layer starts two steps before the layer above.
  int top = last - 2, up_top = -1;
  for (int l = L - 1; l >= 0; l--) {
    const Projection<T> &w = job.weights.forward[l];
    const ptrdiff_t row = (ptrdiff_t)w.post_vectors * W;
    const bool under_readout = l == L - 1;
    if (pushed[l]) top = steps - 1;
    if (top < 0) continue;
    Reverse<T> reverse[ROWS];
    const T *above[ROWS];
    Filters<T> filters[ROWS];
    Active near[ROWS];
    bool few = net.surrogate.shape == Shape::triangle && (net.coupled(l) || !under_readout);
    for (int r = 0; r < count && few; r++) {
      near[r] = m.sample[r].active[l];
      few = list_active(net, m.sample[r].trace[l], w.post, w.post_vectors, top, near[r]);
    }
    for (int r = 0; r < count; r++) {
      Sample<T> &s = m.sample[r];
      Trace<T> &t = s.trace[l];
      reverse[r] = {t.history, t.bits, row, bits_row(net.width[l]), top, d};
      above[r] = t.above;
      if (under_readout) {
        prepare_filters(net, out, s, t.counts, pushed[l]);
        filters[r] = s.filters;
      } else {
        const Projection<T> &up = job.weights.forward[l + 1];
        const ptrdiff_t up_row = (ptrdiff_t)up.post_vectors * W;
        const T *adjoint = s.trace[l + 1].history;
        const int reached = up_top > 1 ? up_top - 1 : 0;
        for (int n = 0; n < reached && !few; n += ROWS)
          product<T>({adjoint + n * up_row, up_row, 1}, up.panels, up.post, w.post_vectors,
                     {pushed[l] ? t.counts : nullptr, 0, 1}, {t.above + n * row, row, 1});
        // Later rows of the layer above hold no adjoint but its membrane.
        for (int n = few ? 0 : reached; n <= top; n++)
          if (pushed[l]) std::memcpy(t.above + n * row, t.counts, row * sizeof(T));
          else std::memset(t.above + n * row, 0, row * sizeof(T));
        for (int n = 0; few && n < reached; n++)
          sparse_row<T>(adjoint + n * up_row, up.rows, up.post_vectors,
                        near[r].units + near[r].start[n], near[r].units + near[r].start[n + 1],
                        t.above + n * row);
      }
    }
    if (net.coupled(l)) {
      reverse_coupled<T>(net, job.weights.recurrent[l], reverse, count,
                         under_readout ? filters : nullptr, under_readout ? nullptr : above,
                         few ? near : nullptr, m.coupled);
    } else {
      for (int r = 0; r < count; r++)
        reverse_layer<T>(net, reverse[r], w.post_vectors, under_readout ? &filters[r] : nullptr,
                         above[r]);
    }
    for (int r = 0; r < count; r++) {
      Sample<T> &s = m.sample[r];
      const Trace<T> &t = s.trace[l];
      if (dense && l == 0) {
        if (count > 1) dense_input(job, m, s.index);
        dense_gather(net, m, w.post_vectors, t.history, grad.forward[l], top - 1);
      } else
        gather<T>(grad.forward[l], t.history, w.post_vectors, input_of(l, s), top - 1);
      if (net.recurrent[l])
        gather<T>(grad.recurrent[l], t.history, w.post_vectors, Events{t.start, t.units}, top - 1);
    }
    up_top = top;
    top -= 2;
  }
}

template <class T>
static void block(const Job<T> &job, int64_t first, int count, const Gradients<T> &grad,
                  Tally &tally, void *memory) {
  Scratch<T> m;
  Bump bump{(char *)memory};
  m.lay_out(job.net, job.train, job.samples.dense != nullptr, count, bump);
#if defined(__SSE2__)
  // Adjoints decay into denormal numbers, which are slow and worth nothing: flush them.
  const unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040);
  run_block(job, first, count, grad, tally, m);
  _mm_setcsr(mode);
#else
  run_block(job, first, count, grad, tally, m);
#endif
}

#define SGPIPE_STRING(x) #x
#define SGPIPE_NAME(x) SGPIPE_STRING(x)
extern const Engine engine;
const Engine engine = {
    SGPIPE_NAME(SGPIPE_ISA),
    {LANES<float>, PANEL, ROWS, scratch_bytes<float>, block<float>, add<float>,
     finite<float>, transpose<float>, adam<float>},
    {LANES<double>, PANEL, ROWS, scratch_bytes<double>, block<double>, add<double>,
     finite<double>, transpose<double>, adam<double>},
};

}  // namespace SGPIPE_ISA
