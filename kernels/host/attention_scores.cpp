// ALiBi and capped scores.
#include "kernels/host/attention_scores.hpp"

#include "kernels/host/attention.hpp"
#include "kernels/host/fast_exp.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

FORERUN_MULTIVERSION void add_slope(float* scores,
                                    float slope,
                                    std::int64_t distance,
                                    std::int64_t count) {
  const auto first = static_cast<float>(distance);
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    scores[i] += slope * (first + static_cast<float>(i));
  }
}

FORERUN_MULTIVERSION void cap_scores(float* scores, float cap, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    scores[i] = cap * relative_tanh(scores[i] / cap);
  }
}

// With y = cap tanh(x / cap): dy/dx = 1 - (y / cap)^2.
FORERUN_MULTIVERSION void cap_slopes(const float* changed,
                                     float* slopes,
                                     float cap,
                                     std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float t = changed[i] / cap;
    slopes[i] = 1.0F - t * t;
  }
}

}  // namespace

ScoreChange::ScoreChange(const KernelCall& call, std::int64_t batch_and_head)
    : kind_(call.shape<AttentionKeyShape>().scores) {
  const auto& shape = call.shape<AttentionKeyShape>();
  const auto scale = static_cast<double>(score_scale(shape));
  const std::int64_t heads = call.scalars.all_heads == 0 ? shape.heads : call.scalars.all_heads;
  const std::int64_t head = call.scalars.first_head + batch_and_head % shape.heads;
  slope_ = static_cast<float>(alibi_slope(head, heads) / scale);
  cap_ = static_cast<float>(call.scalars.softcap / scale);
}

void ScoreChange::apply(float* scores, std::int64_t distance, std::int64_t count) const {
  switch (kind_) {
    case Scores::plain:
      break;
    case Scores::alibi:
      add_slope(scores, slope_, distance, count);
      break;
    case Scores::capped:
      cap_scores(scores, cap_, count);
      break;
  }
}

void ScoreChange::slopes(const float* changed, float* slopes, std::int64_t count) const {
  cap_slopes(changed, slopes, cap_, count);
}

}  // namespace forerun::host
