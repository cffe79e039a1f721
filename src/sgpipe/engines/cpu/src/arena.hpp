// Memory for the batches.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace sgpipe {

// Memory that outlives a call, so that the next one finds its pages mapped.
class Arena {
 public:
  static Arena lease(size_t bytes) {
    Arena a;
    {
      std::lock_guard<std::mutex> lock(mutex());
      auto &spare = idle();
      if (!spare.empty()) {
        // The smallest that is large enough, else the largest, to be replaced.
        auto best = std::min_element(spare.begin(), spare.end(), [bytes](auto &x, auto &y) {
          const bool x_fits = x.size >= bytes, y_fits = y.size >= bytes;
          if (x_fits != y_fits) return x_fits;
          return x_fits ? x.size < y.size : x.size > y.size;
        });
        a.block_ = *best;
        spare.erase(best);
      }
    }
    if (a.block_.size < bytes) {
      std::free(a.block_.at);
      a.block_ = {nullptr, 0};
      const size_t size = (bytes + 4095) / 4096 * 4096;
      a.block_ = {std::aligned_alloc(4096, size), size};
      if (!a.block_.at) throw std::bad_alloc();
    }
    return a;
  }
  Arena(Arena &&o) noexcept : block_(o.block_) { o.block_ = {nullptr, 0}; }
  ~Arena() {
    if (!block_.at) return;
    std::lock_guard<std::mutex> lock(mutex());
    if (idle().size() < 16 && block_.size < (size_t(64) << 20)) idle().push_back(block_);
    else std::free(block_.at);
  }
  char *at() const { return (char *)block_.at; }

 private:
  struct Block { void *at; size_t size; };
  Arena() : block_{nullptr, 0} {}
  static std::mutex &mutex() { static auto *m = new std::mutex; return *m; }
  static std::vector<Block> &idle() { static auto *v = new std::vector<Block>; return *v; }
  Block block_;
};

}  // namespace sgpipe
