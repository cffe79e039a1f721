// Reports bad input to Python in one line, as a ValueError.
#pragma once
#include <stdexcept>
#include <string>

namespace sgpipe {

[[noreturn]] inline void refuse(const std::string &why) { throw std::invalid_argument(why); }

}  // namespace sgpipe
