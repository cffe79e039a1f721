// Widths in the engine, and the layout of packed weights and of the sums of gradients.
#pragma once
#include <algorithm>

#include "neurons.hpp"

namespace sgpipe {

// Hands out pieces of memory, each starting on a cache line of its own; without a base it only measures them.
template <class T> struct Pieces {
  char *base;
  size_t used = 0;
  T *take(size_t n) {
    T *p = base ? (T *)(base + used) : nullptr;
    used += (n * sizeof(T) + 63) / 64 * 64;
    return p;
  }
};

template <class T> struct Layout {
  const Entry<T> &entry;
  const Network &net;
  bool train;

  int vectors(int n) const { return (n + entry.lanes - 1) / entry.lanes; }
  size_t padded(int n) const { return (size_t)vectors(n) * entry.lanes; }
  // How many drives a hidden layer has, each gate padded.
  size_t drives(int l) const { return net.gates() * padded(net.width[l]); }
  // Outputs of the readout; for a text, in whole panels.
  size_t panel() const { return (size_t)entry.words * entry.lanes; }
  size_t answers() const {
    const int n = net.classes;
    return net.words ? (n + panel() - 1) / panel() * panel() : padded(n);
  }
  size_t columns(int l) const { return l == net.layers ? answers() : drives(l); }
  // Sums beside those of matrices: of a layer's neurons, or of the readout's biases.
  size_t neuron_sums(int l) const {
    if (!net.stacked()) return net.own_decays && l < net.layers ? DECAY_SUMS * drives(l) : 0;
    return l == net.layers ? columns(l) : (net.gated ? 1 : NEURON_SUMS) * drives(l);
  }
  // Analog gradients are written in whole tiles of rows.
  size_t sum_rows(int n) const { return (size_t)n + entry.rows; }

  // Calls f(its first row in the caller's matrix, its first column in the engine's, its units) for each gate of layer
  // l; the readout counts as one gate.
  template <class F> void each_gate(int l, F f) const {
    const int units = l == net.layers ? net.classes : net.width[l];
    for (int gate = 0; gate < (l == net.layers ? 1 : net.gates()); gate++)
      f((ptrdiff_t)gate * units, gate * padded(units), units);
  }
  // Calls f(first word, how many) for each panel of words.
  template <class F> void each_panel(F f) const {
    for (int c = 0; c < net.classes; c += (int)panel()) f(c, std::min((int)panel(), net.classes - c));
  }

  // Scale of a layer's recurrent weights, and of the readout's weights.
  T scale_of(int l) const {
    if (net.stacked() || (net.own_decays && l < net.layers)) return T(1);
    return T(1 - (l == net.layers ? net.b_out : net.b_mem));
  }
  // Scale of feed-forward weights, including that of the inputs that dropout keeps.
  T forward_scale(int l) const {
    const bool drops = train && net.dropout != 0 && l < net.layers;
    return drops ? T((double)scale_of(l) / (1 - net.dropout)) : scale_of(l);
  }

  Weights<T> weights(Pieces<T> &m) const {
    Weights<T> all{};
    for (int l = 0; l <= net.layers; l++) {
      const bool out = l == net.layers;
      auto make = [&](int pre, int post, bool panels, bool plain) {
        Projection<T> p;
        p.slice = net.stacked() && !out ? SLICE : out && net.words ? entry.words : vectors(post);
        p.pre = pre;
        p.post = post;
        p.pre_vectors = vectors(pre);
        p.post_vectors = (int)(columns(l) / entry.lanes);
        p.rows = m.take(pre * columns(l));
        const bool halves = panels && net.products != Products::single;
        p.panels = panels && !halves ? m.take(post * padded(pre)) : nullptr;
        p.halves = halves ? (uint16_t *)m.take((tile_depth(post) * padded(pre) * sizeof(uint16_t) + sizeof(T) - 1) / sizeof(T)) : nullptr;
        p.plain = plain ? m.take(post * padded(pre)) : nullptr;
        p.back = panels && net.mixed && net.products != Products::amx && net.delta && !out ? m.take(pre * columns(l)) : nullptr;
        return p;
      };
      const int post = out ? net.classes : net.gated ? (int)drives(l) : net.width[l];
      const bool words = out && net.words, panels = out ? words : l > 0 || net.tied;
      all.forward[l] = make(net.fan_in(l), post, train && panels, train && out && !words && net.layers > 0);
      if (!out && net.recurrent[l]) all.recurrent[l] = make(net.width[l], post, train && net.coupled(l), false);
      if (!out && net.stacked()) all.neurons[l] = lay_out_neurons<T>(m, drives(l));
      if (!out && net.own_decays) all.decays[l] = lay_out_decays<T>(m, drives(l));
      if (out && net.stacked()) all.readout_bias = m.take(answers());
    }
    return all;
  }

  // Where the sums of gradients lie in an array of gradient_size().
  Gradients<T> gradients(T *sum) const {
    Gradients<T> g;
    for (int l = 0; l <= net.layers; l++) {
      const size_t post = columns(l);
      g.forward[l] = sum;
      sum += sum_rows(net.fan_in(l)) * post;
      if (l < net.layers && net.recurrent[l]) {
        g.recurrent[l] = sum;
        sum += net.width[l] * post;
      }
      const size_t more = neuron_sums(l);
      if (more) (l < net.layers ? g.neurons[l] : g.readout_bias) = sum;
      sum += more;
    }
    return g;
  }
  size_t gradient_size() const {
    size_t n = 0;
    for (int l = 0; l <= net.layers; l++) {
      const size_t post = columns(l);
      n += sum_rows(net.fan_in(l)) * post;
      if (l < net.layers && net.recurrent[l]) n += net.width[l] * post;
      n += neuron_sums(l);
    }
    return n;
  }
};

}  // namespace sgpipe
