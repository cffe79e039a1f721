// Python's view of the ear's kernel: reads the arguments, refuses wrong ones, lets go of the interpreter lock.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/complex.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>

#include "ear.hpp"

namespace nb = nanobind;

namespace base { std::vector<int64_t> listen(const ear::Ear &, const ear::Band &, const ear::Sound &, std::vector<char> &); }
namespace avx2 { std::vector<int64_t> listen(const ear::Ear &, const ear::Band &, const ear::Sound &, std::vector<char> &); }

namespace {

template <class T, class Shape> using In = nb::ndarray<const T, Shape, nb::c_contig, nb::device::cpu>;
using Floats = In<float, nb::ndim<1>>;
using Table = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;

void require(bool holds, const char *what) {
  if (!holds) throw std::invalid_argument(what);
}

std::vector<std::string> isas() {
  std::vector<std::string> known;
#if defined(SGPIPE_X86)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) known.push_back("avx2");
#endif
  known.push_back("base");
  return known;
}

ear::Listen listener(const std::string &isa) {
  for (const std::string &known : isas())
    if (isa == known || isa == "auto") {
#if defined(SGPIPE_X86)
      if (known == "avx2") return avx2::listen;
#endif
      return base::listen;
    }
  throw std::invalid_argument("isa: not one that this processor has");
}

std::vector<ear::Pass> passes(nb::handle of, int64_t &size) {
  std::vector<ear::Pass> all;
  size = 1;
  for (nb::handle one : of) {
    ear::Pass pass;
    pass.radix = nb::cast<int>(one.attr("radix"));
    const int r = pass.radix;
    require((r >= 2 && r <= 5) || r == 7 || r == 11 || r == 13, "radix: not 2, 3, 4, 5, 7, 11 or 13");
    const auto roots = nb::cast<Table>(one.attr("roots"), false), twiddles = nb::cast<Table>(one.attr("twiddles"), false);
    require(roots.size() == (size_t)(2 * r) && twiddles.size() % (2 * (r - 1)) == 0, "a pass: its tables have other sizes");
    pass.roots = roots.data();
    pass.twiddles = twiddles.data();
    all.push_back(pass);
    size *= r;
  }
  require(!all.empty(), "a plan: no passes");
  int64_t left = size;
  size_t k = 0;
  for (nb::handle one : of) {
    const auto twiddles = nb::cast<Table>(one.attr("twiddles"), false);
    const int r = all[k++].radix;
    left /= r;
    require((int64_t)twiddles.size() == 2 * left * (r - 1), "a pass: twiddles of another size");
  }
  return all;
}

// The arrays stay alive: the plan is held by the caller.
ear::Plan plan_of(nb::handle plan) {
  ear::Plan p;
  int64_t first, second;
  p.columns = passes(plan.attr("columns"), first);
  p.rows = passes(plan.attr("rows"), second);
  const auto between = nb::cast<Table>(plan.attr("between"), false);
  require((int64_t)between.size() == 2 * first * second, "plan.between: another size");
  p.between = between.data();
  p.first = (int)first;
  p.second = (int)second;
  return p;
}

using Spectra = nb::ndarray<const std::complex<float>, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

std::vector<nb::object> listen(nb::object plan, Floats hair, Floats bushy, int rest, Floats series, Table filters,
                               int per_step, int64_t first, int64_t count, int64_t channels, Spectra spectra,
                               In<int64_t, nb::ndim<1>> steps, In<uint64_t, nb::ndim<2>> keys, const std::string &isa) {
  ear::Ear e;
  e.plan = plan_of(plan);
  const int64_t longest = (int64_t)e.plan.first * e.plan.second;
  require(hair.size() == 13 && bushy.size() == 4 && series.size() == 7 && rest >= 1, "hair, bushy or series: another size");
  const float *h = hair.data(), *b = bushy.data();
  e.hair = {h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12]};
  e.bushy = {b[0], b[1], b[2], b[3]};
  e.rest = rest;
  e.series = series.data();
  require(filters.ndim() == 4 && filters.size() == filters.shape(0) * 2 * ear::PLACES, "filters: not (bins, 2, 2, 8)");
  require(per_step >= 1 && (int64_t)spectra.shape(1) == per_step, "spectra: not (sounds, per_step, bins)");
  require(first >= 0 && count >= 1 && count <= ear::PLACES && first + count <= channels, "first, count: not channels");
  const ear::Band band = {filters.data(), (int64_t)filters.shape(0), per_step, first, count, channels};
  const size_t sounds = spectra.shape(0);
  require(steps.size() == sounds && keys.shape(0) == sounds && keys.shape(1) == 2, "steps, keys: not one a sound");
  std::vector<ear::Sound> all;
  for (size_t n = 0; n < sounds; n++) {
    require(steps.data()[n] >= 1 && steps.data()[n] <= longest, "steps: not 1 to those of the plan");
    const int64_t bins = (int64_t)spectra.shape(2);
    all.push_back({(const float *)(spectra.data() + n * per_step * bins), bins, bins, steps.data()[n],
                   {keys.data()[2 * n], keys.data()[2 * n + 1]}});
  }
  const ear::Listen one = listener(isa);
  std::vector<std::vector<int64_t>> found(sounds);
  {
    nb::gil_scoped_release unlocked;
    std::vector<char> scratch;
    for (size_t n = 0; n < sounds; n++) found[n] = one(e, band, all[n], scratch);
  }
  std::vector<nb::object> arrays;
  for (std::vector<int64_t> &places : found) {
    auto *kept = new std::vector<int64_t>(std::move(places));
    nb::capsule owner(kept, [](void *p) noexcept { delete (std::vector<int64_t> *)p; });
    arrays.push_back(nb::cast(nb::ndarray<nb::numpy, int64_t>(kept->data(), {kept->size()}, owner)));
  }
  return arrays;
}

} // namespace

NB_MODULE(_ear, m) {
  m.def("isas", isas);
  m.def("listen", listen, nb::arg("plan"), nb::arg("hair").noconvert(), nb::arg("bushy").noconvert(), nb::arg("rest"),
        nb::arg("series").noconvert(), nb::arg("filters").noconvert(), nb::arg("per_step"), nb::arg("first"),
        nb::arg("count"), nb::arg("channels"), nb::arg("spectra").noconvert(), nb::arg("steps").noconvert(),
        nb::arg("keys").noconvert(), nb::arg("isa") = "auto");
}
