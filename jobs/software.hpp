// What a training framework does beside the arithmetic of the model: which kernels are fused, what
// is kept, in which format gradients travel, what runs beside what. Stated, never fitted.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <utility>

namespace forerun {

/// `unfused` stores scores and probabilities in memory (fused scale, mask and softmax between two
/// batched products), as every framework did before FlashAttention. `flash` is the fastest that is
/// known of the device; flash_1 and flash_2 are that version (arXiv 2205.14135, 2307.08691).
enum class AttentionMethod { unfused, flash, flash_1, flash_2 };

/// `fused`: maximum, sum and gradient of the loss read the logits in their own format.
/// `vocab_parallel`: an fp32 copy of the logits becomes softmax, then gradient, in place
/// (Megatron's VocabParallelCrossEntropy). `torch`: torch.nn.functional.cross_entropy of an fp32
/// copy; the logarithms of the probabilities are another, and so are the gradients by them and by
/// the logits.
enum class CrossEntropy { fused, vocab_parallel, torch };

/// `fp32`: one fp32 buffer; `training`: the format of weights and activations.
enum class GradientFormat { fp32, training };

/// Where the update of an offloaded optimizer runs. `device`: its state streams in and out around
/// the kernel. `host`: on the host's cores, to which gradients go at the end of the step, and
/// updated weights come back. `host_with_gradients`: the same, but gradients leave as soon as they
/// are reduced and are kept there.
enum class OffloadedUpdate { device, host, host_with_gradients };

/// One line each; the defaults are what forerun's own step does (`rehearse`).
struct Software {
  std::string_view preset = "forerun";
  /// Kernels read parts of a wider tensor where they lie (tensor views, or one fused kernel); else
  /// the parts are copied.
  bool reads_in_place = false;
  AttentionMethod attention = AttentionMethod::flash;
  /// Dropout of hidden states (and of unfused attention's probabilities): masks are drawn, kept
  /// and moved. Its rate changes no cost.
  bool dropout = false;
  /// Biases are added inside the following activation, dropout or residual sum.
  bool fuses_bias = false;
  /// Residual sum and the norm behind it are one kernel.
  bool fuses_residual_norm = false;
  CrossEntropy cross_entropy = CrossEntropy::fused;
  /// wgrad adds into the accumulated gradient inside the product; else a separate kernel does.
  bool fuses_gradient_accumulation = true;
  /// And for the gradient that went there, autograd gets a buffer of the weight's shape in the
  /// training's format, one for all weights of a shape.
  bool keeps_wgrad_stand_ins = false;
  /// Gradients in the training's format stay until a micro-batch is done, then a kernel adds them.
  bool keeps_narrow_gradients = false;
  /// Products of experts are started one by one, not as one kernel.
  bool launches_each_expert = false;
  GradientFormat gradients = GradientFormat::fp32;        ///< as accumulated
  GradientFormat gradient_reduce = GradientFormat::fp32;  ///< as sent
  bool overlaps_gradient_reduce = true;   ///< bucket by bucket under the last backward pass
  bool overlaps_parameter_gather = true;  ///< under the next step's first forward pass
  /// Gathers under dgrad and reductions under wgrad of the tensor group, in the backward pass.
  bool overlaps_tensor_backward = true;
  /// Without sequence parallelism every tensor rank sends its 1/tp of a pipeline message and the
  /// receivers gather it (Narayanan et al. 2021, arXiv 2104.04473, section 4.1).
  bool scatters_messages = false;
  /// ZeRO-3 gathers every module's weights on its own; else a layer's weights together.
  bool gathers_by_module = false;
  /// 16-bit training keeps an fp32 copy of the weights that it updates.
  bool keeps_master_weights = true;
  bool clips_gradients = false;  ///< norm of the gradients before every update
  OffloadedUpdate offloaded_update = OffloadedUpdate::device;
  bool scales_loss = false;  ///< fp16: gradients are unscaled and checked for overflow
  /// Launched one by one from Python: the host's cost per kernel can bind (`HostCost`).
  bool is_eager = false;
  /// The preset whose modules are the same and so cost the host the same; empty: none.
  std::string_view launches_like = {};
  /// CUDA_LAUNCH_BLOCKING=1: the host waits for every kernel before it starts the next, so that
  /// launches hide under nothing and nothing runs beside anything.
  bool waits_for_kernels = false;
};

[[nodiscard]] std::string_view name_of(AttentionMethod method);
[[nodiscard]] std::string_view name_of(CrossEntropy method);
[[nodiscard]] std::string_view name_of(OffloadedUpdate update);

/// megatron-2021, megatron-deepspeed, megatron-2022, megatron-core, fsdp, fsdp-2023, nanotron,
/// torchtitan, maxtext, deepspeed-2022, deepspeed, peft and forerun, each with the documents it was
/// read from beside it in the source.
[[nodiscard]] std::span<const Software> software_presets();

/// Null for any other name.
[[nodiscard]] const Software* software_preset(std::string_view name);

/// What a GPU is taken to run when nothing is said: megatron-core, and peft for adapters.
[[nodiscard]] const Software& usual_software(bool has_adapters);

/// One line per switch for people ("attention unfused", ...), for `estimate --verbose`.
[[nodiscard]] std::array<std::pair<std::string_view, std::string_view>, 22> switches_of(
    const Software& software);

}  // namespace forerun
