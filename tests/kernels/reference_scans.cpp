// Reference: convolution and the state-space recurrences, position by position.
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "tests/kernels/reference_detail.hpp"

namespace forerun {
namespace {

double softplus(double x) {
  return std::log1p(std::exp(x));
}

double silu_slope(double x) {
  return sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)));
}

double convolved(const ReferenceCall& call,
                 const ConvShape& s,
                 std::int64_t token,
                 std::int64_t c) {
  double sum = call.at(2)[place(c)];
  for (std::int64_t lag = 0; lag < s.width && token - lag * s.batch >= 0; ++lag) {
    sum += call.at(0)[place((token - lag * s.batch) * s.channels + c)] *
           call.at(1)[place(c * s.width + s.width - 1 - lag)];
  }
  return sum;
}

// The recurrence S = decay S + dt x B, y = S C + D x of one channel, with the adjoints of both.
// Where its numbers lie is the caller's business.
struct Channel {
  std::int64_t length = 0;
  std::int64_t states = 0;
  std::vector<double> x, raw_dt, b, c;  ///< [length], [length], [length x states] twice
  std::vector<double> a_log;            ///< [states]
  double dt_bias = 0.0;
  double skip = 0.0;

  std::vector<double> history = {};  ///< [length + 1 x states]: before each position
  std::vector<double> y = {};
  // Gradients.
  std::vector<double> dx = {}, d_raw_dt = {}, db = {}, dc = {}, da_log = {};
  double d_dt_bias = 0.0;
  double d_skip = 0.0;

  [[nodiscard]] double dt(std::int64_t p) const { return softplus(raw_dt[place(p)] + dt_bias); }

  [[nodiscard]] double a(std::int64_t n) const { return -std::exp(a_log[place(n)]); }

  void forward() {
    history.assign(place((length + 1) * states), 0.0);
    y.assign(place(length), 0.0);
    for (std::int64_t p = 0; p < length; ++p) {
      y[place(p)] = skip * x[place(p)];
      for (std::int64_t n = 0; n < states; ++n) {
        double& next = history[place((p + 1) * states + n)];
        next = std::exp(dt(p) * a(n)) * history[place(p * states + n)] +
               dt(p) * x[place(p)] * b[place(p * states + n)];
        y[place(p)] += next * c[place(p * states + n)];
      }
    }
  }

  void backward(const std::vector<double>& dy) {
    dx.assign(place(length), 0.0);
    d_raw_dt.assign(place(length), 0.0);
    db.assign(place(length * states), 0.0);
    dc.assign(place(length * states), 0.0);
    da_log.assign(place(states), 0.0);
    std::vector<double> adjoint(place(states), 0.0);
    for (std::int64_t p = length - 1; p >= 0; --p) {
      dx[place(p)] += skip * dy[place(p)];
      d_skip += x[place(p)] * dy[place(p)];
      double d_dt = 0.0;
      for (std::int64_t n = 0; n < states; ++n) {
        const double before = history[place(p * states + n)];
        const double decay = std::exp(dt(p) * a(n));
        double& g = adjoint[place(n)];
        g += dy[place(p)] * c[place(p * states + n)];
        dc[place(p * states + n)] = dy[place(p)] * history[place((p + 1) * states + n)];
        d_dt += g * (before * decay * a(n) + x[place(p)] * b[place(p * states + n)]);
        da_log[place(n)] += g * before * decay * dt(p) * a(n);
        dx[place(p)] += g * dt(p) * b[place(p * states + n)];
        db[place(p * states + n)] = g * dt(p) * x[place(p)];
        g *= decay;
      }
      d_raw_dt[place(p)] = d_dt * sigmoid(raw_dt[place(p)] + dt_bias);
      d_dt_bias += d_raw_dt[place(p)];
    }
  }
};

// Operand positions of ssd_*: x, dt, B, C, dt_bias, A_log, D, then y or dy and the gradients.
class SsdColumn {
 public:
  SsdColumn(const ReferenceCall& call, const SsdShape& s, std::int64_t sequence, std::int64_t head)
      : call_(call), s_(s), sequence_(sequence), head_(head) {}

  void forward(std::int64_t column) {
    Channel channel = load(column);
    channel.forward();
    for (std::int64_t p = 0; p < s_.length; ++p) {
      call_.at(7)[value(p, column)] = channel.y[place(p)];
    }
  }

  void backward(std::int64_t column) {
    Channel channel = load(column);
    channel.forward();
    std::vector<double> dy;
    for (std::int64_t p = 0; p < s_.length; ++p) {
      dy.push_back(call_.at(7)[value(p, column)]);
    }
    channel.backward(dy);
    for (std::int64_t p = 0; p < s_.length; ++p) {
      call_.at(8)[value(p, column)] = channel.dx[place(p)];
      call_.at(9)[per_head(p)] += channel.d_raw_dt[place(p)];
      for (std::int64_t n = 0; n < s_.state; ++n) {
        call_.at(10)[projected(p, n)] += channel.db[place(p * s_.state + n)];
        call_.at(11)[projected(p, n)] += channel.dc[place(p * s_.state + n)];
      }
    }
    call_.at(12)[place(head_)] += channel.d_dt_bias;
    for (const double da : channel.da_log) {
      call_.at(13)[place(head_)] += da;
    }
    call_.at(14)[place(head_)] += channel.d_skip;
  }

 private:
  [[nodiscard]] std::int64_t row(std::int64_t p) const { return p * s_.batch + sequence_; }

  [[nodiscard]] std::size_t value(std::int64_t p, std::int64_t column) const {
    return place((row(p) * s_.heads + head_) * s_.head_size + column);
  }

  [[nodiscard]] std::size_t per_head(std::int64_t p) const {
    return place(row(p) * s_.heads + head_);
  }

  [[nodiscard]] std::size_t projected(std::int64_t p, std::int64_t n) const {
    const std::int64_t group = head_ / (s_.heads / s_.groups);
    return place((row(p) * s_.groups + group) * s_.state + n);
  }

  [[nodiscard]] Channel load(std::int64_t column) const {
    Channel channel{.length = s_.length,
                    .states = s_.state,
                    .x = {},
                    .raw_dt = {},
                    .b = {},
                    .c = {},
                    .a_log = std::vector<double>(place(s_.state), call_.at(5)[place(head_)]),
                    .dt_bias = call_.at(4)[place(head_)],
                    .skip = call_.at(6)[place(head_)]};
    for (std::int64_t p = 0; p < s_.length; ++p) {
      channel.x.push_back(call_.at(0)[value(p, column)]);
      channel.raw_dt.push_back(call_.at(1)[per_head(p)]);
      for (std::int64_t n = 0; n < s_.state; ++n) {
        channel.b.push_back(call_.at(2)[projected(p, n)]);
        channel.c.push_back(call_.at(3)[projected(p, n)]);
      }
    }
    return channel;
  }

  const ReferenceCall& call_;
  const SsdShape& s_;
  std::int64_t sequence_;
  std::int64_t head_;
};

// Operand positions of selective_scan_*: x, dt, B, C, z, dt_bias, A_log, D, then y or dy and the
// gradients.
class ScanChannel {
 public:
  ScanChannel(const ReferenceCall& call, const ScanShape& s, std::int64_t sequence, std::int64_t c)
      : call_(call), s_(s), sequence_(sequence), c_(c) {}

  void forward() {
    Channel channel = load();
    channel.forward();
    for (std::int64_t p = 0; p < s_.length; ++p) {
      const double z = call_.at(4)[value(p)];
      call_.at(8)[value(p)] = channel.y[place(p)] * z * sigmoid(z);
    }
  }

  void backward() {
    Channel channel = load();
    channel.forward();
    std::vector<double> dy;
    for (std::int64_t p = 0; p < s_.length; ++p) {
      const double z = call_.at(4)[value(p)];
      const double d_out = call_.at(8)[value(p)];
      dy.push_back(d_out * z * sigmoid(z));
      call_.at(13)[value(p)] = d_out * channel.y[place(p)] * silu_slope(z);
    }
    channel.backward(dy);
    for (std::int64_t p = 0; p < s_.length; ++p) {
      call_.at(9)[value(p)] = channel.dx[place(p)];
      call_.at(10)[value(p)] = channel.d_raw_dt[place(p)];
      for (std::int64_t n = 0; n < s_.state; ++n) {
        call_.at(11)[projected(p, n)] += channel.db[place(p * s_.state + n)];
        call_.at(12)[projected(p, n)] += channel.dc[place(p * s_.state + n)];
      }
    }
    call_.at(14)[place(c_)] += channel.d_dt_bias;
    for (std::int64_t n = 0; n < s_.state; ++n) {
      call_.at(15)[place(c_ * s_.state + n)] += channel.da_log[place(n)];
    }
    call_.at(16)[place(c_)] += channel.d_skip;
  }

 private:
  [[nodiscard]] std::int64_t row(std::int64_t p) const { return p * s_.batch + sequence_; }

  [[nodiscard]] std::size_t value(std::int64_t p) const { return place(row(p) * s_.channels + c_); }

  [[nodiscard]] std::size_t projected(std::int64_t p, std::int64_t n) const {
    return place(row(p) * s_.state + n);
  }

  [[nodiscard]] Channel load() const {
    Channel channel{.length = s_.length,
                    .states = s_.state,
                    .x = {},
                    .raw_dt = {},
                    .b = {},
                    .c = {},
                    .a_log = {},
                    .dt_bias = call_.at(5)[place(c_)],
                    .skip = call_.at(7)[place(c_)]};
    for (std::int64_t n = 0; n < s_.state; ++n) {
      channel.a_log.push_back(call_.at(6)[place(c_ * s_.state + n)]);
    }
    for (std::int64_t p = 0; p < s_.length; ++p) {
      channel.x.push_back(call_.at(0)[value(p)]);
      channel.raw_dt.push_back(call_.at(1)[value(p)]);
      for (std::int64_t n = 0; n < s_.state; ++n) {
        channel.b.push_back(call_.at(2)[projected(p, n)]);
        channel.c.push_back(call_.at(3)[projected(p, n)]);
      }
    }
    return channel;
  }

  const ReferenceCall& call_;
  const ScanShape& s_;
  std::int64_t sequence_;
  std::int64_t c_;
};

void clear(const ReferenceCall& call, std::size_t first, std::size_t last) {
  for (std::size_t i = first; i < last; ++i) {
    std::fill(call.at(i).begin(), call.at(i).end(), 0.0);
  }
}

}  // namespace

void reference(const ReferenceCall& call, const ConvShape& s) {
  const std::int64_t tokens = s.batch * s.length;
  if (call.op == KernelOp::conv1d_backward) {
    clear(call, 4, 5);
  }
  for (std::int64_t token = 0; token < tokens; ++token) {
    for (std::int64_t c = 0; c < s.channels; ++c) {
      const double sum = convolved(call, s, token, c);
      if (call.op == KernelOp::conv1d_forward) {
        call.at(3)[place(token * s.channels + c)] = sum * sigmoid(sum);
        continue;
      }
      const double gradient = call.at(3)[place(token * s.channels + c)] * silu_slope(sum);
      call.at(6)[place(c)] += gradient;
      for (std::int64_t lag = 0; lag < s.width && token - lag * s.batch >= 0; ++lag) {
        const std::size_t tap = place(c * s.width + s.width - 1 - lag);
        const std::size_t read = place((token - lag * s.batch) * s.channels + c);
        call.at(4)[read] += gradient * call.at(1)[tap];
        call.at(5)[tap] += gradient * call.at(0)[read];
      }
    }
  }
}

void reference(const ReferenceCall& call, const SsdShape& s) {
  const bool backward = call.op == KernelOp::ssd_backward;
  if (backward) {
    clear(call, 8, 12);
  }
  for (std::int64_t sequence = 0; sequence < s.batch; ++sequence) {
    for (std::int64_t head = 0; head < s.heads; ++head) {
      SsdColumn one(call, s, sequence, head);
      for (std::int64_t column = 0; column < s.head_size; ++column) {
        backward ? one.backward(column) : one.forward(column);
      }
    }
  }
}

void reference(const ReferenceCall& call, const ScanShape& s) {
  const bool backward = call.op == KernelOp::selective_scan_backward;
  if (backward) {
    clear(call, 9, 14);
  }
  for (std::int64_t sequence = 0; sequence < s.batch; ++sequence) {
    for (std::int64_t c = 0; c < s.channels; ++c) {
      ScanChannel one(call, s, sequence, c);
      backward ? one.backward() : one.forward();
    }
  }
}

}  // namespace forerun
