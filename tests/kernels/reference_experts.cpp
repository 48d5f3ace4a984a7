// Reference: products of experts, routing, permutation, each token and choice by itself.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "tests/kernels/reference_detail.hpp"

namespace forerun {
namespace {

// One row of the sorted rows with its group's weight [n x k].
class GroupedProduct {
 public:
  GroupedProduct(const ReferenceCall& call, const GroupedGemmShape& s) : call_(call), s_(s) {}

  void run() {
    if (s_.output == GemmOutput::store) {
      std::fill(call_.at(3).begin(), call_.at(3).end(), 0.0);
    }
    std::int64_t row = 0;
    for (std::int64_t group = 0; group < s_.groups; ++group) {
      for (; row < static_cast<std::int64_t>(call_.at(2)[place(group)]); ++row) {
        add_row(group, row);
      }
    }
  }

 private:
  void add_row(std::int64_t group, std::int64_t row) const {
    for (std::int64_t i = 0; i < s_.n; ++i) {
      for (std::int64_t j = 0; j < s_.k; ++j) {
        const std::size_t weight = place((group * s_.n + i) * s_.k + j);
        const std::size_t wide = place(row * s_.n + i);
        const std::size_t narrow = place(row * s_.k + j);
        switch (s_.layout) {
          case GemmLayout::nt:
            call_.at(3)[wide] += call_.at(0)[narrow] * call_.at(1)[weight];
            break;
          case GemmLayout::nn:
            call_.at(3)[narrow] += call_.at(0)[wide] * call_.at(1)[weight];
            break;
          case GemmLayout::tn:
            call_.at(3)[weight] += call_.at(0)[wide] * call_.at(1)[narrow];
            break;
        }
      }
    }
  }

  const ReferenceCall& call_;
  const GroupedGemmShape& s_;
};

void route(const ReferenceCall& call, const RouterShape& s) {
  for (std::int64_t token = 0; token < s.tokens; ++token) {
    std::vector<std::int64_t> order(place(s.experts));
    std::iota(order.begin(), order.end(), 0);
    const auto logit = [&](std::int64_t expert) {
      return call.at(0)[place(token * s.experts + expert)];
    };
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
      return logit(a) > logit(b);
    });
    double sum = 0.0;
    for (std::int64_t i = 0; i < s.top_k; ++i) {
      sum += std::exp(logit(order[place(i)]) - logit(order.front()));
    }
    for (std::int64_t i = 0; i < s.top_k; ++i) {
      call.at(1)[place(token * s.top_k + i)] =
          std::exp(logit(order[place(i)]) - logit(order.front())) / sum;
      call.at(2)[place(token * s.top_k + i)] = static_cast<double>(order[place(i)]);
    }
  }
}

// The softmax's derivative: d_logit_i = w_i (d_w_i - sum_j w_j d_w_j).
void route_back(const ReferenceCall& call, const RouterShape& s) {
  std::fill(call.at(3).begin(), call.at(3).end(), 0.0);
  for (std::int64_t token = 0; token < s.tokens; ++token) {
    double mean = 0.0;
    for (std::int64_t i = token * s.top_k; i < (token + 1) * s.top_k; ++i) {
      mean += call.at(1)[place(i)] * call.at(2)[place(i)];
    }
    for (std::int64_t i = token * s.top_k; i < (token + 1) * s.top_k; ++i) {
      const auto expert = static_cast<std::int64_t>(call.at(0)[place(i)]);
      call.at(3)[place(token * s.experts + expert)] =
          call.at(1)[place(i)] * (call.at(2)[place(i)] - mean);
    }
  }
}

void sort_by_expert(const ReferenceCall& call, const RouterShape& s) {
  std::vector<std::int64_t> order(place(s.tokens * s.top_k));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return call.at(0)[place(a)] < call.at(0)[place(b)];
  });
  std::fill(call.at(1).begin(), call.at(1).end(), 0.0);
  for (std::size_t row = 0; row < order.size(); ++row) {
    call.at(2)[place(order[row])] = static_cast<double>(row);
    for (auto expert = place(static_cast<std::int64_t>(call.at(0)[place(order[row])]));
         expert < call.at(1).size();
         ++expert) {
      call.at(1)[expert] += 1.0;
    }
  }
}

}  // namespace

void reference(const ReferenceCall& call, const GroupedGemmShape& s) {
  GroupedProduct(call, s).run();
}

void reference(const ReferenceCall& call, const RouterShape& s) {
  if (call.op == KernelOp::router_forward) {
    route(call, s);
  } else if (call.op == KernelOp::router_backward) {
    route_back(call, s);
  } else {
    sort_by_expert(call, s);
  }
}

void reference(const ReferenceCall& call, const PermuteShape& s) {
  const bool sums_copies =
      call.op == KernelOp::permute_backward || call.op == KernelOp::unpermute_forward;
  if (sums_copies) {
    auto& result = call.at(call.op == KernelOp::permute_backward ? 2 : 3);
    std::fill(result.begin(), result.end(), 0.0);
  }
  for (std::int64_t copy = 0; copy < s.tokens * s.top_k; ++copy) {
    const std::int64_t token = copy / s.top_k;
    const auto row = static_cast<std::int64_t>(call.at(1)[place(copy)]);
    double dot = 0.0;
    for (std::int64_t i = 0; i < s.columns; ++i) {
      const std::size_t narrow = place(token * s.columns + i);
      const std::size_t wide = place(row * s.columns + i);
      switch (call.op) {
        case KernelOp::permute_forward:
          call.at(2)[wide] = call.at(0)[narrow];
          break;
        case KernelOp::permute_backward:
          call.at(2)[narrow] += call.at(0)[wide];
          break;
        case KernelOp::unpermute_forward:
          call.at(3)[narrow] += call.at(2)[place(copy)] * call.at(0)[wide];
          break;
        default:  // unpermute_backward
          call.at(4)[wide] = call.at(2)[place(copy)] * call.at(3)[narrow];
          dot += call.at(0)[wide] * call.at(3)[narrow];
      }
    }
    if (call.op == KernelOp::unpermute_backward) {
      call.at(5)[place(copy)] = dot;
    }
  }
}

}  // namespace forerun
