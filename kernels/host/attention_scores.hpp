// What attention does to scores between their product and the softmax: ALiBi, or a cap.
#pragma once

#include <cstdint>

#include "kernels/host/kernel_call.hpp"

namespace forerun::host {

/// Scores of one query head. They are not scaled yet: the softmax multiplies them by `score_scale`,
/// so what is added or capped is divided by it.
class ScoreChange {
 public:
  ScoreChange(const KernelCall& call, std::int64_t batch_and_head);

  /// Changes `count` scores in place; `distance` is the position of the first one's key less that
  /// of the query.
  void apply(float* scores, std::int64_t distance, std::int64_t count) const;

  /// Whether gradients have to be multiplied by `slopes`: ALiBi adds what depends on no operand.
  [[nodiscard]] bool has_slopes() const { return kind_ == Scores::capped; }

  /// d changed / d score of `count` scores that `apply` changed.
  void slopes(const float* changed, float* slopes, std::int64_t count) const;

 private:
  Scores kind_;
  float slope_ = 0.0F;  // of ALiBi
  float cap_ = 1.0F;
};

}  // namespace forerun::host
