// Mamba-1's selective scan: a recurrence for every channel and state.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/host/fast_exp.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/scan_kernels.hpp"
#include "units/integer.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

constexpr std::int64_t lanes = 64;    // channels that one thread works on at a time
constexpr std::int64_t segment = 64;  // positions between kept states in the backward pass

// One position of a block of channels; arrays of `lanes`, states [state][lanes].
struct Position {
  const float* x = nullptr;
  const float* dt = nullptr;
  const float* b = nullptr;  ///< [states]
  const float* c = nullptr;  ///< [states]
};

// Of every state of the block's channels.
struct Rates {
  const float* a = nullptr;  ///< [states][lanes], negative
  std::int64_t states = 0;
};

// next = exp(dt a) before + dt x b; y += next c.
FORERUN_MULTIVERSION void advance(
    const Position& at, const Rates& rates, const float* before, float* next, float* y) {
  const float* const x = at.x;
  const float* const dt = at.dt;
  for (std::int64_t n = 0; n < rates.states; ++n) {
    const float b = at.b[n];
    const float c = at.c[n];
    const float* rate = rates.a + n * lanes;
    const float* from = before + n * lanes;
    float* to = next + n * lanes;
#pragma omp simd
    for (std::int64_t i = 0; i < lanes; ++i) {
      const float h = fast_exp_or_zero(dt[i] * rate[i]) * from[i] + dt[i] * x[i] * b;
      to[i] = h;
      y[i] += h * c;
    }
  }
}

// The states on both sides of a position, and the gradient of its output before the gate.
struct Passage {
  const float* before = nullptr;
  const float* after = nullptr;
  const float* dy = nullptr;
};

struct Adjoints {
  float* state = nullptr;  ///< [states][lanes], of the state after the position
  float* x = nullptr;
  float* dt = nullptr;
  float* a = nullptr;  ///< [states][lanes], of A itself
  float* b = nullptr;  ///< [states], summed over lanes
  float* c = nullptr;
};

// One position back: the adjoint of the state after it becomes that of the state before it.
FORERUN_MULTIVERSION void retreat(const Position& at,
                                  const Rates& rates,
                                  const Passage& passage,
                                  const Adjoints& to) {
  const float* const x = at.x;
  const float* const dt = at.dt;
  const float* const dy = passage.dy;
  float* const d_x = to.x;
  float* const d_dt = to.dt;
  for (std::int64_t n = 0; n < rates.states; ++n) {
    const float b = at.b[n];
    const float c = at.c[n];
    float d_b = 0.0F;
    float d_c = 0.0F;
    const float* rate = rates.a + n * lanes;
    const float* h0 = passage.before + n * lanes;
    const float* h1 = passage.after + n * lanes;
    float* adjoint = to.state + n * lanes;
    float* d_rate = to.a + n * lanes;
#pragma omp simd reduction(+ : d_b, d_c)
    for (std::int64_t i = 0; i < lanes; ++i) {
      const float decay = fast_exp_or_zero(dt[i] * rate[i]);
      const float g = adjoint[i] + dy[i] * c;
      const float g_decayed = g * decay * h0[i];
      d_c += dy[i] * h1[i];
      d_b += g * dt[i] * x[i];
      d_dt[i] += g_decayed * rate[i] + g * x[i] * b;
      d_x[i] += g * dt[i] * b;
      d_rate[i] += g_decayed * dt[i];
      adjoint[i] = g * decay;
    }
    to.b[n] += d_b;
    to.c[n] += d_c;
  }
}

FORERUN_MULTIVERSION void softplus(const float* raw, const float* bias, float* dt) {
#pragma omp simd
  for (std::int64_t i = 0; i < lanes; ++i) {
    dt[i] = fast_softplus(raw[i] + bias[i]);
  }
}

// y = (y + skip x) silu(z).
FORERUN_MULTIVERSION void gate(const float* x, const float* z, const float* skip, float* y) {
#pragma omp simd
  for (std::int64_t i = 0; i < lanes; ++i) {
    y[i] = (y[i] + skip[i] * x[i]) * z[i] * fast_sigmoid(z[i]);
  }
}

struct Gate {
  const float* y = nullptr;  ///< without the skip, before the gate
  const float* z = nullptr;
  const float* skip = nullptr;
  const float* d_out = nullptr;
};

struct GateAdjoints {
  float* z = nullptr;     ///< gradient of z
  float* y = nullptr;     ///< of what is gated
  float* skip = nullptr;  ///< summed
  float* x = nullptr;
};

FORERUN_MULTIVERSION void gate_back(const Position& at, const Gate& from, const GateAdjoints& to) {
#pragma omp simd
  for (std::int64_t i = 0; i < lanes; ++i) {
    const float sigma = fast_sigmoid(from.z[i]);
    const float gated = from.y[i] + from.skip[i] * at.x[i];
    to.z[i] = from.d_out[i] * gated * sigma * (1.0F + from.z[i] * (1.0F - sigma));
    const float dy = from.d_out[i] * from.z[i] * sigma;
    to.y[i] = dy;
    to.skip[i] += dy * at.x[i];
    to.x[i] = dy * from.skip[i];
  }
}

// A block of at most `lanes` channels of one sequence. Lanes beyond the last channel hold zeros.
class ScanBlock {
 public:
  ScanBlock(const KernelCall& call, std::int64_t item)
      : call_(call),
        s_(call.shape<ScanShape>()),
        blocks_(ceil_div<std::int64_t>(s_.channels, lanes)),
        sequence_(item / blocks_),
        channel_(item % blocks_ * lanes),
        count_(std::min(lanes, s_.channels - channel_)),
        a_(static_cast<std::size_t>(s_.state * lanes), 0.0F),
        bias_(lanes, 0.0F),
        skip_(lanes, 0.0F) {
    for (std::int64_t i = 0; i < count_; ++i) {
      bias_[static_cast<std::size_t>(i)] = call.floats(5)[channel_ + i];
      skip_[static_cast<std::size_t>(i)] = call.floats(7)[channel_ + i];
      for (std::int64_t n = 0; n < s_.state; ++n) {
        a_[static_cast<std::size_t>(n * lanes + i)] =
            -std::exp(call.floats(6)[(channel_ + i) * s_.state + n]);
      }
    }
  }

  void forward() {
    Values state(a_.size(), 0.0F);
    Values y(lanes);
    Values z(lanes, 0.0F);
    for (std::int64_t p = 0; p < s_.length; ++p) {
      std::ranges::fill(y, 0.0F);
      const Position at = load(p);
      advance(at, rates(), state.data(), state.data(), y.data());
      read(4, p, z);
      gate(at.x, z.data(), skip_.data(), y.data());
      call_.array(8).commit(value(p), count_, y.data());
    }
  }

  // `d_b`, `d_c`: [tokens][state], this thread's.
  void backward(float* d_b, float* d_c) {
    keep_states();
    adjoint_.assign(a_.size(), 0.0F);
    d_a_.assign(a_.size(), 0.0F);
    d_bias_.assign(lanes, 0.0F);
    d_skip_.assign(lanes, 0.0F);
    const auto segments = ceil_div<std::int64_t>(s_.length, segment);
    for (std::int64_t i = segments - 1; i >= 0; --i) {
      back_through(i, d_b, d_c);
    }
    for (std::int64_t i = 0; i < count_; ++i) {
      const auto lane = static_cast<std::size_t>(i);
      call_.floats(14)[channel_ + i] += d_bias_[lane];
      call_.floats(16)[channel_ + i] += d_skip_[lane];
      for (std::int64_t n = 0; n < s_.state; ++n) {
        const auto at = static_cast<std::size_t>(n * lanes + i);
        // dA / dA_log = A
        call_.floats(15)[(channel_ + i) * s_.state + n] += d_a_[at] * a_[at];
      }
    }
  }

 private:
  using Values = std::vector<float>;

  [[nodiscard]] std::int64_t row(std::int64_t p) const { return p * s_.batch + sequence_; }

  [[nodiscard]] std::int64_t value(std::int64_t p) const { return row(p) * s_.channels + channel_; }

  void read(std::size_t operand, std::int64_t p, Values& to) const {
    call_.array(operand).read_into(to.data(), value(p), count_);
  }

  Position load(std::int64_t p) {
    read(0, p, x_);
    read(1, p, raw_);
    softplus(raw_.data(), bias_.data(), dt_.data());
    std::fill(dt_.begin() + count_, dt_.end(), 0.0F);
    b_.resize(static_cast<std::size_t>(s_.state));
    c_.resize(static_cast<std::size_t>(s_.state));
    call_.array(2).read_into(b_.data(), row(p) * s_.state, s_.state);
    call_.array(3).read_into(c_.data(), row(p) * s_.state, s_.state);
    return {x_.data(), dt_.data(), b_.data(), c_.data()};
  }

  [[nodiscard]] Rates rates() const { return {a_.data(), s_.state}; }

  [[nodiscard]] std::int64_t state_size() const { return s_.state * lanes; }

  // The state before every segment.
  void keep_states() {
    kept_.assign(
        static_cast<std::size_t>(ceil_div<std::int64_t>(s_.length, segment) * state_size()), 0.0F);
    Values state(a_.size(), 0.0F);
    Values y(lanes, 0.0F);
    for (std::int64_t p = 0; p < s_.length; ++p) {
      if (p % segment == 0) {
        std::ranges::copy(state, kept_.begin() + p / segment * state_size());
      }
      advance(load(p), rates(), state.data(), state.data(), y.data());
    }
  }

  // The states of one segment once more, then its positions from the last to the first.
  void back_through(std::int64_t which, float* d_b, float* d_c) {
    const std::int64_t first = which * segment;
    const std::int64_t last = std::min(first + segment, s_.length);
    states_.resize(static_cast<std::size_t>((segment + 1) * state_size()));
    ungated_.assign(static_cast<std::size_t>(segment * lanes), 0.0F);
    std::copy_n(kept_.begin() + which * state_size(), state_size(), states_.begin());
    for (std::int64_t p = first; p < last; ++p) {
      float* const before = states_.data() + (p - first) * state_size();
      advance(
          load(p), rates(), before, before + state_size(), ungated_.data() + (p - first) * lanes);
    }
    for (std::int64_t p = last - 1; p >= first; --p) {
      back_at(p, first, d_b + row(p) * s_.state, d_c + row(p) * s_.state);
    }
  }

  void back_at(std::int64_t p, std::int64_t first, float* d_b, float* d_c) {
    const Position at = load(p);
    read(4, p, z_);
    read(8, p, d_out_);
    gate_back(at,
              {ungated_.data() + (p - first) * lanes, z_.data(), skip_.data(), d_out_.data()},
              {d_z_.data(), dy_.data(), d_skip_.data(), d_x_.data()});
    std::ranges::fill(d_dt_, 0.0F);
    const float* before = states_.data() + (p - first) * state_size();
    retreat(at,
            rates(),
            {before, before + state_size(), dy_.data()},
            {adjoint_.data(), d_x_.data(), d_dt_.data(), d_a_.data(), d_b, d_c});
    for (std::size_t i = 0; i < static_cast<std::size_t>(count_); ++i) {
      d_dt_[i] *= fast_sigmoid(raw_[i] + bias_[i]);
      d_bias_[i] += d_dt_[i];
    }
    call_.array(9).commit(value(p), count_, d_x_.data());
    call_.array(10).commit(value(p), count_, d_dt_.data());
    call_.array(13).commit(value(p), count_, d_z_.data());
  }

  const KernelCall& call_;
  const ScanShape& s_;
  std::int64_t blocks_;
  std::int64_t sequence_;
  std::int64_t channel_;
  std::int64_t count_;
  Values a_;  // [state][lanes]
  Values bias_;
  Values skip_;
  Values x_ = Values(lanes, 0.0F);
  Values raw_ = Values(lanes, 0.0F);
  Values dt_ = Values(lanes, 0.0F);
  Values b_;
  Values c_;
  // Backward only.
  Values kept_;     // [segments][state][lanes]
  Values states_;   // [segment + 1][state][lanes]
  Values ungated_;  // [segment][lanes]
  Values adjoint_;
  Values d_a_;
  Values d_bias_;
  Values d_skip_;
  Values z_ = Values(lanes, 0.0F);
  Values d_out_ = Values(lanes, 0.0F);
  Values d_z_ = Values(lanes, 0.0F);
  Values dy_ = Values(lanes, 0.0F);
  Values d_x_ = Values(lanes, 0.0F);
  Values d_dt_ = Values(lanes, 0.0F);
};

std::int64_t block_count(const ScanShape& s) {
  return ceil_div<std::int64_t>(s.channels, lanes);
}

}  // namespace

void selective_scan_forward(const KernelCall& call) {
  const auto& s = call.shape<ScanShape>();
  parallel_ranges(
      s.batch * block_count(s), s.length * lanes * s.state, [&](const ThreadRange& range) {
        for (std::int64_t item = range.first; item < range.last; ++item) {
          ScanBlock(call, item).forward();
        }
      });
}

// A thread takes the same channels of all sequences, because these share the parameters.
void selective_scan_backward(const KernelCall& call) {
  const auto& s = call.shape<ScanShape>();
  const std::int64_t projected = s.batch * s.length * s.state;
  ColumnSums d_b(projected);
  ColumnSums d_c(projected);
  parallel_ranges(
      block_count(s), s.batch * s.length * lanes * s.state, [&](const ThreadRange& range) {
        for (std::int64_t block = range.first; block < range.last; ++block) {
          for (std::int64_t sequence = 0; sequence < s.batch; ++sequence) {
            ScanBlock(call, sequence * block_count(s) + block)
                .backward(d_b.of(range.thread), d_c.of(range.thread));
          }
        }
      });
  std::vector<float> sums(static_cast<std::size_t>(projected), 0.0F);
  d_b.add_to(sums.data());
  call.array(11).commit(0, projected, sums.data());
  std::ranges::fill(sums, 0.0F);
  d_c.add_to(sums.data());
  call.array(12).commit(0, projected, sums.data());
}

}  // namespace forerun::host
