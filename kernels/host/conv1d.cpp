// Causal depthwise convolution along the sequence.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/host/fast_exp.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/scan_kernels.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

FORERUN_MULTIVERSION void add_product(const float* x,
                                      const float* weight,
                                      float* sum,
                                      std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    sum[i] += x[i] * weight[i];
  }
}

FORERUN_MULTIVERSION void silu(float* x, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    x[i] = x[i] / (1.0F + fast_exp(-x[i]));
  }
}

// x = dy silu'(x): sigma (1 + x (1 - sigma)).
FORERUN_MULTIVERSION void silu_gradient(float* x, const float* dy, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float sigma = 1.0F / (1.0F + fast_exp(-x[i]));
    x[i] = dy[i] * sigma * (1.0F + x[i] * (1.0F - sigma));
  }
}

// Row p reads row p - lag of the same sequence through tap width - 1 - lag.
class Convolution {
 public:
  explicit Convolution(const KernelCall& call)
      : call_(call),
        s_(call.shape<ConvShape>()),
        taps_(static_cast<std::size_t>(s_.width * s_.channels)),
        bias_(static_cast<std::size_t>(s_.channels)) {
    std::vector<float> weight(taps_.size());
    call.array(1).read_into(weight.data(), 0, std::ssize(weight));
    call.array(2).read_into(bias_.data(), 0, s_.channels);
    for (std::int64_t c = 0; c < s_.channels; ++c) {
      for (std::int64_t tap = 0; tap < s_.width; ++tap) {
        taps_[static_cast<std::size_t>(tap * s_.channels + c)] =
            weight[static_cast<std::size_t>(c * s_.width + tap)];
      }
    }
  }

  [[nodiscard]] const float* tap_of_lag(std::int64_t lag) const {
    return taps_.data() + (s_.width - 1 - lag) * s_.channels;
  }

  [[nodiscard]] std::int64_t lags_at(std::int64_t token) const {
    return std::min(s_.width, token / s_.batch + 1);
  }

  // Before the activation; `buffer` holds a row.
  void row(std::int64_t token, float* sum, float* buffer) const {
    std::copy(bias_.begin(), bias_.end(), sum);
    for (std::int64_t lag = 0; lag < lags_at(token); ++lag) {
      add_product(x_row(token - lag * s_.batch, buffer), tap_of_lag(lag), sum, s_.channels);
    }
  }

  [[nodiscard]] const float* x_row(std::int64_t token, float* buffer) const {
    return call_.array(0).read(token * s_.channels, s_.channels, buffer);
  }

 private:
  const KernelCall& call_;
  const ConvShape& s_;
  std::vector<float> taps_;  // [width][channels]
  std::vector<float> bias_;
};

}  // namespace

void conv1d_forward(const KernelCall& call) {
  const auto& s = call.shape<ConvShape>();
  const Convolution convolution(call);
  const TypedArray y = call.array(3);
  parallel_ranges(s.batch * s.length, s.channels * s.width, [&](const ThreadRange& range) {
    const RunBuffer buffer(2 * s.channels);
    for (std::int64_t token = range.first; token < range.last; ++token) {
      float* out = y.target(token * s.channels, buffer.data());
      convolution.row(token, out, buffer.data() + s.channels);
      silu(out, s.channels);
      y.commit(token * s.channels, s.channels, out);
    }
  });
}

// First the gradients before the activation, kept for all tokens; then each input row gathers from
// the `width` rows that read it.
void Conv1dBackward::run(const KernelCall& call) {
  const auto& s = call.shape<ConvShape>();
  const std::int64_t tokens = s.batch * s.length;
  const Convolution convolution(call);
  float* gradients = gradients_.at_least(tokens * s.channels);
  ColumnSums d_taps(s.width * s.channels);
  ColumnSums d_bias(s.channels);
  parallel_ranges(tokens, s.channels * s.width, [&](const ThreadRange& range) {
    const RunBuffer buffer(2 * s.channels);
    const std::vector<float> ones(static_cast<std::size_t>(s.channels), 1.0F);
    for (std::int64_t token = range.first; token < range.last; ++token) {
      float* gradient = gradients + token * s.channels;
      convolution.row(token, gradient, buffer.data());
      const float* dy = call.array(3).read(token * s.channels, s.channels, buffer.data());
      silu_gradient(gradient, dy, s.channels);
      add_product(gradient, ones.data(), d_bias.of(range.thread), s.channels);
      for (std::int64_t lag = 0; lag < convolution.lags_at(token); ++lag) {
        const float* x = convolution.x_row(token - lag * s.batch, buffer.data() + s.channels);
        float* d_tap = d_taps.of(range.thread) + (s.width - 1 - lag) * s.channels;
        add_product(gradient, x, d_tap, s.channels);
      }
    }
  });
  const TypedArray dx = call.array(4);
  parallel_ranges(tokens, s.channels * s.width, [&](const ThreadRange& range) {
    const RunBuffer buffer(s.channels);
    for (std::int64_t token = range.first; token < range.last; ++token) {
      float* out = dx.target(token * s.channels, buffer.data());
      std::fill_n(out, s.channels, 0.0F);
      for (std::int64_t lag = 0; lag < s.width && token + lag * s.batch < tokens; ++lag) {
        add_product(gradients + (token + lag * s.batch) * s.channels,
                    convolution.tap_of_lag(lag),
                    out,
                    s.channels);
      }
      dx.commit(token * s.channels, s.channels, out);
    }
  });
  d_bias.add_to(call.floats(6));
  std::vector<float> by_tap(static_cast<std::size_t>(s.width * s.channels), 0.0F);
  d_taps.add_to(by_tap.data());
  float* d_weight = call.floats(5);
  for (std::int64_t c = 0; c < s.channels; ++c) {
    for (std::int64_t tap = 0; tap < s.width; ++tap) {
      d_weight[c * s.width + tap] += by_tap[static_cast<std::size_t>(tap * s.channels + c)];
    }
  }
}

}  // namespace forerun::host
