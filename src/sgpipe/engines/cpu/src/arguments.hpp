// Reads the arrays that Python gives, and refuses those of another type or shape than the network's.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>
#include <type_traits>
#include <vector>

#include "neurons.hpp"
#include "refuse.hpp"

namespace sgpipe {
namespace nb = nanobind;

using Array = nb::ndarray<nb::c_contig, nb::device::cpu>;
using Input = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

template <class A> A as_array(nb::handle h, const std::string &name) {
  A a;
  if (!nb::try_cast<A>(h, a, false))
    refuse(name + ": not a C-contiguous " +
           (std::is_same_v<A, Array> ? "writable " : "") + "array in main memory");
  return a;
}

inline std::string shape_of(const std::vector<int64_t> &s) {
  std::string text = "(";
  for (size_t k = 0; k < s.size(); k++) text += (k ? ", " : "") + std::to_string(s[k]);
  return text + (s.size() == 1 ? ",)" : ")");
}
template <class A>
void check(const A &a, const std::string &name, nb::dlpack::dtype type, const char *type_name,
           const std::vector<int64_t> &shape) {
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

// Calls f(name, rows, columns) for each trained array, in order; columns are -1 for a vector.
template <class F> void each_array(const Network &n, F f) {
  if (n.tied) f(std::string("E"), n.classes, n.inputs);
  for (int l = 0; l <= n.layers; l++) {
    const bool out = l == n.layers;
    if (out && n.tied) return;
    const std::string k = std::to_string(l + 1);
    const int post = out ? n.classes : n.gates() * n.width[l];
    f(out ? std::string("W_out") : "W" + k, post, n.fan_in(l));
    if (!out && n.recurrent[l]) f("V" + k, post, n.width[l]);
    if (!out)
      for (const char *name : neuron_arrays(n)) f(name + k, post, -1);
    if (out && n.stacked()) f("b_out", n.classes, -1);
  }
}

template <class T>
std::vector<T *> arrays(const Network &n, nb::sequence list, const char *what, bool write) {
  std::vector<T *> all;
  const size_t given = nb::len(list);
  size_t count = 0;
  each_array(n, [&](const std::string &, int, int) { count++; });
  if (given != count)
    refuse(std::string(what) + ": " + std::to_string(given) + " arrays, expected " + std::to_string(count));
  size_t k = 0;
  const char *type_name = sizeof(T) == 4 ? "float32 like the first weight" : "float64 like the first weight";
  each_array(n, [&](const std::string &name, int post, int pre) {
    const std::vector<int64_t> shape = pre < 0 ? std::vector<int64_t>{post} : std::vector<int64_t>{post, pre};
    nb::object item = list[k++];
    const std::string full = std::string(what) + " " + name;
    if (write) {
      Array a = as_array<Array>(item, full);
      check(a, full, nb::dtype<T>(), type_name, shape);
      all.push_back((T *)a.data());
    } else {
      Input a = as_array<Input>(item, full);
      check(a, full, nb::dtype<T>(), type_name, shape);
      all.push_back((T *)a.data());
    }
  });
  return all;
}

}  // namespace sgpipe
