#include "optimisers.hpp"

namespace SGPIPE_ISA {
template void update(Rule, const Moving<float> &, const UpdateNumbers<float> &);
template void update(Rule, const Moving<double> &, const UpdateNumbers<double> &);
template double square_sum(const float *, int64_t);
template double square_sum(const double *, int64_t);
}  // namespace SGPIPE_ISA
