// Appends the operations of one layer of a served model.
#pragma once

#include <vector>

#include "estimator/capacity/serving_work.hpp"

namespace forerun {

class LayerBuilder {
 public:
  LayerBuilder(const ServedModel& served, const PassShape& pass, std::int64_t layer);

  void norm();
  void residual();
  void mixer();
  void feed_forward();

  [[nodiscard]] std::vector<ServingOp> take() { return std::move(ops_); }

 private:
  void product(ServingPart part, std::int64_t n, std::int64_t k);
  void rows_kernel(ServingPart part, KernelOp op, std::int64_t rows, std::int64_t columns);
  void heads_kernel(KernelOp op);
  void all_reduce();

  void grouped_attention();
  void latent_attention(const LatentAttention& latent);
  void latent_decode(const LatentAttention& latent);
  void prompt_attention(std::int64_t head_size, std::int64_t value_size);
  void decode_attention();
  void mamba(const StateSpace& s);
  void mamba2(const StateSpace& s);
  void delta_net(const DeltaNet& d);
  /// Reads and writes `elements` of state of every sequence; a scan over the prompts.
  void state_step(std::int64_t elements);
  void convolution(std::int64_t channels, std::int64_t width);

  void dense(std::int64_t width, ServingPart part);
  void experts(const MixtureOfExperts& moe);
  void exchange_tokens(const MixtureOfExperts& moe);

  const ServedModel& served_;
  const ModelShape& model_;
  const PassShape& pass_;
  std::int64_t layer_;
  LayerKind kind_;
  std::int64_t rows_;
  std::int64_t heads_;     ///< of this rank
  std::int64_t kv_heads_;  ///< of this rank
  DataType activation_;
  std::vector<ServingOp> ops_;
};

}  // namespace forerun
