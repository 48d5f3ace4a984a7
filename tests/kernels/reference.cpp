// Reference: dispatch, matrix product, tables, heads, flat arrays.
#include "tests/kernels/reference.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "tests/kernels/reference_detail.hpp"

namespace forerun {

void run_reference(const KernelKey& key,
                   const KernelScalars& scalars,
                   ReferenceOperands& operands) {
  const std::vector<Operand> list = operands_of(key);
  operands.resize(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    operands[i].resize(static_cast<std::size_t>(list[i].elements));
  }
  const ReferenceCall call{key.op, key.type, scalars, operands};
  std::visit([&call](const auto& shape) { reference(call, shape); }, key.shape);
}

void reference(const ReferenceCall& call, const GemmShape& s) {
  const auto m = static_cast<std::size_t>(s.m);
  const auto n = static_cast<std::size_t>(s.n);
  const auto k = static_cast<std::size_t>(s.k);
  // FP8: A, B, scale_a, scale_b, C.
  const bool is_scaled = call.operands.size() == 5;
  const double scale = is_scaled ? call.at(2)[0] * call.at(3)[0] : 1.0;
  std::vector<double>& c = call.operands.back();
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0.0;
      for (std::size_t p = 0; p < k; ++p) {
        const double a = call.at(0)[s.layout == GemmLayout::tn ? p * m + i : i * k + p];
        const double b = call.at(1)[s.layout == GemmLayout::nt ? j * k + p : p * n + j];
        sum += a * b;
      }
      const double before = s.output == GemmOutput::accumulate_fp32 ? c[i * n + j] : 0.0;
      c[i * n + j] = before + scale * sum;
    }
  }
}

namespace {

void rope(const ReferenceCall& call, const HeadsShape& s) {
  const double direction = call.op == KernelOp::rope_forward ? 1.0 : -1.0;
  const std::int64_t width = (s.heads + 2 * s.kv_heads) * s.head_size;
  const std::int64_t turned = rotary_size(s);
  const std::int64_t half = turned / 2;
  for (std::int64_t token = 0; token < s.tokens; ++token) {
    const auto position = static_cast<double>((call.scalars.first + token) / s.batch);
    for (std::int64_t head = 0; head < s.heads + s.kv_heads; ++head) {
      for (std::int64_t i = 0; i < half; ++i) {
        const double frequency = std::pow(
            call.scalars.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(turned));
        const double angle = direction * position * frequency;
        double& x = call.at(0)[static_cast<std::size_t>(token * width + head * s.head_size + i)];
        double& y =
            call.at(0)[static_cast<std::size_t>(token * width + head * s.head_size + half + i)];
        const double old = x;
        x = old * std::cos(angle) - y * std::sin(angle);
        y = y * std::cos(angle) + old * std::sin(angle);
      }
    }
  }
}

void qk_norm_head(const ReferenceCall& call,
                  const HeadsShape& s,
                  std::size_t first,
                  std::size_t index) {
  const auto n = static_cast<std::size_t>(s.head_size);
  const bool query = static_cast<std::int64_t>(index) % (s.heads + s.kv_heads) < s.heads;
  const std::vector<double>& x = call.at(0);
  const std::vector<double>& weight = call.at(query ? 1 : 2);
  if (call.op == KernelOp::qk_norm_forward) {
    double squares = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      squares += x[first + i] * x[first + i];
    }
    const double rstd =
        1.0 / std::sqrt(squares / static_cast<double>(n) + call.scalars.norm_epsilon);
    call.at(4)[index] = rstd;
    for (std::size_t i = 0; i < n; ++i) {
      call.at(3)[first + i] = x[first + i] * rstd * weight[i];
    }
    return;
  }
  const double rstd = call.at(3)[index];
  std::vector<double>& gradient = call.at(4);
  double projection = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    projection += gradient[first + i] * weight[i] * x[first + i] * rstd / static_cast<double>(n);
  }
  for (std::size_t i = 0; i < n; ++i) {
    const double normed = x[first + i] * rstd;
    const double dy = gradient[first + i];
    call.at(query ? 5 : 6)[i] += dy * normed;
    gradient[first + i] = rstd * (dy * weight[i] - normed * projection);
  }
}

}  // namespace

void reference(const ReferenceCall& call, const HeadsShape& s) {
  if (call.op == KernelOp::rope_forward || call.op == KernelOp::rope_backward) {
    rope(call, s);
    return;
  }
  if (call.op == KernelOp::qk_norm_forward) {
    call.at(3) = call.at(0);
  }
  const std::int64_t width = (s.heads + 2 * s.kv_heads) * s.head_size;
  for (std::int64_t token = 0; token < s.tokens; ++token) {
    for (std::int64_t head = 0; head < s.heads + s.kv_heads; ++head) {
      qk_norm_head(call,
                   s,
                   static_cast<std::size_t>(token * width + head * s.head_size),
                   static_cast<std::size_t>(token * (s.heads + s.kv_heads) + head));
    }
  }
}

void reference(const ReferenceCall& call, const TableShape& s) {
  const bool embeds =
      call.op == KernelOp::embedding_forward || call.op == KernelOp::embedding_backward;
  for (std::int64_t token = 0; token < s.tokens; ++token) {
    const std::int64_t row =
        embeds ? static_cast<std::int64_t>(call.at(0)[static_cast<std::size_t>(token)]) -
                     call.scalars.first
               : (call.scalars.first + token) / s.batch;
    const bool local = row >= 0 && row < s.table_rows;
    for (std::int64_t c = 0; c < s.columns; ++c) {
      const auto here = static_cast<std::size_t>(token * s.columns + c);
      const auto there = static_cast<std::size_t>(row * s.columns + c);
      if (call.op == KernelOp::embedding_forward) {
        call.at(2)[here] = local ? call.at(1)[there] : 0.0;
      } else if (call.op == KernelOp::embedding_backward && local) {
        call.at(2)[there] += call.at(1)[here];
      } else if (call.op == KernelOp::position_forward) {
        call.at(1)[here] += call.at(0)[there];
      } else if (call.op == KernelOp::position_backward) {
        call.at(1)[there] += call.at(0)[here];
      }
    }
  }
}

void reference(const ReferenceCall& call, const FlatShape& s) {
  if (call.op == KernelOp::zero) {
    std::ranges::fill(call.at(0), 0.0);
    return;
  }
  if (call.op == KernelOp::copy) {
    call.at(1) = call.at(0);
    return;
  }
  if (reference_gradient_array(call)) {
    return;
  }
  const AdamWScalars& a = call.scalars.adamw;
  const auto step = static_cast<double>(a.step);
  for (std::size_t i = 0; i < static_cast<std::size_t>(s.elements); ++i) {
    const double g = call.at(0)[i];
    double& weight = call.at(1)[i];
    double& m = call.at(2)[i];
    double& v = call.at(3)[i];
    m = a.beta1 * m + (1.0 - a.beta1) * g;
    v = a.beta2 * v + (1.0 - a.beta2) * g * g;
    const double m_hat = m / (1.0 - std::pow(a.beta1, step));
    const double v_hat = v / (1.0 - std::pow(a.beta2, step));
    weight -= a.learning_rate * a.weight_decay * weight;
    weight -= a.learning_rate * m_hat / (std::sqrt(v_hat) + a.epsilon);
  }
  if (call.operands.size() == 5) {
    call.at(4) = call.at(1);
  }
}

}  // namespace forerun
