#include "block.hpp"
#include "samples.hpp"

namespace SGPIPE_ISA {
SGPIPE_SAMPLES(Block, float);
}
