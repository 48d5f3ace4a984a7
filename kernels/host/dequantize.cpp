// 4-bit weights back to the format that products read.
#include <algorithm>

#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/unfused_attention.hpp"
#include "kernels/nf4.hpp"

namespace forerun::host {

void dequantize(const KernelCall& call) {
  const std::int64_t elements = call.shape<FlatShape>().elements;
  const auto* const codes = static_cast<const std::uint8_t*>(call.operands[0]);
  const auto* const blocks = static_cast<const std::uint8_t*>(call.operands[1]);
  const float* const groups = call.floats(2);
  const TypedArray to = call.array(3);
  parallel_ranges(nf4_blocks(elements), nf4_block, [&](const ThreadRange& range) {
    const RunBuffer buffer(nf4_block);
    for (std::int64_t block = range.first; block < range.last; ++block) {
      const std::int64_t first = block * nf4_block;
      const std::int64_t count = std::min(nf4_block, elements - first);
      const float scale =
          static_cast<float>(blocks[block]) * (groups[block / nf4_group] / nf4_steps);
      float* const values = to.target(first, buffer.data());
      for (std::int64_t i = 0; i < count; ++i) {
        const std::uint8_t pair = codes[(first + i) / 2];
        values[i] = scale * nf4_levels[i % 2 == 0 ? pair >> 4U : pair & 15U];
      }
      to.commit(first, count, values);
    }
  });
}

}  // namespace forerun::host
