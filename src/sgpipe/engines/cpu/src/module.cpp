// Python's interface to the engine: reads the arguments, refuses wrong ones, and releases
// the interpreter lock while it works.
#include <cstdlib>

#include <nanobind/nanobind.h>

#include <numeric>

#include "arguments.hpp"
#include "config.hpp"
#include "driver.hpp"
#include "processor.hpp"
#include "updates.hpp"

namespace nb = nanobind;
using namespace sgpipe;

namespace {

struct Built {
  const Engine *engine;
  bool (*runs_here)();
};
constexpr Built BUILT[] = {
#if defined(SGPIPE_AVX512)
    {&avx512::engine, runs_avx512},
#endif
#if defined(SGPIPE_AVX2)
    {&avx2::engine, runs_avx2},
#endif
#if defined(SGPIPE_BASE)
    {&base::engine, runs_base},
#endif
};

// The best first. SGPIPE_ISA in the environment names the one that a lesser processor would use: better
// ones are left out, so that a test computes as another machine does.
std::vector<const Engine *> engines() {
  std::vector<const Engine *> all;
  for (const Built &b : BUILT)
    if (b.runs_here()) all.push_back(b.engine);
  const char *asked = std::getenv("SGPIPE_ISA");
  if (!asked || !*asked) return all;
  std::string known;
  for (size_t k = 0; k < all.size(); k++) {
    if (std::string(asked) == all[k]->name) return {all.begin() + k, all.end()};
    known += (k ? ", " : "") + std::string(all[k]->name);
  }
  refuse("SGPIPE_ISA: '" + std::string(asked) + "' is not one of " + known +
         ", which are built and run here; unset it, or build it: make setup ISA=all");
}

const Engine &engine_named(const std::string &name) {
  std::string known = "auto";
  for (const Engine *e : engines()) {
    if (name == "auto" || name == e->name) return *e;
    known += std::string(", ") + e->name;
  }
  refuse("isa: '" + name + "' is not one of " + known + ", which are built and run on this processor");
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
Batch<T> open_batch(const Network &net, const Constants &constants, const Engine &engine, const Samples &samples,
                    nb::sequence weights, nb::object grads, int threads) {
  Batch<T> batch(engine);
  batch.constants = constants;
  for (T *w : arrays<T>(net, weights, "weights", false)) batch.given.push_back(w);
  if (!grads.is_none()) {
    nb::sequence list;
    if (!nb::try_cast(grads, list)) refuse("grads: expected a list of arrays or None");
    batch.wanted = arrays<T>(net, list, "grads", true);
  }
  batch.job.net = net;
  if (!net.mixed || !engine.halves || sizeof(T) != sizeof(float)) batch.job.net.products = Products::single;
  batch.job.samples = samples;
  batch.threads = threads;
  return batch;
}

template <class T> nb::dict run(Batch<T> &batch) {
  Tally t;
  {
    nb::gil_scoped_release free;
    t = batch.run();
  }
  const Network &net = batch.job.net;
  if (t.fault != Fault::none) refuse(describe(net, batch.job.samples, t));
  nb::dict stats;
  nb::list spikes;
  for (int l = 0; l < net.layers; l++) spikes.append(t.spikes[l]);
  stats["loss"] = t.loss;
  stats["regulariser"] = t.regulariser;
  stats["correct"] = t.correct;
  stats["spikes"] = spikes;
  nb::list moved;
  for (uint8_t m : t.moved) moved.append((bool)m);
  stats["moved"] = moved;
  return stats;
}

// What is to be done with samples: one batch of them, or updates after minibatches.
struct Asked {
  nb::object grads, logits = nb::none();
  int threads;
  // For updates: the rule, the numbers that all arrays share (1 - beta1, beta2, 1 - beta2, eps), each array's shrink
  // factor and moments, the rates of each minibatch, the minibatch size, the time, and where sums go.
  std::string rule;
  std::vector<double> numbers, shrink;
  nb::object first, second, memory, rates, sums, moved;
  int64_t size = 0;
  double seconds = 0;
};

Rule rule_named(const std::string &name) {
  constexpr const char *RULES[] = {"adam", "adabelief", "smorms3"};
  for (int k = 0; k < 3; k++)
    if (name == RULES[k]) return (Rule)k;
  refuse("rule: '" + name + "' is not one of adam, adabelief, smorms3");
}

template <class T> nb::object run_updates(Batch<T> &batch, const Engine &engine, nb::sequence weights, const Asked &asked) {
  const Network &net = batch.job.net;
  const Rule rule = rule_named(asked.rule);
  if (batch.wanted.empty()) refuse("grads: updates need them");
  if (asked.size < 1) refuse("size: must be at least 1");
  if (asked.numbers.size() != 4) refuse("numbers: 1 - beta1, beta2, 1 - beta2, eps");
  if (asked.shrink.size() != batch.wanted.size()) refuse("shrink: one number for each array of weights");
  const int64_t count = (batch.size + asked.size - 1) / asked.size;
  const Input rates = as_array<Input>(asked.rates, "rates");
  check(rates, "rates", nb::dtype<double>(), "float64", {count, 2});
  Array sums = as_array<Array>(asked.sums, "sums"), moved = as_array<Array>(asked.moved, "moved");
  check(sums, "sums", nb::dtype<double>(), "float64", {count, 3 + net.layers});
  check(moved, "moved", nb::dtype<bool>(), "bool", {net.classes});
  Updates<T> updates{rule,
                     {},
                     asked.numbers[0],
                     asked.numbers[1],
                     asked.numbers[2],
                     asked.numbers[3],
                     (const double *)rates.data(),
                     asked.size,
                     asked.seconds,
                     (double *)sums.data(),
                     (uint8_t *)moved.data()};
  const auto writable = [&](const nb::object &list, const char *what) {
    nb::sequence items;
    if (!nb::try_cast(list, items)) refuse(std::string(what) + ": expected a list of arrays");
    return arrays<T>(net, items, what, true);
  };
  const std::vector<T *> moving = arrays<T>(net, weights, "weights", true), first = writable(asked.first, "first"),
                         second = writable(asked.second, "second"),
                         memory = rule == Rule::smorms3 ? writable(asked.memory, "memory") : std::vector<T *>(moving.size());
  std::vector<int64_t> sizes;
  each_array(net, [&](const std::string &, int post, int pre) { sizes.push_back((int64_t)post * (pre < 0 ? 1 : pre)); });
  for (size_t k = 0; k < moving.size(); k++)
    updates.arrays.push_back({{moving[k], batch.wanted[k], first[k], second[k], memory[k], sizes[k]}, asked.shrink[k]});
  Tally fault;
  int64_t done;
  {
    nb::gil_scoped_release free;
    done = updates.run(batch, entry<T>(engine), fault);
  }
  if (fault.fault != Fault::none) refuse(describe(net, batch.job.samples, fault));
  return nb::int_(done);
}

template <class T>
nb::object run_samples(const Network &net, const Constants &constants, const Engine &engine, const Samples &samples,
                       nb::sequence weights, const Input &indices, const Asked &asked) {
  Batch<T> batch = open_batch<T>(net, constants, engine, samples, weights, asked.grads, asked.threads);
  batch.job.indices = (const int64_t *)indices.data();
  batch.size = (int64_t)indices.shape(0);
  if (!asked.logits.is_none()) {
    Array a = as_array<Array>(asked.logits, "logits");
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
  return asked.rule.empty() ? nb::object(run(batch)) : run_updates(batch, engine, weights, asked);
}

bool is_wide(nb::sequence weights) {
  if (nb::len(weights) == 0) refuse("weights: none given");
  const auto type = as_array<Input>(nb::object(weights[0]), "weights W1").dtype();
  const bool wide = type == nb::dtype<double>();
  if (!wide && type != nb::dtype<float>()) refuse("weights: expected float32 or float64");
  return wide;
}

// The same for a network, whose tables must be of that precision.
bool is_wide(nb::sequence weights, const Network &net, const Constants &constants) {
  const bool wide = is_wide(weights);
  for (int l = 0; l < net.layers; l++)
    for (const Surrogate &s : constants.surrogate[l])
      if (s.table.rows && s.table.wide != wide) refuse("table: not of the precision of the weights");
  return wide;
}

nb::object dispatch(nb::dict config, nb::sequence weights, Samples samples, const Input *dense,
                    nb::handle labels, nb::handle indices, const Asked &asked) {
  std::string isa;
  Constants constants;
  const Network net = read_network(config, constants, isa);
  if (net.words) refuse("config: words are read by batch_words");
  const bool wide = is_wide(weights, net, constants);
  if (dense) {
    const auto type = wide ? nb::dtype<double>() : nb::dtype<float>();
    check(*dense, "x", type, "the type of the weights", {-1, -1, net.inputs});
    const int64_t frames = (int64_t)dense->shape(1);
    if (frames < 1 || net.steps % frames)
      refuse("x: " + std::to_string(frames) + " frames do not divide " + std::to_string(net.steps) + " steps");
    samples.hold = (int)(net.steps / frames);
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
  if (asked.threads < 1) refuse("threads: must be at least 1");
  const Engine &engine = engine_named(isa);
  return (wide ? run_samples<double> : run_samples<float>)(net, constants, engine, samples, weights, index, asked);
}

nb::object of_events(nb::dict config, nb::sequence weights, nb::handle ptr, nb::handle step, nb::handle unit,
                     nb::handle labels, nb::handle indices, const Asked &asked) {
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
  return dispatch(config, weights, x, nullptr, labels, indices, asked);
}

nb::object of_frames(nb::dict config, nb::sequence weights, nb::handle x, nb::handle labels, nb::handle indices,
                     nb::object numbers, const Asked &asked) {
  const Input a = as_array<Input>(x, "x");
  Samples samples;
  Input given;
  if (!numbers.is_none()) {
    given = as_array<Input>(numbers, "numbers");
    check(given, "numbers", nb::dtype<int64_t>(), "int64", {a.ndim() ? (int64_t)a.shape(0) : 0});
    samples.numbers = (const int64_t *)given.data();
  }
  return dispatch(config, weights, samples, &a, labels, indices, asked);
}

nb::object batch(nb::dict config, nb::sequence weights, nb::handle ptr, nb::handle step, nb::handle unit,
                 nb::handle labels, nb::handle indices, nb::object grads, int threads, nb::object logits) {
  return of_events(config, weights, ptr, step, unit, labels, indices, {grads, logits, threads});
}

nb::object batch_dense(nb::dict config, nb::sequence weights, nb::handle x, nb::handle labels, nb::handle indices,
                       nb::object grads, int threads, nb::object logits, nb::object numbers) {
  return of_frames(config, weights, x, labels, indices, numbers, {grads, logits, threads});
}

nb::object updates(nb::dict config, nb::sequence weights, nb::sequence samples, nb::handle labels, nb::handle order,
                   int64_t size, nb::object grads, int threads, const std::string &rule,
                   const std::vector<double> &numbers, const std::vector<double> &shrink, nb::object first,
                   nb::object second, nb::object memory, nb::object rates, nb::object sums, nb::object moved,
                   double seconds) {
  const Asked asked{grads, nb::none(), threads, rule, numbers, shrink, first, second, memory, rates, sums, moved, size,
                    seconds};
  if (rule.empty()) refuse("rule: none given");
  if (nb::len(samples) == 3)
    return of_events(config, weights, samples[0], samples[1], samples[2], labels, order, asked);
  if (nb::len(samples) != 1) refuse("samples: expected [ptr, step, unit] or [frames]");
  return of_frames(config, weights, samples[0], labels, order, nb::none(), asked);
}

template <class T>
nb::dict run_words(const Network &net, const Constants &constants, const Engine &engine, const Samples &samples,
                   nb::sequence weights, const Input &targets, nb::sequence state, nb::object grads, int threads) {
  Batch<T> batch = open_batch<T>(net, constants, engine, samples, weights, grads, threads);
  batch.size = samples.count;
  batch.job.targets = (const int32_t *)targets.data();
  std::vector<int64_t> all(batch.size);
  std::iota(all.begin(), all.end(), 0);
  batch.job.indices = all.data();
  const int own = net.adaptive ? 3 : 2;
  if (nb::len(state) != (size_t)(own * net.layers))
    refuse("state: " + std::to_string(nb::len(state)) + " arrays, expected " + std::to_string(own * net.layers));
  for (int l = 0; l < net.layers; l++)
    for (int k = 0; k < own; k++) {
      const std::string name = "state " + std::to_string(own * l + k);
      Array a = as_array<Array>(nb::object(state[own * l + k]), name);
      check(a, name, nb::dtype<T>(), "the type of the weights", {batch.size, net.width[l]});
      batch.job.state[l][k] = (T *)a.data();
    }
  return run(batch);
}

nb::dict batch_words(nb::dict config, nb::sequence weights, nb::handle words, nb::handle targets, nb::sequence state,
                     nb::handle numbers, nb::object grads, int threads) {
  std::string isa;
  Constants constants;
  Network net = read_network(config, constants, isa);
  if (!net.words) refuse("config: batch_words needs words");
  if (threads < 1) refuse("threads: must be at least 1");
  const Input word = as_array<Input>(words, "words"), target = as_array<Input>(targets, "targets"),
              number = as_array<Input>(numbers, "numbers");
  check(word, "words", nb::dtype<int32_t>(), "int32", {-1, -1});
  const int64_t rows = (int64_t)word.shape(0), steps = (int64_t)word.shape(1);
  check(target, "targets", nb::dtype<int32_t>(), "int32", {rows, steps});
  check(number, "numbers", nb::dtype<int64_t>(), "int64", {rows});
  if (rows == 0 || steps == 0 || steps > net.steps)
    refuse("words: shape " + shape_of({rows, steps}) + ", expected rows of 1 to " + std::to_string(net.steps));
  for (const Input *given : {&word, &target})
    for (int64_t k = 0; k < rows * steps; k++)
      if ((uint32_t)((const int32_t *)given->data())[k] >= (uint32_t)net.classes)
        refuse(std::string(given == &word ? "words" : "targets") + ": outside 0.." + std::to_string(net.classes - 1));
  if (!net.tied && net.inputs != net.classes) refuse("config: of words without embedding inputs and classes are equal");
  net.steps = (int)steps;
  // A word is an event of its own.
  std::vector<int64_t> start(rows + 1);
  std::vector<int32_t> step(rows * steps);
  for (int64_t r = 0; r <= rows; r++) start[r] = r * steps;
  for (int64_t k = 0; k < rows * steps; k++) step[k] = (int32_t)(k % steps);
  Samples x;
  x.count = rows;
  x.start = start.data();
  x.step = step.data();
  x.unit = (const int32_t *)word.data();
  x.events = rows * steps;
  x.numbers = (const int64_t *)number.data();
  return (is_wide(weights, net, constants) ? run_words<double> : run_words<float>)(net, constants, engine_named(isa), x, weights, target,
                                                                  state, grads, threads);
}

void surrogate(nb::dict config, nb::handle x, nb::handle out) {
  Reader c(config);
  const Surrogate s = read_surrogate(c);
  const Engine &e = engine_named(c.get<std::string>("isa", "auto"));
  c.finish();
  const Input from = as_array<Input>(x, "x");
  Array to = as_array<Array>(out, "out");
  if (from.size() != to.size() || from.dtype() != to.dtype()) refuse("surrogate: x and out must agree in size and type");
  const int64_t n = (int64_t)from.size();
  if (s.table.rows && s.table.wide != (from.dtype() == nb::dtype<double>())) refuse("table: not of the precision of x");
  if (from.dtype() == nb::dtype<double>()) e.f64.surrogate(s, (const double *)from.data(), (double *)to.data(), n);
  else if (from.dtype() == nb::dtype<float>()) e.f32.surrogate(s, (const float *)from.data(), (float *)to.data(), n);
  else refuse("x: expected float32 or float64");
}

Array moment(nb::handle h, const char *name, const Array &weight) {
  Array a = as_array<Array>(h, name);
  if (a.size() != weight.size() || a.dtype() != weight.dtype()) refuse(std::string(name) + ": not of the size and type of weight");
  return a;
}

template <class T>
void update_of(Rule rule, const std::vector<double> &numbers, Array &weight, const Input &gradient, Array &first,
               Array &second, T *memory) {
  const auto number = [&](int k) { return T(numbers[k]); };
  const UpdateNumbers<T> r{number(0), number(1), number(2), number(3), number(4), number(5), number(6), number(7)};
  entry<T>(*engines().front())
      .update(rule, {(T *)weight.data(), (const T *)gradient.data(), (T *)first.data(), (T *)second.data(), memory,
                     (int64_t)weight.size()}, r);
}

void update(const std::string &name, const std::vector<double> &numbers, nb::handle w, nb::handle g, nb::handle m,
            nb::handle v, nb::handle memory) {
  const Rule rule = rule_named(name);
  if (numbers.size() != 8) refuse("numbers: factor, shrink, rate, root, 1 - beta1, beta2, 1 - beta2, eps");
  Array weight = as_array<Array>(w, "weight");
  const bool wide = weight.dtype() == nb::dtype<double>();
  if (!wide && weight.dtype() != nb::dtype<float>()) refuse("weight: expected float32 or float64");
  const Input gradient = as_array<Input>(g, "gradient");
  if (gradient.size() != weight.size() || gradient.dtype() != weight.dtype())
    refuse("gradient: not of the size and type of weight");
  Array first = moment(m, "first", weight), second = moment(v, "second", weight), own;
  if (rule == Rule::smorms3) own = moment(memory, "memory", weight);
  void *at = rule == Rule::smorms3 ? own.data() : nullptr;
  if (wide) update_of<double>(rule, numbers, weight, gradient, first, second, (double *)at);
  else update_of<float>(rule, numbers, weight, gradient, first, second, (float *)at);
}

double square_sum(nb::handle x) {
  const Input a = as_array<Input>(x, "array");
  const Engine &e = *engines().front();
  if (a.dtype() == nb::dtype<double>()) return e.f64.square_sum((const double *)a.data(), (int64_t)a.size());
  if (a.dtype() == nb::dtype<float>()) return e.f32.square_sum((const float *)a.data(), (int64_t)a.size());
  refuse("array: expected float32 or float64");
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
        nb::arg("threads") = 1, nb::arg("logits") = nb::none(), nb::arg("numbers") = nb::none(),
        "The same for analog input (samples, frames, inputs), each frame held for steps / frames steps; `numbers` are "
        "the samples' for dropout, their positions unless given.");
  m.def("updates", &updates, nb::arg("config"), nb::arg("weights"), nb::arg("samples"), nb::arg("labels"),
        nb::arg("order"), nb::arg("size"), nb::arg("grads"), nb::arg("threads"), nb::arg("rule"), nb::arg("numbers"),
        nb::arg("shrink"), nb::arg("first"), nb::arg("second"), nb::arg("memory"), nb::arg("rates"), nb::arg("sums"),
        nb::arg("moved"), nb::arg("seconds"),
        "Train on minibatches of `size` of the samples [ptr, step, unit] or [frames] in `order`, for some `seconds`: of each "
        "the loss, regulariser, correct answers and spikes go into a row of `sums`. Returns how many were taken; if the loss "
        "of the last is not finite, nothing moved after it.");
  m.def("batch_words", &batch_words, nb::arg("config"), nb::arg("weights"), nb::arg("words"), nb::arg("targets"),
        nb::arg("state"), nb::arg("numbers"), nb::arg("grads") = nb::none(), nb::arg("threads") = 1,
        "The same for words and the words to be told (strands, steps) of a text; `state`, an array (strands, units) each "
        "for outputs, voltages or cells, and traces of every layer, is where the strands start and, in place, end.");
  m.def("surrogate", &surrogate, nb::arg("config"), nb::arg("x"), nb::arg("out"),
        "The surrogate derivative h(x) of a configuration's family and numbers, into `out`.");
  m.def("families", [] { return std::vector<std::string>(std::begin(FAMILIES), std::end(FAMILIES)); },
        "The families of surrogate derivatives that a configuration may have.");
  m.def("update", &update, nb::arg("rule"), nb::arg("numbers"), nb::arg("weight"), nb::arg("gradient"),
        nb::arg("first"), nb::arg("second"), nb::arg("memory") = nb::none(),
        "One update of an array of weights and its moments, in place; `numbers` are factor, shrink, rate, root, 1 - beta1, "
        "beta2, 1 - beta2 and eps.");
  m.def("square_sum", &square_sum, nb::arg("array"), "The sum of the squares of an array, in double precision.");
  m.def("isas", [] {
    std::vector<std::string> names;
    for (const Engine *e : engines()) names.push_back(e->name);
    return names;
  }, "Instruction sets that are built and that this processor can run, the preferred one first; with SGPIPE_ISA from that one on.");
  m.def("products", [] {
    const std::vector<const Engine *> all = engines();
    const bool halves = !all.empty() && all.front()->halves;
    std::vector<std::string> names{"single"};
    auto add = [&](const char *name, Products which) {
      if (halves) names.insert(fastest_products() == which ? names.begin() : names.end(), name);
    };
    if (runs_bf16()) add("bf16", Products::bf16);
    if (runs_amx()) add("amx", Products::amx);
    return names;
  }, "How this processor can multiply in mixed precision, the preferred one first.");
  m.def("built_isas", [] {
    std::vector<std::string> names;
    for (const Built &b : BUILT) names.push_back(b.engine->name);
    return names;
  }, "Instruction sets that are built, the preferred one first.");
}
