// The heads of latent attention: rope on a part of each query head, keys put together from each
// head's own part and the turned one that all share.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/row_kernels.hpp"

namespace forerun::host {
namespace {

// Cosines, then sines, of one position; `direction` is +1 forward and -1 backward.
class Turn {
 public:
  Turn(std::int64_t size, double theta) : half_(size / 2) {
    for (std::int64_t i = 0; i < half_; ++i) {
      frequencies_.push_back(
          std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(size)));
    }
    cosines_.resize(frequencies_.size());
    sines_.resize(frequencies_.size());
  }

  void move_to(std::int64_t position, double direction) {
    for (std::size_t i = 0; i < frequencies_.size(); ++i) {
      const double angle = static_cast<double>(position) * frequencies_[i];
      cosines_[i] = static_cast<float>(std::cos(angle));
      sines_[i] = static_cast<float>(direction * std::sin(angle));
    }
  }

  void apply(float* run) const {
    for (std::size_t i = 0; i < frequencies_.size(); ++i) {
      const std::size_t j = i + static_cast<std::size_t>(half_);
      const float a = run[i];
      const float b = run[j];
      run[i] = a * cosines_[i] - b * sines_[i];
      run[j] = b * cosines_[i] + a * sines_[i];
    }
  }

 private:
  std::int64_t half_;
  std::vector<double> frequencies_;
  std::vector<float> cosines_;
  std::vector<float> sines_;
};

}  // namespace

void latent_query(const KernelCall& call) {
  const auto& s = call.shape<LatentHeadsShape>();
  const double direction = call.key.op == KernelOp::latent_query_forward ? 1.0 : -1.0;
  const std::int64_t size = s.nope_size + s.rope_size;
  const std::int64_t width = s.heads * size;
  const TypedArray q = call.array(0);
  parallel_ranges(s.tokens, width, [&](const ThreadRange& range) {
    Turn turn(s.rope_size, call.scalars.rope_theta);
    const RunBuffer buffer(width);
    for (std::int64_t token = range.first; token < range.last; ++token) {
      turn.move_to((call.scalars.first + token) / s.batch, direction);
      float* row = q.open(token * width, width, buffer.data());
      for (std::int64_t head = 0; head < s.heads; ++head) {
        turn.apply(row + head * size + s.nope_size);
      }
      q.commit(token * width, width, row);
    }
  });
}

void latent_keys_forward(const KernelCall& call) {
  const auto& s = call.shape<LatentHeadsShape>();
  const std::int64_t own = s.nope_size + s.value_size;
  const std::int64_t size = s.nope_size + s.rope_size;
  const TypedArray keys = call.array(2);
  const TypedArray values = call.array(3);
  parallel_ranges(s.tokens, s.heads * own, [&](const ThreadRange& range) {
    Turn turn(s.rope_size, call.scalars.rope_theta);
    const RunBuffer buffer(s.heads * (own + size + s.value_size) + s.rope_size);
    float* const shared = buffer.data() + s.heads * (own + size + s.value_size);
    for (std::int64_t token = range.first; token < range.last; ++token) {
      const float* kv = call.array(0).read(token * s.heads * own, s.heads * own, buffer.data());
      call.array(1).read_into(shared, token * s.rope_size, s.rope_size);
      turn.move_to((call.scalars.first + token) / s.batch, 1.0);
      turn.apply(shared);
      float* k = keys.target(token * s.heads * size, buffer.data() + s.heads * own);
      float* v =
          values.target(token * s.heads * s.value_size, buffer.data() + s.heads * (own + size));
      for (std::int64_t head = 0; head < s.heads; ++head) {
        const float* const from = kv + head * own;
        std::copy_n(from, s.nope_size, k + head * size);
        std::copy_n(shared, s.rope_size, k + head * size + s.nope_size);
        std::copy_n(from + s.nope_size, s.value_size, v + head * s.value_size);
      }
      keys.commit(token * s.heads * size, s.heads * size, k);
      values.commit(token * s.heads * s.value_size, s.heads * s.value_size, v);
    }
  });
}

void latent_keys_backward(const KernelCall& call) {
  const auto& s = call.shape<LatentHeadsShape>();
  const std::int64_t own = s.nope_size + s.value_size;
  const std::int64_t size = s.nope_size + s.rope_size;
  const TypedArray d_own = call.array(2);
  parallel_ranges(s.tokens, s.heads * own, [&](const ThreadRange& range) {
    Turn turn(s.rope_size, call.scalars.rope_theta);
    const RunBuffer buffer(s.heads * (own + size + s.value_size) + s.rope_size);
    float* const shared = buffer.data() + s.heads * (own + size + s.value_size);
    for (std::int64_t token = range.first; token < range.last; ++token) {
      const float* dk =
          call.array(0).read(token * s.heads * size, s.heads * size, buffer.data() + s.heads * own);
      const float* dv = call.array(1).read(token * s.heads * s.value_size,
                                           s.heads * s.value_size,
                                           buffer.data() + s.heads * (own + size));
      float* out = d_own.target(token * s.heads * own, buffer.data());
      std::fill_n(shared, s.rope_size, 0.0F);
      for (std::int64_t head = 0; head < s.heads; ++head) {
        std::copy_n(dk + head * size, s.nope_size, out + head * own);
        std::copy_n(dv + head * s.value_size, s.value_size, out + head * own + s.nope_size);
        const float* const turned = dk + head * size + s.nope_size;
        for (std::int64_t i = 0; i < s.rope_size; ++i) {
          shared[i] += turned[i];
        }
      }
      turn.move_to((call.scalars.first + token) / s.batch, -1.0);
      turn.apply(shared);
      d_own.commit(token * s.heads * own, s.heads * own, out);
      call.array(3).commit(token * s.rope_size, s.rope_size, shared);
    }
  });
}

}  // namespace forerun::host
