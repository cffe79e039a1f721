// Packs the constants of neurons with a linear readout, and unpacks the gradients of those that are trained.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "network.hpp"

namespace sgpipe {

// Constants that all neurons of a layer share unless they are trained, and the surrogate of each layer:
// one for all its neurons or one per neuron.
struct Constants {
  double alpha = 0, threshold = 1, strength = 0, fading = 0;
  std::vector<Surrogate> surrogate[MAX_LAYERS];
  // Time constants of current-based neurons that have their own without training them, in steps.
  std::vector<double> membrane[MAX_LAYERS], synapse[MAX_LAYERS];
};

// SHORTEST_TAU of sgpipe.weights.time_constants, in steps: a time constant that is trained below it acts as this one.
constexpr double SHORTEST_TAU = 1e-2;

// The arrays of a layer's neurons, in the order of the caller's list: their names without the layer's number.
inline std::vector<const char *> neuron_arrays(const Network &net) {
  std::vector<const char *> names;
  if (net.biased) names.push_back("b");
  if (net.trained && !net.stacked()) names.insert(names.end(), {"tau_membrane", "tau_synapse"});
  if (net.trained && net.stacked()) names.insert(names.end(), {"tau_membrane", "threshold"});
  if (net.trained && net.adaptive) names.insert(names.end(), {"adaptation", "tau_adaptation"});
  return names;
}

template <class T, class P> Neurons<T> lay_out_neurons(P &m, size_t padded) {
  Neurons<T> q;
  T **all[] = {&q.bias, &q.alpha, &q.threshold, &q.strength, &q.fading, &q.stretch, &q.height, &q.exponent};
  for (T **p : all) *p = m.take(padded);
  return q;
}

// Fills in the numbers that stretch and scale each neuron's surrogate; padding is silent.
template <class T>
void pack_surrogates(const std::vector<Surrogate> &layer, int units, Neurons<T> q, size_t padded) {
  for (T *to : {q.stretch, q.height, q.exponent}) std::fill_n(to, padded, T(0));
  for (int i = 0; i < units; i++) {
    const Surrogate &s = layer.size() == 1 ? layer[0] : layer[i];
    const bool tails = s.family == Family::power;
    q.stretch[i] = T(tails ? 2 * s.slope / (s.tail - 1) : s.slope);
    q.height[i] = T(s.height);
    q.exponent[i] = T(-s.tail);
  }
}

// Fills q from the layer's `given` arrays.
template <class T>
void pack_neurons(const Network &net, const Constants &c, int l, const T *const *given, Neurons<T> q, size_t padded) {
  const int units = net.width[l];
  auto fill = [&](T *to, double value, double padding) {
    std::fill_n(to, units, T(value));
    std::fill(to + units, to + padded, T(padding));
  };
  fill(q.bias, 0, 0);
  fill(q.alpha, c.alpha, 0);
  fill(q.threshold, c.threshold, 1);
  fill(q.strength, c.strength, 0);
  fill(q.fading, c.fading, 0);
  auto decays = [&](T *to, const T *tau) {
    for (int i = 0; i < units; i++) to[i] = T(std::exp(-1 / std::max((double)tau[i], SHORTEST_TAU)));
  };
  if (net.biased) std::copy_n(*given++, units, q.bias);
  if (net.trained) {
    decays(q.alpha, *given++);
    std::copy_n(*given++, units, q.threshold);
    if (net.adaptive) {
      std::copy_n(*given++, units, q.strength);
      decays(q.fading, *given++);
    }
  }
  pack_surrogates(c.surrogate[l], units, q, padded);
}

// The profile that q.stretch and q.height stretch and scale: slope 1, for the power too.
inline Surrogate profile_of(const std::vector<Surrogate> &layer) {
  Surrogate unit = layer.front();
  bool any = false;
  for (const Surrogate &s : layer)
    if (s.height != 0) {
      unit = s;
      any = true;
    }
  unit.slope = 1;
  unit.tail = 3;
  unit.height = any;
  return unit;
}

// Writes the means over the batch of the summed gradients to the caller's arrays.
template <class T>
void unpack_neurons(const Network &net, int l, const T *sums, size_t padded, double scale, const T *const *given,
                    Neurons<T> q, T *const *wanted) {
  const int units = net.width[l];
  auto plain = [&](int which) {
    for (int i = 0; i < units; i++) (*wanted)[i] = T(scale * (double)sums[which * padded + i]);
    given++;
    wanted++;
  };
  // d exp(-1/tau) / d tau = exp(-1/tau) / tau^2
  auto taus = [&](int which, const T *decay) {
    for (int i = 0; i < units; i++) {
      const double tau = (double)(*given)[i], factor = (decay ? (double)decay[i] : 1) / (tau * tau);
      (*wanted)[i] = tau < SHORTEST_TAU ? T(scale * 0) : T(scale * factor * (double)sums[which * padded + i]);
    }
    given++;
    wanted++;
  };
  if (net.biased) plain(BIAS);
  if (!net.trained) return;
  taus(ALPHA, net.reset.drive_decays ? nullptr : q.alpha);  // the sum has this factor already
  plain(THRESHOLD);
  if (!net.adaptive) return;
  plain(STRENGTH);
  taus(FADING, q.fading);
}

template <class T, class P> Decays<T> lay_out_decays(P &m, size_t padded) {
  Decays<T> d;
  for (T **p : {&d.mem, &d.gain, &d.syn}) *p = m.take(padded);
  return d;
}

// A time constant as it acts.
template <class V> double acting(V tau) { return std::max((double)tau, SHORTEST_TAU); }

// Fills d from time constants in steps: the layer's `given` arrays if they are trained.
template <class T>
void pack_decays(const Network &net, const Constants &c, int l, const T *const *given, Decays<T> d, size_t padded) {
  for (T *to : {d.mem, d.gain, d.syn}) std::fill_n(to, padded, T(0));
  for (int i = 0; i < net.width[l]; i++) {
    const double membrane = acting(net.trained ? (double)given[0][i] : c.membrane[l][i]);
    const double synapse = acting(net.trained ? (double)given[1][i] : c.synapse[l][i]);
    d.mem[i] = T(std::exp(-1 / membrane));
    d.gain[i] = T(-std::expm1(-1 / membrane));
    d.syn[i] = T(std::exp(-1 / synapse));
  }
}

// Writes the means over the batch of the time constants' gradients to the caller's arrays.
template <class T>
void unpack_decays(const Network &net, int l, const T *sums, size_t padded, double scale, const T *const *given,
                   T *const *wanted) {
  for (int i = 0; i < net.width[l]; i++) {
    const double gain = -std::expm1(-1 / acting(given[0][i]));
    for (int which : {MEMBRANE, SYNAPSE}) {
      const double tau = (double)given[which][i], factor = std::exp(-1 / acting(tau)) / (tau * tau) / gain;
      wanted[which][i] = tau < SHORTEST_TAU ? T(scale * 0) : T(scale * factor * (double)sums[which * padded + i]);
    }
  }
}

}  // namespace sgpipe
