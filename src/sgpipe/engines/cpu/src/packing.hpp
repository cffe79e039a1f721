// Packs weights: from the caller's matrices to the layout that the blocks read.
#pragma once
#include <algorithm>
#include <vector>

#include "gates.hpp"
#include "layout.hpp"
#include "rounding.hpp"

namespace sgpipe {

// Packs panels in bfloat16: for each vector of columns, pairs of rows, column by column. `source` maps rows to w's.
template <class T>
void pack_halves(const Projection<T> &p, const std::vector<ptrdiff_t> &source, const T *w, T scale, bool diagonal,
                 int lanes) {
  const int depth = tile_depth(p.post);
  std::vector<T> row(lanes);
  for (int v = 0; v < p.pre_vectors; v++) {
    const int from = v * lanes, filled = std::min(lanes, p.pre - from);
    uint16_t *to = p.halves + (size_t)v * depth * lanes;
    for (int i = 0; i < depth; i++) {
      const bool real = i < p.post && source[i] >= 0;
      for (int j = 0; j < lanes; j++) row[j] = real && j < filled ? scale * w[source[i] * p.pre + from + j] : T(0);
      if (!diagonal && i >= from && i < from + filled) row[i - from] = 0;
      store_halves(row.data(), lanes, to + (i / 2) * 2 * lanes + i % 2, 2);
    }
  }
}

// Packs one matrix times `scale`; returns false if one of its numbers is not finite. Delta neurons have no
// self-connections: their V is packed without the `diagonal`.
template <class T>
bool pack_one(const Layout<T> &lay, int l, const Projection<T> &p, const T *w, T scale, bool diagonal = true) {
  const Entry<T> &entry = lay.entry;
  bool finite = true;
  std::vector<ptrdiff_t> source(p.post, -1);  // the row in w of each column
  lay.each_gate(l, [&](ptrdiff_t row, size_t column, int units) {
    finite &= entry.finite(w + row * p.pre, (int64_t)p.pre * units);
    for (int i = 0; i < units; i++) source[column + i] = row + i;
  });
  for (int v = 0; v < p.post_vectors; v += p.slice) {
    const int from = v * entry.lanes, width = std::min(p.slice, p.post_vectors - v) * entry.lanes;
    T *slice = p.rows + (size_t)from * p.pre;
    int filled = 0;
    lay.each_gate(l, [&](ptrdiff_t row, size_t column, int units) {
      const int first = std::max(from, (int)column), last = std::min(from + width, (int)column + units);
      if (first >= last) return;
      for (int j = 0; j < p.pre; j++) std::fill(slice + j * width + filled, slice + j * width + first - from, T(0));
      entry.transpose(w + (row + first - (ptrdiff_t)column) * p.pre, last - first, p.pre, (ptrdiff_t)p.pre,
                      slice + first - from, (ptrdiff_t)width, scale);
      filled = last - from;
    });
    for (int j = 0; j < p.pre; j++) std::fill(slice + j * width + filled, slice + (j + 1) * width, T(0));
    for (int j = from; j < from + filled && !diagonal; j++) slice[j * width + j - from] = 0;
  }
  for (T *to : {p.panels, p.plain}) {
    if (!to) continue;
    const int group = to == p.plain ? p.pre_vectors : entry.panel;
    for (int v = 0; v < p.pre_vectors; v += group) {
      const int width = std::min(group, p.pre_vectors - v) * entry.lanes;
      const int from = v * entry.lanes, filled = std::min(width, p.pre - from);
      T *panel = to + (size_t)from * p.post;
      for (int i = 0; i < p.post; i++, panel += width) {
        const int real = source[i] < 0 ? 0 : filled;
        for (int j = 0; j < real; j++) panel[j] = scale * w[source[i] * p.pre + from + j];
        std::fill(panel + real, panel + width, T(0));
        if (!diagonal && i >= from && i < from + filled) panel[i - from] = 0;
      }
    }
  }
  if (!lay.net.mixed) return finite;
  const size_t back = (size_t)p.post * p.pre_vectors * entry.lanes, rows = (size_t)p.pre * p.post_vectors * entry.lanes;
  if (p.halves) pack_halves(p, source, w, scale, diagonal, entry.lanes);
  if (p.panels) round_to_bfloat16(p.panels, back);
  if (p.plain) round_to_bfloat16(p.plain, back);
  if (!p.back) return finite;
  std::copy_n(p.rows, rows, p.back);
  round_to_bfloat16(p.back, rows);
  return finite;
}

// Packs all that the caller gives, in its order, into `to`; returns false if one of its numbers is not finite.
template <class T>
bool pack(const Layout<T> &lay, const Constants &constants, const std::vector<const T *> &given, const Weights<T> &to) {
  const Network &net = lay.net;
  bool finite = true;
  size_t k = net.tied;
  const size_t own = neuron_arrays(net).size();
  for (int l = 0; l <= net.layers; l++) {
    const bool out = l == net.layers;
    finite &= pack_one(lay, l, to.forward[l], out && net.tied ? given[0] : given[k++], lay.forward_scale(l));
    if (out) break;
    if (net.recurrent[l]) finite &= pack_one(lay, l, to.recurrent[l], given[k++], lay.scale_of(l), !net.delta);
    for (size_t i = 0; i < own; i++) finite &= lay.entry.finite(given[k + i], net.gates() * net.width[l]);
    if (net.delta) pack_neurons(net, constants, l, given.data() + k, to.neurons[l], lay.padded(net.width[l]));
    if (net.gated) pack_gates(net, constants, l, given[k], to.neurons[l], lay.padded(net.width[l]));
    if (net.own_decays) pack_decays(net, constants, l, given.data() + k, to.decays[l], lay.padded(net.width[l]));
    k += own;
  }
  if (net.stacked()) {
    std::fill_n(to.readout_bias, lay.answers(), T(0));
    if (net.tied) return finite;
    finite &= lay.entry.finite(given[k], net.classes);
    std::copy_n(given[k], net.classes, to.readout_bias);
  }
  return finite;
}

}  // namespace sgpipe
