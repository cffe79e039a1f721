// Reads a network from the dictionary that Python gives.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <type_traits>
#include <vector>

#include "arguments.hpp"
#include "neurons.hpp"
#include "refuse.hpp"

namespace sgpipe {
namespace nb = nanobind;

// Values of the configuration, each asked for once; keys that are left over are unknown.
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
  // One number, or a list of them.
  std::vector<double> numbers(const char *key, double otherwise) {
    if (!has(key)) return {otherwise};
    double one;
    if (nb::try_cast(dict_[key], one)) return {one};
    return cast<std::vector<double>>(key);
  }
  nb::object raw(const char *key) { return has(key) ? nb::borrow(dict_[key]) : nb::none(); }
  bool has(const char *key) {
    asked_.push_back(key);
    return dict_.contains(key);
  }
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

template <class T> int64_t first_cell(double one, int shift) {
  const T y = T(one);
  std::conditional_t<sizeof(T) == 8, int64_t, int32_t> bits;
  std::memcpy(&bits, &y, sizeof y);
  return bits >> shift;
}

// The table of a formula; an empty one if there is no such key.
inline Table read_table(Reader &c) {
  Table t;
  if (!c.has("table")) return t;
  Reader r(c.need<nb::dict>("table"));
  const Input rows = as_array<Input>(r.raw("rows"), "table: rows"), edges = as_array<Input>(r.raw("edges"), "table: edges");
  t.wide = rows.dtype() == nb::dtype<double>();
  const auto type = t.wide ? nb::dtype<double>() : nb::dtype<float>();
  check(rows, "table: rows", type, "float32 or float64", {-1, -1, t.wide ? Table::terms<double>() : Table::terms<float>()});
  t.regions = (int64_t)rows.shape(0);
  t.cells = (int64_t)rows.shape(1);
  if (t.regions < 1 || t.cells < 1 || t.regions * t.cells > (1 << 24)) refuse("table: rows: too few or too many");
  check(edges, "table: edges", type, "the type of the rows", {t.regions - 1});
  t.rows = rows.data();
  t.edges = edges.data();
  t.one = r.need<double>("one");
  t.top = r.need<double>("top");
  t.shift = r.need<int>("shift");
  t.even = r.need<bool>("even");
  t.compact = r.need<bool>("compact");
  r.finish();
  if (!(t.one > 0 && t.top > 0) || t.shift < 1 || t.shift > (t.wide ? 52 : 23)) refuse("table: one, top or shift is out of range");
  t.first = t.wide ? first_cell<double>(t.one, t.shift) : first_cell<float>(t.one, t.shift);
  return t;
}

// The fraction of a formula; an empty one if there is no such key.
inline Fraction read_fraction(Reader &c) {
  Fraction f;
  if (!c.has("fraction")) return f;
  Reader r(c.need<nb::dict>("fraction"));
  const Input over = as_array<Input>(r.raw("over"), "fraction: over"), under = as_array<Input>(r.raw("under"), "fraction: under");
  check(over, "fraction: over", nb::dtype<double>(), "float64", {Fraction::terms_over});
  check(under, "fraction: under", nb::dtype<double>(), "float64", {Fraction::terms_under});
  std::memcpy(f.over, over.data(), sizeof f.over);
  std::memcpy(f.under, under.data(), sizeof f.under);
  f.end = r.need<double>("end");
  r.finish();
  if (!(f.end > 0)) refuse("fraction: end must be above 0");
  for (double term : f.under)
    if (!(term >= 0)) refuse("fraction: under must not be negative");
  return f;
}

inline Surrogate surrogate_of(Family family, double slope, double height, double tail, const Table &table,
                              const Fraction &fraction) {
  if (!(slope >= 0 && height >= 0)) refuse("config: slope and height must not be negative");
  if (!(tail > 1)) refuse("config: tail must be above 1");
  if (family == Family::formula && !table.rows && fraction.end == 0) refuse("config: a formula needs a fraction or a table");
  // With a height of 0 no gradient flows, and some families would divide by it.
  return height == 0 ? Surrogate{Family::rectangle, 0, 0, tail, {}, {}}
                     : Surrogate{family, slope, height, tail, table, fraction};
}

// A layer's surrogates (sgpipe.spec.surrogates.lower): one for all its neurons or, where `own` has lists, one per
// neuron. Values that `own` does not have are the network's.
inline std::vector<Surrogate> read_surrogates(Reader &c, Reader &own, int units) {
  const auto family = (Family)c.choice("family", {std::begin(FAMILIES), std::end(FAMILIES)});
  size_t count = 1;
  auto knob = [&](const char *key, double otherwise) {
    const double given = c.get<double>(key, otherwise);
    std::vector<double> values = own.numbers(key, given);
    if (values.size() != 1 && (int)values.size() != units)
      refuse(std::string("config: ") + key + " needs one value, or one for each of the " + std::to_string(units) + " units");
    count = std::max(count, values.size());
    return values;
  };
  const Table table = read_table(c);
  const Fraction fraction = read_fraction(c);
  const std::vector<double> slope = knob("slope", 1.0), height = knob("height", 1.0), tail = knob("tail", 2.0);
  std::vector<Surrogate> all;
  auto at = [](const std::vector<double> &values, size_t i) { return values[values.size() == 1 ? 0 : i]; };
  for (size_t i = 0; i < count; i++) all.push_back(surrogate_of(family, at(slope, i), at(height, i), at(tail, i), table, fraction));
  return all;
}

inline Surrogate read_surrogate(Reader &c) {
  Reader none{nb::dict()};
  return read_surrogates(c, none, 1).front();
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

// Each hidden layer's surrogate, of which a theory may have set something.
inline void read_layers(Reader &c, const Network &n, Constants &constants) {
  const auto layers = c.get<std::vector<nb::dict>>("layers", {});
  if (!layers.empty() && (int)layers.size() != n.layers) refuse("config: layers needs one entry for each hidden layer");
  for (int l = 0; l < n.layers; l++) {
    Reader own(layers.empty() ? nb::dict() : layers[l]);
    constants.surrogate[l] = read_surrogates(c, own, n.width[l]);
    own.finish();
    if (!n.stacked() && constants.surrogate[l].size() > 1)
      refuse("config: current-based neurons of a layer share their surrogate");
  }
  if (n.layers == 0) read_surrogate(c);
}

// In a text each step has a target of its own.
inline void read_text(Reader &c, Network &n) {
  n.words = c.get<bool>("words", false);
  n.tied = c.get<bool>("tied", false);
  if (!n.words && n.tied) refuse("config: tied needs words");
  if (!n.words) return;
  if (!n.stacked()) refuse("config: words need neurons with a linear readout");
  if (n.tied && (n.layers == 0 || n.width[n.layers - 1] != n.inputs))
    refuse("config: tied: the last hidden layer must have as many units as there are inputs");
  n.head = Head::steps;
}

// Time constants of single current-based neurons: trained, or a list for each hidden layer.
inline void read_time_constants(Reader &c, Network &n, Constants &constants) {
  n.trained = c.get<bool>("trained", false);
  const auto lists = [&](const char *key, std::vector<double> *to) {
    const auto given = c.get<std::vector<std::vector<double>>>(key, {});
    if (given.empty()) return false;
    bool fits = (int)given.size() == n.layers;
    for (int l = 0; l < n.layers && fits; l++) {
      fits = (int)given[l].size() == n.width[l];
      for (double tau : given[l])
        if (!std::isfinite(tau)) refuse(std::string("config: ") + key + " must be finite");
      to[l] = given[l];
    }
    if (!fits) refuse(std::string("config: ") + key + " needs a list for each hidden layer, a number for each unit");
    return true;
  };
  const bool membrane = lists("tau_membrane", constants.membrane), synapse = lists("tau_synapse", constants.synapse);
  if (membrane != synapse || (membrane && n.trained))
    refuse("config: tau_membrane and tau_synapse go together, and not with trained");
  n.own_decays = n.layers > 0 && (n.trained || membrane);
}

inline void read_neuron(Reader &c, Network &n, Constants &constants) {
  const int neuron = c.choice("neuron", {"lif", "delta_lif", "alif", "slstm"});
  n.delta = neuron == 1 || neuron == 2;
  n.gated = neuron == 3;
  n.adaptive = neuron == 2;
  const int head = c.choice("head", {"max", "sum", "steps"});
  n.head = head == 0 ? Head::max : head == 1 ? Head::sum : Head::steps;
  n.by_mode = c.choice("accuracy", {"summed", "mode"}) == 1 && n.head == Head::steps;
  read_text(c, n);
  if (!n.stacked()) {
    if (n.head == Head::steps) refuse("config: head 'steps' needs a linear readout");
    n.b_syn = c.need<double>("b_syn");
    n.b_mem = c.need<double>("b_mem");
    n.b_out = c.need<double>("b_out");
    for (double b : {n.b_syn, n.b_mem, n.b_out})
      if (!(b >= 0 && b <= 1)) refuse("config: b_syn, b_mem and b_out must lie in [0, 1]");
    n.readout_start = c.get<double>("readout_start", 0.0);
    n.max_from = c.get<int>("max_from", 0);
    if (n.max_from < 0 || n.max_from >= n.steps) refuse("config: max_from must be one of the steps");
    read_time_constants(c, n, constants);
    return;
  }
  if (n.layers == 0) refuse("config: neurons with a linear readout need a hidden layer");
  if (n.gated) {
    n.tanh_sign = c.choice("tanh", {"coded", "printed"}) == 0 ? 1 : -1;
    n.biased = true;
    return;
  }
  const auto form = c.need<std::vector<bool>>("reset_form");
  if (form.size() != 4) refuse("config: reset_form: subtracts, gates_voltage, gates_drive, drive_decays");
  n.reset = {form[0], form[1], form[2], form[3]};
  n.biased = c.get<bool>("biased", false);
  n.trained = c.get<bool>("trained", false);
  constants.alpha = c.need<double>("membrane_decay");
  constants.threshold = c.need<double>("threshold");
  constants.strength = n.adaptive ? c.need<double>("adaptation") : 0.0;
  constants.fading = n.adaptive ? c.need<double>("adaptation_decay") : 0.0;
}

inline Network read_network(nb::dict config, Constants &constants, std::string &isa) {
  Reader c(config);
  Network n;
  n.steps = n.dropout_steps = c.need<int>("steps");
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
  read_neuron(c, n, constants);
  read_layers(c, n, constants);
  n.smoothing = c.get<double>("label_smoothing", 0.0);
  if (!(n.smoothing >= 0 && n.smoothing < 1)) refuse("config: label_smoothing must lie in [0, 1)");
  n.dropout = c.get<double>("dropout", 0.0);
  if (!(n.dropout >= 0 && n.dropout < 1)) refuse("config: dropout must lie in [0, 1)");
  const auto keys = c.get<std::vector<uint64_t>>("dropout_keys", {});
  if (keys.size() < (n.dropout != 0 ? (size_t)n.layers : 0)) refuse("config: dropout_keys needs one for each hidden layer");
  for (int l = 0; l < n.layers && n.dropout != 0; l++) n.dropout_key[l] = keys[l];
  n.input_dropout = c.get<double>("input_dropout", 0.0);
  if (!(n.input_dropout >= 0 && n.input_dropout < 1)) refuse("config: input_dropout must lie in [0, 1)");
  if (n.input_dropout != 0 && n.words) refuse("config: input_dropout is not for words");
  if (n.input_dropout != 0) n.input_key = c.need<uint64_t>("input_key");
  n.lower = c.get<double>("lambda_lower", 0.0);
  n.lower_count = c.get<double>("nu_lower", 0.0);
  n.upper = c.get<double>("lambda_upper", 0.0);
  n.upper_count = c.get<double>("nu_upper", 0.0);
  n.upper_power = c.get<int>("upper_power", 1);
  if (n.upper_power != 1 && n.upper_power != 2) refuse("config: upper_power must be 1 or 2");
  n.mixed = c.get<bool>("mixed", false);
  if (n.mixed && !n.stacked()) refuse("config: mixed needs neurons with a linear readout");
  const Products asked = (Products)(c.choice("products", {"auto", "single", "bf16", "amx"}) - 1);
  if ((asked == Products::bf16 && !runs_bf16()) || (asked == Products::amx && !runs_amx()))
    refuse("config: products: this processor has not these instructions");
  n.products = (int)asked >= 0 ? asked : fastest_products();
  isa = c.get<std::string>("isa", "auto");
  c.finish();
  return n;
}

}  // namespace sgpipe
