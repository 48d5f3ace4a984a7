// The feed-forward half of a layer: dense, or a mixture of experts.
#include <algorithm>
#include <cmath>

#include "estimator/capacity/layer_builder.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

KernelOp activation_op(Activation activation) {
  switch (activation) {
    case Activation::swiglu:
      return KernelOp::swiglu_forward;
    case Activation::geglu:
      return KernelOp::geglu_forward;
    case Activation::gelu:
      return KernelOp::gelu_forward;
    case Activation::relu:
    case Activation::relu_squared:
      return KernelOp::relu_forward;
  }
  return KernelOp::gelu_forward;
}

std::int64_t whole(double number) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(number)));
}

}  // namespace

double touched_experts(std::int64_t experts, std::int64_t top_k, double tokens) {
  const auto all = static_cast<double>(experts);
  return all * (1.0 - std::pow(1.0 - static_cast<double>(top_k) / all, tokens));
}

void LayerBuilder::dense(std::int64_t width, ServingPart part) {
  const std::int64_t columns = std::max<std::int64_t>(1, width / served_.layout.tensor);
  product(part, (is_gated(model_.activation) ? 2 : 1) * columns, model_.hidden);
  rows_kernel(ServingPart::elementwise, activation_op(model_.activation), rows_, columns);
  product(part, model_.hidden, columns);
}

void LayerBuilder::feed_forward() {
  switch (kind_.ffn) {
    case FeedForward::dense:
      dense(model_.ffn_hidden, ServingPart::weights);
      break;
    case FeedForward::experts:
      experts(*model_.moe);
      break;
    case FeedForward::none:
      return;
  }
  all_reduce();
}

// Balanced routing: every rank of the stage gets its share of all groups' tokens, and every expert
// that any token names is read once.
void LayerBuilder::experts(const MixtureOfExperts& moe) {
  const DataType type = product_type(served_.format.weights);
  const auto groups = static_cast<double>(attention_groups(served_.layout));
  const double tokens = static_cast<double>(rows_) * groups;
  const auto ranks = static_cast<double>(served_.layout.expert);
  const std::int64_t width = moe.expert_hidden / expert_tensor(served_.layout);
  const std::int64_t touched = whole(touched_experts(moe.experts, moe.top_k, tokens) / ranks);
  const std::int64_t rows =
      std::max(touched, whole(tokens * static_cast<double>(moe.top_k) / ranks));
  const std::int64_t largest = (rows + touched - 1) / touched;

  ops_.push_back(
      {ServingPart::experts,
       KernelKey{KernelOp::gemm, activation_, GemmShape{rows_, moe.experts, model_.hidden}}});
  const RouterShape choice{rows_, moe.experts, moe.top_k};
  ops_.push_back({ServingPart::experts, KernelKey{KernelOp::router_forward, activation_, choice}});
  ops_.push_back({ServingPart::experts, KernelKey{KernelOp::expert_sort, activation_, choice}});
  const std::int64_t outer = expert_width(model_);
  if (moe.latent > 0) {
    product(ServingPart::experts, moe.latent, model_.hidden);
  }
  exchange_tokens(moe);
  const PermuteShape copies{rows_, moe.top_k, outer};
  ops_.push_back({ServingPart::experts, KernelKey{KernelOp::permute_forward, activation_, copies}});
  const auto grouped = [&](std::int64_t n, std::int64_t k) {
    ops_.push_back(
        {ServingPart::experts,
         WeightProduct{
             {KernelOp::grouped_gemm, type, GroupedGemmShape{touched, rows, largest, n, k}}}});
  };
  grouped((is_gated(model_.activation) ? 2 : 1) * width, outer);
  rows_kernel(ServingPart::experts, activation_op(model_.activation), rows, width);
  grouped(outer, width);
  exchange_tokens(moe);
  ops_.push_back(
      {ServingPart::experts, KernelKey{KernelOp::unpermute_forward, activation_, copies}});
  if (moe.latent > 0) {
    product(ServingPart::experts, model_.hidden, moe.latent);
  }
  if (moe.shared_hidden > 0) {
    dense(moe.shared_hidden, ServingPart::experts);
  }
}

// With one attention group every rank of it holds all tokens and the all-reduce that follows joins
// the experts' outputs; with several, tokens travel to their experts and back (modelling.md 2.4).
void LayerBuilder::exchange_tokens(const MixtureOfExperts& moe) {
  if (attention_groups(served_.layout) == 1) {
    return;
  }
  const double sent = static_cast<double>(rows_) / static_cast<double>(served_.layout.tensor) *
                      static_cast<double>(std::min(moe.top_k, served_.layout.expert));
  const auto bytes = static_cast<std::int64_t>(sent * static_cast<double>(expert_width(model_)) *
                                               size_of(activation_).in(unit::byte));
  ops_.push_back({ServingPart::exchange,
                  CollectiveKey{Collective::all_to_all,
                                std::max<std::int64_t>(1, bytes),
                                activation_,
                                neighbours(served_.layout.expert, served_.devices_per_node)}});
}

}  // namespace forerun
