// Rotary position embedding.
#include "kernels/host/rope.hpp"

#include <cmath>

#include "kernels/host/parallel_ranges.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

// `direction` is +1 forward and -1 backward.
FORERUN_MULTIVERSION void rotate(float* head,
                                 const float* angles,
                                 float direction,
                                 std::int64_t half) {
  float* upper = head + half;
  const float* cosine = angles;
  const float* sine = angles + half;
#pragma omp simd
  for (std::int64_t i = 0; i < half; ++i) {
    const float a = head[i];
    const float b = upper[i];
    const float s = direction * sine[i];
    head[i] = a * cosine[i] - b * s;
    upper[i] = b * cosine[i] + a * s;
  }
}

}  // namespace

void Rope::extend_table(const HeadsShape& shape, const KernelScalars& scalars) {
  const std::int64_t needed = (scalars.first + shape.tokens - 1) / shape.batch + 1;
  if (theta_ != scalars.rope_theta || turned_size_ != rotary_size(shape)) {
    theta_ = scalars.rope_theta;
    turned_size_ = rotary_size(shape);
    positions_ = 0;
  }
  if (needed <= positions_) {
    return;
  }
  const std::int64_t half = turned_size_ / 2;
  angles_.resize(static_cast<std::size_t>(needed * turned_size_));
  for (std::int64_t position = positions_; position < needed; ++position) {
    float* row = angles_.data() + position * turned_size_;
    for (std::int64_t i = 0; i < half; ++i) {
      const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(turned_size_);
      const double angle = static_cast<double>(position) * std::pow(theta_, exponent);
      row[i] = static_cast<float>(std::cos(angle));
      row[half + i] = static_cast<float>(std::sin(angle));
    }
  }
  positions_ = needed;
}

void Rope::run(const KernelCall& call) {
  const auto& shape = call.shape<HeadsShape>();
  extend_table(shape, call.scalars);
  const float direction = call.key.op == KernelOp::rope_forward ? 1.0F : -1.0F;
  const std::int64_t turned_heads = shape.heads + shape.kv_heads;
  const std::int64_t turned = turned_heads * shape.head_size;
  const std::int64_t width = turned + shape.kv_heads * shape.head_size;
  const TypedArray qkv = call.array(0);
  parallel_ranges(shape.tokens, turned, [&](const ThreadRange& range) {
    const RunBuffer buffer(turned);
    for (std::int64_t token = range.first; token < range.last; ++token) {
      const std::int64_t position = (call.scalars.first + token) / shape.batch;
      float* row = qkv.open(token * width, turned, buffer.data());
      for (std::int64_t head = 0; head < turned_heads; ++head) {
        rotate(row + head * shape.head_size,
               angles_.data() + position * turned_size_,
               direction,
               turned_size_ / 2);
      }
      qkv.commit(token * width, turned, row);
    }
  });
}

}  // namespace forerun::host
