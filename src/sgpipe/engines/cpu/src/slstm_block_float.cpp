#include "slstm_block.hpp"
#include "samples.hpp"

namespace SGPIPE_ISA {
SGPIPE_SAMPLES(SlstmBlock, float);
}
