// What the engine works on: the specification, packed weights, one batch.
//
// Plain data only: these types cross between the portable driver and the
// translation units compiled per instruction set.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bfloat16.hpp"

namespace sgpipe {

constexpr int MAX_LAYERS = 8;
// Arrays of a layer's state: output, then voltage or cell, then the trace of adaptive thresholds.
constexpr int STATES = 3;

// The families of sgpipe.spec.surrogates, and their names in the same order.
enum class Family { inverse_square, logistic, exponential, gaussian, triangle, rectangle, power, formula };
inline constexpr const char *FAMILIES[] = {"inverse_square", "logistic",  "exponential", "gaussian",
                                           "triangle",       "rectangle", "power",       "formula"};

// A formula as polynomials of a precision; see sgpipe.engines.table.Table. The arrays are the caller's.
struct Table {
  const void *rows = nullptr, *edges = nullptr;
  int64_t regions = 0, cells = 0, first = 0;
  int shift = 0;
  double one = 1, top = 0;
  bool even = false, compact = false, wide = false;  // wide: doubles
  template <class T> static constexpr int terms() { return sizeof(T) == 8 ? 6 : 4; }
};

// A formula as a polynomial of |v| or one over it; see sgpipe.engines.fraction.Fraction.
struct Fraction {
  static constexpr int terms_over = 3, terms_under = 5;
  double over[terms_over] = {}, under[terms_under] = {};
  double end = 0;  // where it becomes 0; 0 if there is no fraction
};

// h(x) = height * F(slope * x; tail), F of the family
struct Surrogate {
  Family family = Family::inverse_square;
  double slope = 1, height = 1;
  double tail = 2;    // only for the power
  Table table;        // only for a formula
  Fraction fraction;  // only for a formula, instead of the table

  // Whether h is 0 from a certain distance on, which saves work.
  bool compact() const {
    const bool ends = family == Family::triangle || family == Family::rectangle || table.compact ||
                      (fraction.end > 0 && std::isfinite(fraction.end));
    return ends && slope > 0;
  }
};

// How a spike of the step before acts on a delta neuron; see sgpipe.spec.resets.Reset.
struct Reset {
  bool subtracts = false, gates_voltage = false, gates_drive = false, drive_decays = false;
};

enum class Head { max, sum, steps };

// Current-based neurons, hidden layer l (n = 0..steps-1), S = [U > 1]:
//   I[n+1] = b_syn I[n] + W x[n] + V S[n]
//   U[n+1] = (b_mem U[n] + (1 - b_mem) I[n]) (1 - S[n])
// where the two decays may be each neuron's own.
// Readout: I[n+1] = b_syn I[n] + W S[n],  U[n+1] = b_out U[n] + (1 - b_out) I[n].
//
// Delta neurons are in delta_forward.hpp, gated ones (the spiking LSTM) in slstm_forward.hpp. Their constants
// are those of Neurons.
struct Network {
  int layers = 0, steps = 0, inputs = 0, classes = 0;
  int width[MAX_LAYERS] = {};
  bool recurrent[MAX_LAYERS] = {};
  bool reset_attached = true, recurrent_attached = true;
  bool delta = false, adaptive = false;  // neurons whose voltage jumps; with an adaptive threshold
  bool gated = false;                    // neurons of four gates
  double tanh_sign = 1;                  // gated neurons: this times 2 H - 1 takes the place of tanh
  bool biased = false, trained = false;  // whether they have biases, and train their constants
  bool words = false;  // the network reads a text, and each step has a target of its own
  bool tied = false;   // words are embedded, and the embedding's transpose is the readout
  Reset reset;
  Head head = Head::max;
  bool by_mode = false;  // head steps: the answer is the class ahead at most steps, not the one with the largest sum
  double smoothing = 0;  // of the labels
  Surrogate surrogate[MAX_LAYERS];
  double b_syn = 0, b_mem = 0, b_out = 0, readout_start = 0;
  bool own_decays = false;  // of current-based neurons; b_syn is then the readout's alone
  int max_from = 0;  // head max: the first step that counts
  double lower = 0, lower_count = 0;  // lambda_lower, nu_lower
  double upper = 0, upper_count = 0;  // lambda_upper, nu_upper
  int upper_power = 1;
  double dropout = 0;  // share of each hidden layer's inputs that training drops
  uint64_t dropout_key[MAX_LAYERS] = {};
  double input_dropout = 0;  // share of the network's own input that training drops, without scaling the rest
  uint64_t input_key = 0;
  int dropout_steps = 0;  // steps of a sample, as dropout counts them
  int64_t most_events = 0;  // of a sample
  bool mixed = false;       // backward products through weights take numbers rounded to bfloat16
  Products products = Products::single;  // the instructions for them

  int fan_in(int l) const { return l == 0 ? inputs : width[l - 1]; }
  bool regularised() const { return lower != 0 || upper != 0; }
  bool head_sum() const { return head == Head::sum; }
  // Neurons of herranz2022's networks, which have a linear readout.
  bool stacked() const { return delta || gated; }
  int gates() const { return gated ? 4 : 1; }
  // Layers whose reverse scan needs a matrix product at every step.
  bool coupled(int l) const { return recurrent[l] && recurrent_attached; }
};

// For neurons with a linear readout, the rows of weights lie in slices of this many vectors: a slice that many events
// read from stays in the nearest cache.
constexpr int SLICE = 4;

// One weight matrix (post x pre), scaled by 1 - b of the membrane it drives, so that currents are kept as what they add
// to the membrane: J = (1 - b) I. It is not scaled where neurons have decays of their own.
template <class T> struct Projection {
  int pre = 0, post = 0;
  int pre_vectors = 0, post_vectors = 0;  // padded widths, in vectors
  int slice = 0;        // vectors of a slice of rows: post_vectors, or fewer where they are many
  T *rows = nullptr;    // slices of [pre][slice]: what an event of unit j adds
  T *panels = nullptr;  // [post][pre padded] in column panels, for the backward product
  T *plain = nullptr;   // [post][pre padded] (readout only)
  T *back = nullptr;    // in mixed precision: the rows, as a backward product takes them
  uint16_t *halves = nullptr;  // panels in bfloat16 in place of the others, as the processor's instructions take them
};

// Constants of a layer of delta neurons, [padded] each; padding is silent.
template <class T> struct Neurons {
  T *bias, *alpha, *threshold;
  T *strength, *fading;            // of the adaptation: beta, and d per step
  T *stretch, *height, *exponent;  // h(x) = height f(stretch x)
};

// Decays of a layer of current-based neurons that each have their own, [padded] each: b_mem, 1 - b_mem, b_syn. Padding
// has zeros.
template <class T> struct Decays { T *mem, *gain, *syn; };
// Gradients of these decays times 1 - b_mem, likewise.
constexpr int MEMBRANE = 0, SYNAPSE = 1, DECAY_SUMS = 2;

// Gradients of the constants of delta neurons that are summed, [padded] each, one after the other.
constexpr int BIAS = 0, ALPHA = 1, THRESHOLD = 2, STRENGTH = 3, FADING = 4, NEURON_SUMS = 5;

template <class T> struct Weights {
  Projection<T> forward[MAX_LAYERS + 1];  // the last used one is the readout
  Projection<T> recurrent[MAX_LAYERS];
  Neurons<T> neurons[MAX_LAYERS];
  Decays<T> decays[MAX_LAYERS] = {};
  T *readout_bias = nullptr;
};

// Sums of gradients, laid out like Projection::rows.
template <class T> struct Gradients {
  T *forward[MAX_LAYERS + 1] = {};
  T *recurrent[MAX_LAYERS] = {};
  T *neurons[MAX_LAYERS] = {};  // [NEURON_SUMS][padded], or [DECAY_SUMS][padded]
  T *readout_bias = nullptr;
};

// The samples: events in CSR, or analog values (n, frames, inputs), each frame held for some steps.
struct Samples {
  int64_t count = 0;
  const int64_t *start = nullptr;  // [count + 1]
  const int32_t *step = nullptr, *unit = nullptr;
  int64_t events = 0;
  const void *dense = nullptr;
  int hold = 1;  // steps of a frame
  const int64_t *numbers = nullptr;  // of each sample, for dropout; null: its position
  int64_t number(int64_t i) const { return numbers ? numbers[i] : i; }
  const void *labels = nullptr;
  bool labels_wide = false;  // int64, otherwise int32
  int64_t label(int64_t i) const {
    return labels_wide ? ((const int64_t *)labels)[i] : ((const int32_t *)labels)[i];
  }
};

enum class Fault { none, unit, step, order, bounds };

// What one accumulation block adds up.
struct Tally {
  double loss = 0, regulariser = 0, correct = 0;
  int64_t spikes[MAX_LAYERS] = {};
  std::vector<uint8_t> moved;  // head max: the classes whose maximum was past the start in some sample
  Fault fault = Fault::none;
  int64_t fault_sample = 0, fault_event = 0;
};

template <class T> struct Job {
  Network net;
  Samples samples;
  Weights<T> weights;
  const int64_t *indices = nullptr;
  T *logits = nullptr;  // (batch, classes) or null
  // For a text: the embedding (classes, inputs) if tied; targets (batch, steps); the state in which each layer starts
  // and which it leaves, (batch, width) each; and the gradients of the embedded words, (batch, steps, inputs).
  const T *embedding = nullptr;
  const int32_t *targets = nullptr;
  T *state[MAX_LAYERS][STATES] = {};
  T *embedded = nullptr;
  bool train = false;
};

// One update of an array of weights by an optimiser: engines/optimisers.py has the formulas.
enum class Rule { adam, adabelief, smorms3 };
template <class T> struct Moving {
  T *weight;
  const T *gradient;
  T *first, *second, *memory;
  int64_t size;
};
// Factors on the gradient (clipping) and on the weight (decay), step size, bias correction of the second moment,
// 1 - beta1, beta2, 1 - beta2, eps.
template <class T> struct UpdateNumbers { T factor, shrink, rate, root, fresh1, beta2, fresh2, eps; };

// One instruction set's entry points. `lanes` tells the driver how to pad.
template <class T> struct Entry {
  int lanes, panel, rows;  // vector length, vectors of a panel, samples of a coupled block
  int words;               // vectors of a slice of words
  size_t (*scratch)(const Network &, bool train, bool dense, int samples);
  void (*samples)(const Job<T> &, int64_t first, int64_t last, int together, const Gradients<T> &,
                  Tally &, void *memory);
  void (*add)(T *to, const T *from, int64_t n);
  bool (*finite)(const T *w, int64_t n);
  // dst[j][i] = scale * src[i][j]
  void (*transpose)(const T *src, int rows, int columns, ptrdiff_t src_row, T *dst,
                    ptrdiff_t dst_row, T scale);
  void (*surrogate)(const Surrogate &, const T *x, T *h, int64_t n);
  void (*update)(Rule, const Moving<T> &, const UpdateNumbers<T> &);
  double (*square_sum)(const T *, int64_t);
};
struct Engine {
  const char *name;
  bool halves;  // whether it multiplies numbers in bfloat16 where the processor can
  Entry<float> f32;
  Entry<double> f64;
};

}  // namespace sgpipe

namespace base { extern const sgpipe::Engine engine; }
namespace avx2 { extern const sgpipe::Engine engine; }
namespace avx512 { extern const sgpipe::Engine engine; }
