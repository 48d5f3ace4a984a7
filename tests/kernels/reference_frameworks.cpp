// Reference: attention that stores its scores, dropout, fused biases, gradients in flat arrays.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "tests/kernels/reference_detail.hpp"

namespace forerun {
namespace {

// One query head of one sequence, as formulas: scores S, probabilities P, values V.
class StoredHead {
 public:
  StoredHead(const ReferenceCall& call,
             const AttentionKeyShape& s,
             std::int64_t sequence,
             std::int64_t head)
      : call_(call), s_(s), sequence_(sequence), head_(head) {}

  void scores_forward() {
    each_pair([&](std::int64_t i, std::int64_t j) {
      double sum = 0.0;
      for (std::int64_t d = 0; d < s_.head_size; ++d) {
        sum += call_.at(0)[q(i, d)] * call_.at(0)[k(j, d)];
      }
      call_.at(1)[pair(i, j)] = sum;
    });
  }

  void softmax_forward() {
    const double scale = 1.0 / std::sqrt(static_cast<double>(s_.head_size));
    for (std::int64_t i = 0; i < s_.length; ++i) {
      double total = 0.0;
      for (std::int64_t j = 0; j < key_length(s_); ++j) {
        total += reference_sees(s_, i, j) ? std::exp(scale * call_.at(0)[pair(i, j)]) : 0.0;
      }
      for (std::int64_t j = 0; j < key_length(s_); ++j) {
        call_.at(1)[pair(i, j)] =
            reference_sees(s_, i, j) ? std::exp(scale * call_.at(0)[pair(i, j)]) / total : 0.0;
      }
    }
  }

  void context_forward() {
    for (std::int64_t i = 0; i < s_.length; ++i) {
      for (std::int64_t d = 0; d < value_size(s_); ++d) {
        double sum = 0.0;
        for (std::int64_t j = 0; j < key_length(s_); ++j) {
          sum += call_.at(0)[pair(i, j)] * call_.at(1)[v(j, d)];
        }
        call_.at(2)[out(i, d)] = sum;
      }
    }
  }

  void context_backward() {
    each_pair([&](std::int64_t i, std::int64_t j) {
      double sum = 0.0;
      for (std::int64_t d = 0; d < value_size(s_); ++d) {
        sum += call_.at(2)[out(i, d)] * call_.at(1)[v(j, d)];
        call_.at(4)[dv(j, d)] += call_.at(0)[pair(i, j)] * call_.at(2)[out(i, d)];
      }
      call_.at(3)[pair(i, j)] = sum;
    });
  }

  void softmax_backward() {
    const double scale = 1.0 / std::sqrt(static_cast<double>(s_.head_size));
    for (std::int64_t i = 0; i < s_.length; ++i) {
      double projection = 0.0;
      for (std::int64_t j = 0; j < key_length(s_); ++j) {
        projection += call_.at(0)[pair(i, j)] * call_.at(1)[pair(i, j)];
      }
      for (std::int64_t j = 0; j < key_length(s_); ++j) {
        call_.at(2)[pair(i, j)] =
            scale * call_.at(0)[pair(i, j)] * (call_.at(1)[pair(i, j)] - projection);
      }
    }
  }

  void scores_backward() {
    each_pair([&](std::int64_t i, std::int64_t j) {
      const double ds = call_.at(0)[pair(i, j)];
      for (std::int64_t d = 0; d < s_.head_size; ++d) {
        call_.at(3)[q(i, d)] += ds * call_.at(1)[k(j, d)];
        call_.at(3)[k(j, d)] += ds * call_.at(1)[q(i, d)];
      }
    });
    for (std::int64_t j = 0; j < key_length(s_); ++j) {
      for (std::int64_t d = 0; d < value_size(s_); ++d) {
        call_.at(3)[v(j, d)] = call_.at(2)[dv(j, d)];
      }
    }
  }

 private:
  template <class Visit>
  void each_pair(const Visit& visit) {
    for (std::int64_t i = 0; i < s_.length; ++i) {
      for (std::int64_t j = 0; j < key_length(s_); ++j) {
        visit(i, j);
      }
    }
  }

  [[nodiscard]] std::size_t packed(std::int64_t position, std::int64_t head, std::int64_t d) const {
    const std::int64_t width = (s_.heads + 2 * s_.kv_heads) * s_.head_size;
    return place((position * s_.batch + sequence_) * width + head * s_.head_size + d);
  }

  [[nodiscard]] std::int64_t kv_head() const { return head_ / (s_.heads / s_.kv_heads); }

  [[nodiscard]] std::size_t q(std::int64_t i, std::int64_t d) const { return packed(i, head_, d); }

  [[nodiscard]] std::size_t k(std::int64_t j, std::int64_t d) const {
    return packed(j, s_.heads + kv_head(), d);
  }

  [[nodiscard]] std::size_t v(std::int64_t j, std::int64_t d) const {
    return packed(j, s_.heads + s_.kv_heads + kv_head(), d);
  }

  [[nodiscard]] std::size_t out(std::int64_t i, std::int64_t d) const {
    return place(((i * s_.batch + sequence_) * s_.heads + head_) * value_size(s_) + d);
  }

  [[nodiscard]] std::size_t dv(std::int64_t j, std::int64_t d) const {
    return place(((j * s_.batch + sequence_) * s_.kv_heads + kv_head()) * value_size(s_) + d);
  }

  [[nodiscard]] std::size_t pair(std::int64_t i, std::int64_t j) const {
    return place(((sequence_ * s_.heads + head_) * s_.length + i) * key_length(s_) + j);
  }

  const ReferenceCall& call_;
  const AttentionKeyShape& s_;
  std::int64_t sequence_;
  std::int64_t head_;
};

// SplitMix64's finaliser, written down a second time.
bool is_kept(const KernelScalars& scalars, std::size_t element) {
  std::uint64_t z = scalars.dropout_seed + (element + 1) * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  z ^= z >> 31;
  return static_cast<double>(z >> 40) / 16777216.0 < scalars.keep;
}

double gelu(double x) {
  return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}

double gelu_slope(double x) {
  const double t = std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x));
  return 0.5 * (1.0 + t) +
         0.5 * x * (1.0 - t * t) * std::sqrt(2.0 / M_PI) * (1.0 + 3.0 * 0.044715 * x * x);
}

}  // namespace

void reference_stored_attention(const ReferenceCall& call, const AttentionKeyShape& s) {
  if (call.op == KernelOp::context_backward) {
    std::ranges::fill(call.at(4), 0.0);
  }
  if (call.op == KernelOp::scores_backward) {
    std::ranges::fill(call.at(3), 0.0);
  }
  for (std::int64_t sequence = 0; sequence < s.batch; ++sequence) {
    for (std::int64_t head = 0; head < s.heads; ++head) {
      StoredHead one(call, s, sequence, head);
      switch (call.op) {
        case KernelOp::scores_forward:
          one.scores_forward();
          break;
        case KernelOp::softmax_forward:
          one.softmax_forward();
          break;
        case KernelOp::context_forward:
          one.context_forward();
          break;
        case KernelOp::context_backward:
          one.context_backward();
          break;
        case KernelOp::softmax_backward:
          one.softmax_backward();
          break;
        default:
          one.scores_backward();
      }
    }
  }
}

bool reference_framework_rows(const ReferenceCall& call, const RowsShape& s) {
  for (std::size_t i = 0; i < place(s.rows * s.columns); ++i) {
    const std::size_t column = i % place(s.columns);
    const double kept = is_kept(call.scalars, i) ? 1.0 : 0.0;
    switch (call.op) {
      case KernelOp::dropout_forward:
        call.at(1)[i] = kept * call.at(0)[i] / call.scalars.keep;
        call.at(2)[i] = kept;
        break;
      case KernelOp::dropout_backward:
        call.at(2)[i] = call.at(1)[i] != 0.0 ? call.at(0)[i] / call.scalars.keep : 0.0;
        break;
      case KernelOp::bias_dropout_add_forward:
        call.at(3)[i] =
            kept * (call.at(0)[i] + call.at(1)[column]) / call.scalars.keep + call.at(2)[i];
        call.at(4)[i] = kept;
        break;
      case KernelOp::bias_gelu_forward:
        call.at(2)[i] = gelu(call.at(0)[i] + call.at(1)[column]);
        break;
      case KernelOp::bias_gelu_backward:
        call.at(3)[i] = call.at(2)[i] * gelu_slope(call.at(0)[i] + call.at(1)[column]);
        break;
      default:
        return false;
    }
  }
  return true;
}

namespace {

// NF4's levels as QLoRA's appendix E makes them: quantiles of a normal distribution between the
// ends that leave 0.9677083 of it, 8 above zero and 7 below, over their largest.
double nf4_level(int code) {
  const auto quantile = [](double p) {
    double low = -10.0;
    double high = 10.0;
    for (int step = 0; step < 200; ++step) {
      const double middle = (low + high) / 2.0;
      (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
    }
    return low;
  };
  constexpr double offset = 0.9677083;
  const auto between = [&](int step, int steps) {
    return quantile(offset + (0.5 - offset) * step / steps) / quantile(offset);
  };
  return code <= 7 ? -between(code, 7) : between(15 - code, 8);
}

// `levels` by code.
void reference_dequantize(const ReferenceCall& call, const std::vector<double>& levels) {
  std::vector<double>& to = call.at(3);
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto pair = static_cast<unsigned>(call.at(0)[i / 2]);
    const double level = levels[i % 2 == 0 ? pair / 16 : pair % 16];
    to[i] = level * call.at(1)[i / 64] * call.at(2)[i / 64 / 256] / 255.0;
  }
}

}  // namespace

bool reference_gradient_array(const ReferenceCall& call) {
  if (call.op == KernelOp::dequantize) {
    std::vector<double> levels;
    for (int code = 0; code < 16; ++code) {
      levels.push_back(nf4_level(code));
    }
    reference_dequantize(call, levels);
    return true;
  }
  const std::vector<double>& x = call.at(0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    switch (call.op) {
      case KernelOp::widen:
      case KernelOp::narrow:
        call.at(1)[i] = x[i];
        break;
      case KernelOp::accumulate:
        call.at(1)[i] += x[i];
        break;
      case KernelOp::square_sum:
        call.at(1)[0] += x[i] * x[i];
        break;
      case KernelOp::scale:
        call.at(0)[i] *= call.scalars.scale;
        break;
      default:
        return false;
    }
  }
  return true;
}

}  // namespace forerun
