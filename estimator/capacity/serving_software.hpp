// How an engine runs a pass: what its host launches, and how its attention reads the cache.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "kernels/kernel_key.hpp"
#include "units/quantity.hpp"

namespace forerun {

struct ServingSoftware {
  std::string_view name = "cuda-graphs";
  /// Host time to launch one kernel or collective; nothing where whole passes are replayed.
  std::optional<Seconds> launch;
  /// A key-value head is read once for all its query heads, as FlashDecoding and XQA kernels do;
  /// else once for each query head.
  bool shares_cache = true;
  /// Norms, rotary positions, gates and attention are one kernel each; else as many as their
  /// PyTorch modules launch, and the cache is copied to be lengthened by a token.
  bool is_fused = true;
  /// A stage starts on a wave's next token while others finish this one; else every token ends on
  /// all stages, in a broadcast, before the next begins.
  bool flows = true;
};

/// cuda-graphs: vLLM, SGLang, TensorRT-LLM from 0.7 on. fastertransformer: it and TensorRT-LLM up
/// to 0.6, whose one-query kernel runs a block a query head; with stages it broadcasts each token
/// (ParallelGpt.cc of FasterTransformer 5.0 and 5.1, after the loop over micro-batches).
/// pytorch-eager: Hugging Face's
/// `generate` and its like.
[[nodiscard]] const std::vector<ServingSoftware>& serving_software();

/// Nothing for an unknown name.
[[nodiscard]] std::optional<ServingSoftware> serving_software_from(std::string_view name);

/// Kernels that the host launches for one operation of a fused engine.
[[nodiscard]] double launches_of(KernelOp op, const ServingSoftware& software);

}  // namespace forerun
