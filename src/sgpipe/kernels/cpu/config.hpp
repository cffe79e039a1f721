// Reads a network from the dictionary that Python gives.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "network.hpp"

namespace sgpipe {
namespace nb = nanobind;

[[noreturn]] inline void refuse(const std::string &why) { throw std::invalid_argument(why); }

// Values of the configuration, each asked for once; what is left over is unknown.
class Reader {
 public:
  explicit Reader(nb::dict d) : dict_(d) {}
  template <class U> U get(const char *key, U otherwise) {
    return has(key) ? cast<U>(key) : otherwise;
  }
  template <class U> U need(const char *key) {
    if (!has(key)) refuse(std::string("config: '") + key + "' is missing");
    return cast<U>(key);
  }
  nb::object raw(const char *key) { return has(key) ? nb::borrow(dict_[key]) : nb::none(); }
  int choice(const char *key, const std::vector<const char *> &names) {
    const std::string given = get<std::string>(key, names.front());
    std::string known;
    int k = 0;
    for (const char *n : names) {
      if (given == n) return k;
      known += (k++ ? ", " : "") + std::string(n);
    }
    refuse(std::string("config: ") + key + " '" + given + "' is not one of " + known);
  }
  // Refuses a key that nobody asked for.
  void finish() const {
    for (auto [key, value] : dict_) {
      const std::string k = nb::cast<std::string>(nb::str(key));
      if (std::find(asked_.begin(), asked_.end(), k) == asked_.end())
        refuse("config: '" + k + "' is not a known key");
    }
  }

 private:
  bool has(const char *key) {
    asked_.push_back(key);
    return dict_.contains(key);
  }
  template <class U> U cast(const char *key) {
    try {
      return nb::cast<U>(dict_[key]);
    } catch (const nb::cast_error &) {
      refuse(std::string("config: '") + key + "' has the wrong type");
    }
  }
  nb::dict dict_;
  std::vector<std::string> asked_;
};

// Every shape is one of a few profiles, stretched and scaled.
inline Surrogate read_surrogate(Reader &c) {
  struct Named {
    const char *name;
    Shape shape;
    const char *slope;  // the key that gives it
    double stretch, height;
  };
  static constexpr Named shapes[] = {
      {"superspike", Shape::fast_sigmoid, "beta", 1, 1},
      {"sigmoid", Shape::sigmoid, "beta", 1, 1},
      {"esser", Shape::triangle, "beta", 1, 1},
      {"asymptotic_superspike", Shape::fast_sigmoid, "beta", 1, 1},
      {"constant", Shape::rectangle, "beta", 0, 1},
      {"true_derivative", Shape::rectangle, "beta", 0, 0},
      {"triangular", Shape::triangle, "sharpness", 1, 1},
      {"exponential", Shape::exponential, "sharpness", 2, 1},
      {"gaussian", Shape::gaussian, "sharpness", 1, 1},
      {"dsigmoid", Shape::sigmoid, "sharpness", 4, 4},
      {"dfast_sigmoid", Shape::fast_sigmoid, "sharpness", 2, 1},
      {"rectangular", Shape::rectangle, "sharpness", 1, 1},
      {"q_pseudospike", Shape::pseudo_spike, "sharpness", 1, 1},
  };
  std::vector<const char *> names;
  for (const Named &n : shapes) names.push_back(n.name);
  const Named &named = shapes[c.choice("surrogate", names)];
  const double beta = c.get<double>("beta", 10.0), sharpness = c.get<double>("sharpness", 1.0);
  Surrogate s;
  s.shape = named.shape;
  s.slope = std::string(named.slope) == "beta" ? beta : sharpness;
  s.dampening = c.get<double>("dampening", 1.0);
  s.tail = c.get<double>("tail", 2.0);
  for (double knob : {beta, sharpness, s.dampening})
    if (!(knob >= 0)) refuse("config: beta, sharpness and dampening must not be negative");
  if (!(s.tail > 1)) refuse("config: tail must be above 1");
  if (std::string(named.name) == "asymptotic_superspike") s.dampening *= s.slope;
  s.slope *= named.stretch;
  s.dampening *= named.height;
  if (s.dampening == 0) {
    s.shape = Shape::rectangle;
    s.slope = 0;
  }
  return s;
}

// One bool for all hidden layers, or one for each.
inline void read_recurrent(nb::object recurrent, Network &n) {
  if (nb::isinstance<nb::bool_>(recurrent)) {
    for (int l = 0; l < n.layers; l++) n.recurrent[l] = nb::cast<bool>(recurrent);
  } else if (!recurrent.is_none()) {
    std::vector<bool> flags;
    try {
      flags = nb::cast<std::vector<bool>>(recurrent);
    } catch (const nb::cast_error &) {
      refuse("config: recurrent must be a bool or a list of bools");
    }
    if ((int)flags.size() != n.layers) refuse("config: recurrent needs one bool for each hidden layer");
    for (int l = 0; l < n.layers; l++) n.recurrent[l] = flags[l];
  }
}

inline Network read_network(nb::dict config, std::string &isa) {
  Reader c(config);
  Network n;
  n.steps = c.need<int>("steps");
  n.inputs = c.need<int>("inputs");
  n.classes = c.need<int>("classes");
  const auto hidden = c.need<std::vector<int>>("hidden");
  if (n.steps < 1 || n.inputs < 1 || n.classes < 1)
    refuse("config: steps, inputs and classes must be at least 1");
  if (n.steps > (1 << 22)) refuse("config: steps must be at most 4194304");
  if (hidden.size() > MAX_LAYERS) refuse("config: at most 8 hidden layers");
  n.layers = (int)hidden.size();
  for (int l = 0; l < n.layers; l++) {
    if (hidden[l] < 1) refuse("config: hidden widths must be at least 1");
    n.width[l] = hidden[l];
    if ((int64_t)hidden[l] * n.steps > (1 << 28)) refuse("config: steps * width is too large");
  }
  read_recurrent(c.raw("recurrent"), n);
  n.reset_attached = c.choice("reset", {"attached", "detached"}) == 0;
  n.recurrent_attached = c.choice("recurrent_gradient", {"propagated", "detached"}) == 0;
  n.head_sum = c.choice("head", {"max", "sum"}) == 1;
  n.surrogate = read_surrogate(c);
  n.b_syn = c.need<double>("b_syn");
  n.b_mem = c.need<double>("b_mem");
  n.b_out = c.need<double>("b_out");
  for (double b : {n.b_syn, n.b_mem, n.b_out})
    if (!(b >= 0 && b <= 1)) refuse("config: b_syn, b_mem and b_out must lie in [0, 1]");
  n.readout_start = c.get<double>("readout_start", 0.0);
  n.lower = c.get<double>("lambda_lower", 0.0);
  n.lower_count = c.get<double>("nu_lower", 0.0);
  n.upper = c.get<double>("lambda_upper", 0.0);
  n.upper_count = c.get<double>("nu_upper", 0.0);
  n.upper_power = c.get<int>("upper_power", 1);
  if (n.upper_power != 1 && n.upper_power != 2) refuse("config: upper_power must be 1 or 2");
  isa = c.get<std::string>("isa", "auto");
  c.finish();
  return n;
}

}  // namespace sgpipe
