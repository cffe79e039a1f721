// Prints the best instruction set of this machine, while the build is configured.
#include <cstdio>

#include "processor.hpp"

int main() {
  std::fputs(sgpipe::runs_avx512() ? "avx512" : sgpipe::runs_avx2() ? "avx2" : "base", stdout);
}
