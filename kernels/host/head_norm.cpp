// RMSNorm of the query and key heads of packed rows.
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/rms_row.hpp"
#include "kernels/host/row_kernels.hpp"

namespace forerun::host {
namespace {

// Rows of [q heads | k heads | v heads], and where the normalised heads' rstds lie.
struct PackedHeads {
  explicit PackedHeads(const HeadsShape& s)
      : head_size(s.head_size),
        query_heads(s.heads),
        normed_heads(s.heads + s.kv_heads),
        width((s.heads + 2 * s.kv_heads) * s.head_size) {}

  std::int64_t head_size;
  std::int64_t query_heads;
  std::int64_t normed_heads;
  std::int64_t width;
};

}  // namespace

void qk_norm_forward(const KernelCall& call) {
  const auto& shape = call.shape<HeadsShape>();
  const PackedHeads packed(shape);
  const std::int64_t n = packed.head_size;
  const TypedArray qkv_out = call.array(3);
  float* rstd = call.floats(4);
  parallel_ranges(shape.tokens, packed.width, [&](const ThreadRange& range) {
    const RunBuffer buffer(2 * n + packed.width);
    const float* q_weight = call.array(1).read(0, n, buffer.data());
    const float* k_weight = call.array(2).read(0, n, buffer.data() + n);
    float* row = buffer.data() + 2 * n;
    for (std::int64_t token = range.first; token < range.last; ++token) {
      call.array(0).read_into(row, token * packed.width, packed.width);
      for (std::int64_t head = 0; head < packed.normed_heads; ++head) {
        float* x = row + head * n;
        const float scale = rms_rstd(x, n, call.scalars.norm_epsilon);
        rstd[token * packed.normed_heads + head] = scale;
        rms_scale(x, head < packed.query_heads ? q_weight : k_weight, scale, x, n);
      }
      qkv_out.commit(token * packed.width, packed.width, row);
    }
  });
}

void qk_norm_backward(const KernelCall& call) {
  const auto& shape = call.shape<HeadsShape>();
  const PackedHeads packed(shape);
  const std::int64_t n = packed.head_size;
  const float* rstd = call.floats(3);
  const TypedArray d_qkv = call.array(4);
  ColumnSums dq_weight(n);
  ColumnSums dk_weight(n);
  parallel_ranges(shape.tokens, packed.width, [&](const ThreadRange& range) {
    const RunBuffer buffer(2 * n + 2 * packed.width);
    const float* q_weight = call.array(1).read(0, n, buffer.data());
    const float* k_weight = call.array(2).read(0, n, buffer.data() + n);
    const std::int64_t normed = packed.normed_heads * n;
    for (std::int64_t token = range.first; token < range.last; ++token) {
      const std::int64_t first = token * packed.width;
      const float* x = call.array(0).read(first, normed, buffer.data() + 2 * n);
      float* gradient = d_qkv.open(first, normed, buffer.data() + 2 * n + packed.width);
      for (std::int64_t head = 0; head < packed.normed_heads; ++head) {
        const bool query = head < packed.query_heads;
        const RmsRow row{.x = x + head * n,
                         .weight = query ? q_weight : k_weight,
                         .dy = gradient + head * n,
                         .rstd = rstd[token * packed.normed_heads + head],
                         .count = n};
        rms_backward(row, gradient + head * n, (query ? dq_weight : dk_weight).of(range.thread));
      }
      d_qkv.commit(first, normed, gradient);
    }
  });
  dq_weight.add_to(call.floats(5));
  dk_weight.add_to(call.floats(6));
}

}  // namespace forerun::host
