// Python's view of the engine: reads the arguments, refuses wrong ones, lets go of the
// interpreter lock while it works.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <limits>

#include "driver.hpp"

namespace nb = nanobind;
using namespace sgpipe;

namespace {

[[noreturn]] void refuse(const std::string &why) { throw std::invalid_argument(why); }

using Array = nb::ndarray<nb::c_contig, nb::device::cpu>;
using Input = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

std::vector<const Engine *> engines() {
  std::vector<const Engine *> all;
#if defined(SGPIPE_X86)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    all.push_back(&avx512::engine);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    all.push_back(&avx2::engine);
#endif
  all.push_back(&base::engine);
  return all;
}

const Engine &engine_named(const std::string &name) {
  std::string known = "auto";
  for (const Engine *e : engines()) {
    if (name == "auto" || name == e->name) return *e;
    known += std::string(", ") + e->name;
  }
  refuse("isa: '" + name + "' is not one of " + known + " on this processor");
}

// Values of the configuration, each asked for once; what is left over is unknown.
class Reader {
 public:
  explicit Reader(nb::dict d) : dict_(d) {}
  template <class U> U get(const char *key, U otherwise) {
    asked_++;
    if (!dict_.contains(key)) { asked_--; return otherwise; }
    return cast<U>(key);
  }
  template <class U> U need(const char *key) {
    if (!dict_.contains(key)) refuse(std::string("config: '") + key + "' is missing");
    asked_++;
    return cast<U>(key);
  }
  nb::object raw(const char *key) {
    if (!dict_.contains(key)) return nb::none();
    asked_++;
    return nb::borrow(dict_[key]);
  }
  int choice(const char *key, std::initializer_list<const char *> names) {
    const std::string given = get<std::string>(key, *names.begin());
    std::string known;
    int k = 0;
    for (const char *n : names) {
      if (given == n) return k;
      known += (k++ ? ", " : "") + std::string(n);
    }
    refuse(std::string("config: ") + key + " '" + given + "' is not one of " + known);
  }
  size_t asked() const { return asked_; }

 private:
  template <class U> U cast(const char *key) {
    try {
      return nb::cast<U>(dict_[key]);
    } catch (const nb::cast_error &) {
      refuse(std::string("config: '") + key + "' has the wrong type");
    }
  }
  nb::dict dict_;
  size_t asked_ = 0;
};

Network read_network(nb::dict config, std::string &isa) {
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
    if ((int64_t)hidden[l] * n.steps > (int64_t(1) << 31)) refuse("config: steps * width is too large");
  }
  nb::object recurrent = c.raw("recurrent");
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
  n.reset_attached = c.choice("reset", {"attached", "detached"}) == 0;
  n.recurrent_attached = c.choice("recurrent_gradient", {"propagated", "detached"}) == 0;
  n.head_sum = c.choice("head", {"max", "sum"}) == 1;
  const int shape = c.choice("surrogate", {"superspike", "sigmoid", "esser", "asymptotic_superspike",
                                           "constant", "true"});
  Surrogate &s = n.surrogate;
  s.sharpness = c.get<double>("beta", 10.0);
  s.dampening = c.get<double>("dampening", 1.0);
  s.tail = c.get<double>("tail", 2.0);
  if (!(s.sharpness >= 0) || !(s.dampening >= 0)) refuse("config: beta and dampening must not be negative");
  const Shape shapes[] = {Shape::fast_sigmoid, Shape::sigmoid, Shape::triangle, Shape::fast_sigmoid,
                          Shape::constant, Shape::constant};
  s.shape = shapes[shape];
  if (shape == 3) s.dampening *= s.sharpness;
  if (shape == 5 || s.dampening == 0) {
    s.shape = Shape::constant;
    s.dampening = 0;
  }
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
  if (c.asked() != config.size()) {
    const char *known[] = {"steps", "inputs", "classes", "hidden", "recurrent", "reset",
                           "recurrent_gradient", "head", "surrogate", "beta", "dampening", "tail",
                           "b_syn", "b_mem", "b_out", "readout_start", "lambda_lower", "nu_lower",
                           "lambda_upper", "nu_upper", "upper_power", "isa"};
    for (auto [key, value] : config) {
      const std::string k = nb::cast<std::string>(nb::str(key));
      if (std::none_of(std::begin(known), std::end(known), [&](auto x) { return k == x; }))
        refuse("config: '" + k + "' is not a known key");
    }
  }
  return n;
}

template <class A> A as_array(nb::handle h, const std::string &name) {
  A a;
  if (!nb::try_cast<A>(h, a, false))
    refuse(name + ": not a C-contiguous " +
           (std::is_same_v<A, Array> ? "writable " : "") + "array in main memory");
  return a;
}

std::string shape_of(const std::vector<int64_t> &s) {
  std::string text = "(";
  for (size_t k = 0; k < s.size(); k++) text += (k ? ", " : "") + std::to_string(s[k]);
  return text + (s.size() == 1 ? ",)" : ")");
}
template <class A>
void check(const A &a, const std::string &name, nb::dlpack::dtype type, const char *type_name,
           std::initializer_list<int64_t> shape) {
  std::vector<int64_t> is;
  for (size_t k = 0; k < a.ndim(); k++) is.push_back((int64_t)a.shape(k));
  bool same = is.size() == shape.size();
  size_t k = 0;
  for (int64_t want : shape) {
    if (same && want >= 0) same = is[k] == want;
    k++;
  }
  if (!same) refuse(name + ": shape " + shape_of(is) + ", expected " + shape_of(shape));
  if (a.dtype() != type) refuse(name + ": expected " + type_name);
}

// The weight matrices of a network in order: name and shape of each.
template <class F> void each_matrix(const Network &n, F f) {
  for (int l = 0; l <= n.layers; l++) {
    const bool out = l == n.layers;
    const std::string k = std::to_string(l + 1);
    f(out ? std::string("W_out") : "W" + k, out ? n.classes : n.width[l], n.fan_in(l));
    if (!out && n.recurrent[l]) f("V" + k, n.width[l], n.width[l]);
  }
}

template <class T>
std::vector<T *> matrices(const Network &n, nb::sequence list, const char *what, bool write) {
  std::vector<T *> all;
  const size_t given = nb::len(list);
  size_t count = 0;
  each_matrix(n, [&](const std::string &, int, int) { count++; });
  if (given != count)
    refuse(std::string(what) + ": " + std::to_string(given) + " arrays, expected " + std::to_string(count));
  size_t k = 0;
  const char *type_name = sizeof(T) == 4 ? "float32 like the first weight" : "float64 like the first weight";
  each_matrix(n, [&](const std::string &name, int post, int pre) {
    nb::object item = list[k++];
    const std::string full = std::string(what) + " " + name;
    if (write) {
      Array a = as_array<Array>(item, full);
      check(a, full, nb::dtype<T>(), type_name, {post, pre});
      all.push_back((T *)a.data());
    } else {
      Input a = as_array<Input>(item, full);
      check(a, full, nb::dtype<T>(), type_name, {post, pre});
      all.push_back((T *)a.data());
    }
  });
  return all;
}

std::string describe(const Network &n, const Samples &x, const Tally &t) {
  const std::string where =
      "sample " + std::to_string(t.fault_sample) + ", event " + std::to_string(t.fault_event) + ": ";
  switch (t.fault) {
    case Fault::unit:
      return where + "unit " + std::to_string(x.unit[t.fault_event]) + " outside 0.." + std::to_string(n.inputs - 1);
    case Fault::step:
      return where + "step " + std::to_string(x.step[t.fault_event]) + " outside 0.." + std::to_string(n.steps - 1);
    case Fault::order: return where + "steps are not sorted";
    default:
      return "ptr: sample " + std::to_string(t.fault_sample) + " does not lie within the events";
  }
}

template <class T>
nb::dict run(const Network &net, const Engine &engine, const Samples &samples, nb::sequence weights,
             const Input &indices, nb::object grads, int threads, nb::object logits) {
  Batch<T> batch(engine);
  for (T *w : matrices<T>(net, weights, "weights", false)) batch.given.push_back(w);
  if (!grads.is_none()) {
    nb::sequence list;
    if (!nb::try_cast(grads, list)) refuse("grads: expected a list of arrays or None");
    batch.wanted = matrices<T>(net, list, "grads", true);
  }
  batch.job.net = net;
  batch.job.samples = samples;
  batch.job.indices = (const int64_t *)indices.data();
  batch.size = (int64_t)indices.shape(0);
  batch.threads = threads;
  if (!logits.is_none()) {
    Array a = as_array<Array>(logits, "logits");
    check(a, "logits", nb::dtype<T>(), "the type of the weights", {batch.size, net.classes});
    batch.job.logits = (T *)a.data();
  }
  for (int64_t k = 0; k < batch.size; k++) {
    const int64_t i = batch.job.indices[k];
    if (i < 0 || i >= samples.count)
      refuse("indices: " + std::to_string(i) + " outside 0.." + std::to_string(samples.count - 1));
    const int64_t label = samples.label(i);
    if (label < 0 || label >= net.classes)
      refuse("labels: sample " + std::to_string(i) + " has " + std::to_string(label) +
             ", outside 0.." + std::to_string(net.classes - 1));
  }
  Tally t;
  {
    nb::gil_scoped_release free;
    t = batch.run();
  }
  if (t.fault != Fault::none) refuse(describe(net, samples, t));
  nb::dict stats;
  nb::list spikes;
  for (int l = 0; l < net.layers; l++) spikes.append(t.spikes[l]);
  stats["loss"] = t.loss;
  stats["regulariser"] = t.regulariser;
  stats["correct"] = t.correct;
  stats["spikes"] = spikes;
  return stats;
}

nb::dict dispatch(nb::dict config, nb::sequence weights, Samples samples, const Input *dense,
                  nb::handle labels, nb::handle indices, nb::object grads, int threads,
                  nb::object logits) {
  std::string isa;
  const Network net = read_network(config, isa);
  if (nb::len(weights) == 0) refuse("weights: none given");
  const auto type = as_array<Input>(nb::object(weights[0]), "weights W1").dtype();
  const bool wide = type == nb::dtype<double>();
  if (!wide && type != nb::dtype<float>()) refuse("weights: expected float32 or float64");
  if (dense) {
    check(*dense, "x", type, "the type of the weights", {-1, net.steps, net.inputs});
    samples.count = (int64_t)dense->shape(0);
    samples.dense = dense->data();
  }
  const Input label = as_array<Input>(labels, "labels");
  samples.labels_wide = label.dtype() == nb::dtype<int64_t>();
  check(label, "labels", samples.labels_wide ? nb::dtype<int64_t>() : nb::dtype<int32_t>(),
        "int32 or int64", {samples.count});
  samples.labels = label.data();
  const Input index = as_array<Input>(indices, "indices");
  check(index, "indices", nb::dtype<int64_t>(), "int64", {-1});
  if (index.shape(0) == 0) refuse("indices: empty batch");
  if (threads < 1) refuse("threads: must be at least 1");
  const Engine &engine = engine_named(isa);
  return wide ? run<double>(net, engine, samples, weights, index, grads, threads, logits)
              : run<float>(net, engine, samples, weights, index, grads, threads, logits);
}

nb::dict batch(nb::dict config, nb::sequence weights, nb::handle ptr, nb::handle step,
               nb::handle unit, nb::handle labels, nb::handle indices, nb::object grads,
               int threads, nb::object logits) {
  const Input p = as_array<Input>(ptr, "ptr"), s = as_array<Input>(step, "step"),
              u = as_array<Input>(unit, "unit");
  check(p, "ptr", nb::dtype<int64_t>(), "int64", {-1});
  check(s, "step", nb::dtype<int32_t>(), "int32", {-1});
  check(u, "unit", nb::dtype<int32_t>(), "int32", {(int64_t)s.shape(0)});
  if (p.shape(0) < 1) refuse("ptr: empty, expected one entry more than samples");
  Samples x;
  x.count = (int64_t)p.shape(0) - 1;
  x.start = (const int64_t *)p.data();
  x.step = (const int32_t *)s.data();
  x.unit = (const int32_t *)u.data();
  x.events = (int64_t)s.shape(0);
  return dispatch(config, weights, x, nullptr, labels, indices, grads, threads, logits);
}

nb::dict batch_dense(nb::dict config, nb::sequence weights, nb::handle x, nb::handle labels,
                     nb::handle indices, nb::object grads, int threads, nb::object logits) {
  const Input a = as_array<Input>(x, "x");
  return dispatch(config, weights, Samples{}, &a, labels, indices, grads, threads, logits);
}

template <class T>
void adam_of(Array &p, const Input &g, Array &m, Array &v, double lr, double beta1, double beta2,
             double eps, int64_t step) {
  const AdamRates<T> r{T(lr), T(beta1), T(beta2), T(eps), T(1 - std::pow(beta1, (double)step)),
                       T(1 - std::pow(beta2, (double)step))};
  const Engine &e = *engines().front();
  entry<T>(e).adam((T *)p.data(), (const T *)g.data(), (T *)m.data(), (T *)v.data(),
                   (int64_t)p.size(), r);
}

void adam(nb::handle param, nb::handle grad, nb::handle m, nb::handle v, double lr, double beta1,
          double beta2, double eps, int64_t step) {
  Array p = as_array<Array>(param, "param"), a = as_array<Array>(m, "m"), b = as_array<Array>(v, "v");
  const Input g = as_array<Input>(grad, "grad");
  const bool wide = p.dtype() == nb::dtype<double>();
  if (!wide && p.dtype() != nb::dtype<float>()) refuse("param: expected float32 or float64");
  if (g.size() != p.size() || a.size() != p.size() || b.size() != p.size() ||
      g.dtype() != p.dtype() || a.dtype() != p.dtype() || b.dtype() != p.dtype())
    refuse("adam: param, grad, m and v must agree in size and type");
  if (step < 1) refuse("adam: step counts from 1");
  if (wide) adam_of<double>(p, g, a, b, lr, beta1, beta2, eps, step);
  else adam_of<float>(p, g, a, b, lr, beta1, beta2, eps, step);
}

}  // namespace

NB_MODULE(_cpu, m) {
  m.doc() = "Event-driven training of surrogate-gradient spiking networks on the CPU.";
  m.def("batch", &batch, nb::arg("config"), nb::arg("weights"), nb::arg("ptr"), nb::arg("step"),
        nb::arg("unit"), nb::arg("labels"), nb::arg("indices"), nb::arg("grads") = nb::none(),
        nb::arg("threads") = 1, nb::arg("logits") = nb::none(),
        "Loss, counts and, into `grads`, the gradients of one batch of event samples.");
  m.def("batch_dense", &batch_dense, nb::arg("config"), nb::arg("weights"), nb::arg("x"),
        nb::arg("labels"), nb::arg("indices"), nb::arg("grads") = nb::none(),
        nb::arg("threads") = 1, nb::arg("logits") = nb::none(),
        "The same for analog input of shape (samples, steps, inputs).");
  m.def("adam", &adam, nb::arg("param"), nb::arg("grad"), nb::arg("m"), nb::arg("v"), nb::arg("lr"),
        nb::arg("beta1") = 0.9, nb::arg("beta2") = 0.999, nb::arg("eps") = 1e-8, nb::arg("step"),
        "One step of Adam in place, by the formula of torch.optim.Adam.");
  m.def("isas", [] {
    std::vector<std::string> names;
    for (const Engine *e : engines()) names.push_back(e->name);
    return names;
  }, "Instruction sets that this processor can run, the preferred one first.");
}
