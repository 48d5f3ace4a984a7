// The copy that stands for a collective: all of it arrives, whatever the number of blocks.
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/cuda/copy_launch.hpp"

namespace forerun::cuda {
namespace {

// 16-byte aligned, as cudaMalloc's memory is.
struct alignas(16) Quad {
  std::int32_t values[4];
};

TEST(CopyOfSomeBlocks, CopiesEverything) {
  for (const unsigned blocks : {1U, 3U, 24U}) {
    for (const std::size_t quads : {std::size_t{1}, std::size_t{513}, std::size_t{5000}}) {
      std::vector<Quad> from(quads);
      for (std::size_t i = 0; i < quads; ++i) {
        std::iota(from[i].values, from[i].values + 4, static_cast<std::int32_t>(4 * i + 1));
      }
      std::vector<Quad> to(quads + 1, Quad{});
      launch_copy(nullptr,
                  blocks,
                  {from.data(), to.data(), static_cast<std::int64_t>(quads * sizeof(Quad))});
      for (std::size_t i = 0; i < quads; ++i) {
        ASSERT_EQ(to[i].values[0], static_cast<std::int32_t>(4 * i + 1)) << blocks << " " << i;
        ASSERT_EQ(to[i].values[3], static_cast<std::int32_t>(4 * i + 4)) << blocks << " " << i;
      }
      EXPECT_EQ(to[quads].values[0], 0);
    }
  }
}

}  // namespace
}  // namespace forerun::cuda
