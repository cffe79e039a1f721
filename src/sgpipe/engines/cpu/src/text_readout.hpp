// A linear readout of thousands of words at every step, and its backward pass.
//
// Steps of the block's strands are taken WORD_ROWS at a time, and words in panels that stay in a near cache with all
// their weights. A panel's weights and gradients are [pre][width]: logits are sums of its rows where the last layer's
// output is not 0, and gradients of the weights are summed likewise. Only what flows back to that layer is a dense
// product.
#pragma once
#include "block_base.hpp"
#include "signed.hpp"

namespace SGPIPE_ISA {

template <class T> SGPIPE_INLINE Signed outputs_of(const Trace<T> &t) {
  return {{t.start, t.units}, {t.minus_start, t.minus_units}};
}

// The cross-entropy of one row of logits, `columns` of which the first `classes` are real, without smoothing. If
// `share` is not 0, the logits become share times the gradient, with smoothing. `right` is the score of the answer.
template <class T>
static double word_loss(T *row, int columns, int classes, int64_t label, double smoothing, T share, double &right) {
  constexpr int W = LANES<T>, GROUP = 4, SHORT = 16 * GROUP;  // sums of this many vectors go on in double precision
  for (int c = classes; c < columns; c++) row[c] = -Format<T>::huge;
  Vec<T> ahead[GROUP];
  for (int k = 0; k < GROUP; k++) ahead[k] = load(row + k * W);
  for (int c = 0; c < columns; c += GROUP * W)
    each<GROUP>([&](auto k) SGPIPE_LAMBDA {
      const Vec<T> y = load(row + c + k * W);
      ahead[k] = pick(above(y, ahead[k]), y, ahead[k]);
    });
  T most = ahead[0][0];
  for (const Vec<T> &a : ahead)
    for (int k = 0; k < W; k++) most = a[k] > most ? a[k] : most;
  const double own = (double)row[label];
  right = row[label] == most ? rightness(row, classes, label) : 0;
  double total = 0;
  for (int c = 0; c < columns;) {
    const int end = columns - c < SHORT * W ? columns : c + SHORT * W;
    Vec<T> sum[GROUP] = {};
    for (; c < end; c += GROUP * W)
      each<GROUP>([&](auto k) SGPIPE_LAMBDA {
        const Vec<T> e = exp_negative(load(row + c + k * W) - most);
        store(row + c + k * W, e);
        sum[k] += e;
      });
    for (const Vec<T> &part : sum)
      for (int k = 0; k < W; k++) total += (double)part[k];
  }
  if (share != 0) {
    const T scale = T((double)share / total), spread = T((double)share * smoothing / classes);
    for (int c = 0; c < columns; c += W) store(row + c, load(row + c) * scale - spread);
    for (int c = classes; c < columns; c++) row[c] = 0;
    row[label] -= T((double)share * (1 - smoothing));
  }
  return std::log(total) - (own - (double)most);
}

template <class T> class TextReadout {
 public:
  // `back` says whether gradients flow back to the last layer, `pushed` whether its spike counts are pushed.
  TextReadout(const Job<T> &job, const Gradients<T> &grad, Tally &tally, Scratch<T> &m, int count, bool back, bool pushed)
      : job(job), net(job.net), out(job.weights.forward[job.net.layers]), grad(grad), tally(tally), m(m), count(count),
        back(back), pushed(pushed), columns(word_columns<T>(job.net)), width(job.net.width[job.net.layers - 1]) {}

  void run() {
    Piece pieces[ROWS];
    int filled = 0, rows = 0;
    for (int r = 0; r < count; r++)
      for (int from = 0; from < net.steps;) {
        const int room = WORD_ROWS - rows, end = net.steps - from < room ? net.steps : from + room;
        pieces[filled++] = {m.sample + r, from, end, rows};
        rows += end - from;
        from = end;
        if (rows == WORD_ROWS) {
          run_rows(pieces, filled, rows);
          filled = rows = 0;
        }
      }
    if (rows) run_rows(pieces, filled, rows);
  }

 private:
  static constexpr int W = LANES<T>, PANEL_WIDTH = LONG_GROUP * W;
  // Some steps of a strand, and the row of the first among the logits.
  struct Piece {
    const Sample<T> *sample;
    int from, end, row;
    const Trace<T> &trace(const Network &net) const { return sample->trace[net.layers - 1]; }
  };
  const Job<T> &job;
  const Network &net;
  const Projection<T> &out;
  const Gradients<T> &grad;
  Tally &tally;
  Scratch<T> &m;
  const int count;
  const bool back, pushed;
  const int columns, width;

  void run_rows(const Piece *pieces, int filled, int rows) {
    for (int c = 0; c < columns; c += PANEL_WIDTH) logits(pieces, filled, c);
    losses(pieces, filled);
    if (!job.train) return;
    weight_gradients(pieces, filled);
    for (int r = 0; r < rows; r++) add_row<T>(grad.readout_bias, m.readout + (ptrdiff_t)r * columns, columns / W);
    if (back) outputs_back(pieces, filled, rows);
  }

  __attribute__((noinline)) void logits(const Piece *pieces, int filled, int c) {
    const T *rows = out.rows + (ptrdiff_t)c * width, *bias = job.weights.readout_bias + c;
    for (const Piece *p = pieces; p < pieces + filled; p++) {
      const Signed in = outputs_of(p->trace(net));
      T *to = m.readout + (ptrdiff_t)p->row * columns + c;
      for (int n = p->from; n < p->end; n++, to += columns) {
        Vec<T> y[LONG_GROUP];
        each<LONG_GROUP>([&](auto k) SGPIPE_LAMBDA { y[k] = load(bias + k * W); });
        add_signal<T, LONG_GROUP>(rows, PANEL_WIDTH, in, n, y);
        each<LONG_GROUP>([&](auto k) SGPIPE_LAMBDA { store(to + k * W, y[k]); });
      }
    }
  }

  void losses(const Piece *pieces, int filled) {
    const T share = job.train ? T(1.0 / net.steps) : T(0);
    for (const Piece *p = pieces; p < pieces + filled; p++)
      for (int n = p->from; n < p->end; n++) {
        T *row = m.readout + (ptrdiff_t)(p->row + n - p->from) * columns;
        const int64_t label = job.targets[p->sample->index * net.steps + n];
        double right;
        tally.loss += word_loss<T>(row, columns, net.classes, label, net.smoothing, share, right);
        tally.correct += right;
      }
  }

  void weight_gradients(const Piece *pieces, int filled) {
    const int vectors = columns / W;
    Stretch plus[ROWS], minus[ROWS];
    for (int k = 0; k < filled; k++) {
      const Piece &p = pieces[k];
      const Signed in = outputs_of(p.trace(net));
      plus[k] = {in.plus, p.from, p.end, (p.row - p.from) * vectors};
      minus[k] = {in.minus, p.from, p.end, (p.row - p.from) * vectors};
    }
    sort_by_unit(plus, filled, width, m.by_unit);
    if (net.gated) sort_by_unit(minus, filled, width, m.by_minus);
    for (int c = 0; c < columns; c += PANEL_WIDTH) {
      T *sum = grad.forward[net.layers] + (ptrdiff_t)c * width, *part = (T *)m.by_unit.rows;
      copy_rows<T, LONG_GROUP>(m.readout, c / W, vectors, plus, filled, T(1), part);
      gather_by_unit<T, LONG_GROUP>(sum, part, 0, LONG_GROUP, m.by_unit, width);
      if (!net.gated) continue;
      copy_rows<T, LONG_GROUP>(m.readout, c / W, vectors, minus, filled, T(-1), part);
      gather_by_unit<T, LONG_GROUP>(sum, part, 0, LONG_GROUP, m.by_minus, width);
    }
  }

  // Takes some words at a time, whose weights stay in the nearest cache while all rows pass.
  __attribute__((noinline)) void outputs_back(const Piece *pieces, int filled, int rows) {
    static_assert(WORD_ROWS <= ByUnit::far_rows * GATHER / LONG_GROUP);
    constexpr int WORDS = 256;
    const int vectors = (width + W - 1) / W;
    const ptrdiff_t row = (ptrdiff_t)vectors * W;
    if (net.mixed) round_to_bfloat16(m.readout, (size_t)rows * columns);
    if (out.halves) product_back<T>(net, {m.readout, columns, 1}, out, {nullptr, 0, 0}, {m.back, row, 1}, rows, m.halves);
    for (int c = 0; c < net.classes && !out.halves; c += WORDS) {
      const int words = net.classes - c < WORDS ? net.classes - c : WORDS;
      in_groups<PANEL>(vectors, [&](int v, auto n) SGPIPE_LAMBDA {
        constexpr int C = decltype(n)::value;
        const T *weights = out.panels + (ptrdiff_t)v * W * net.classes + (ptrdiff_t)c * C * W;
        T *to = m.back + v * W;
        tiles<T, C>({m.readout + c, columns, 1}, weights, C * W, words, {c ? to : nullptr, row, 1}, {to, row, 1}, rows);
      });
    }
    for (const Piece *p = pieces; p < pieces + filled; p++) {
      const Trace<T> &t = p->trace(net);
      std::memcpy(t.above + p->from * row, m.back + p->row * row, (p->end - p->from) * row * sizeof(T));
      for (int n = p->from; pushed && !net.gated && n < p->end; n++) add_row<T>(t.above + n * row, t.counts, vectors);
    }
  }
};

}  // namespace SGPIPE_ISA
