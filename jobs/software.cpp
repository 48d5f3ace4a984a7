// The named presets, each with where its switches are documented.
#include "jobs/software.hpp"

#include <algorithm>

namespace forerun {
namespace {

// Megatron-LM 2.x (2020 to 2021), the code of arXiv 2104.04473: fused_softmax.py, fused_bias_gelu
// .py and bias_dropout_add in model/transformer.py; DistributedDataParallel "local" reduces fp16
// gradients after the last backward pass; p2p_communication.py scatters and gathers; dropout 0.1 is
// the default of --hidden-dropout and --attention-dropout; optimizer/optimizer.py unscales, checks,
// takes the norm and clips.
constexpr Software megatron_2021{
    .preset = "megatron-2021",
    .reads_in_place = true,
    .attention = AttentionMethod::unfused,
    .dropout = true,
    .fuses_bias = true,
    .cross_entropy = CrossEntropy::vocab_parallel,
    .fuses_gradient_accumulation = false,
    .gradients = GradientFormat::training,
    .gradient_reduce = GradientFormat::training,
    .overlaps_gradient_reduce = false,
    .overlaps_parameter_gather = false,
    .overlaps_tensor_backward = false,
    .scatters_messages = true,
    .clips_gradients = true,
    .scales_loss = true,
    .is_eager = true,
};

// Megatron-DeepSpeed in bf16: Megatron's kernels of 2021 under DeepSpeed's BF16_Optimizer
// (runtime/bf16_optimizer.py): update_hp_grads adds a micro-batch's bf16 gradients to fp32 ones,
// which are what _bf16_reduce_grads reduces (runtime/pipe/engine.py).
constexpr Software megatron_deepspeed = [] {
  Software software = megatron_2021;
  software.preset = "megatron-deepspeed";
  software.launches_like = "megatron-2021";
  software.keeps_narrow_gradients = true;
  software.gradients = GradientFormat::fp32;
  software.gradient_reduce = GradientFormat::fp32;
  software.scales_loss = false;
  return software;
}();

// Megatron-LM 3.0 (2022), the code of arXiv 2205.05198: tensor_parallel/layers.py runs the backward
// collectives beside the products (LinearWithGradAccumulationAndAsyncCommunication) and
// accumulates the weight gradient inside the product (--no-gradient-accumulation-fusion is the
// exception); attention still stores its scores.
constexpr Software megatron_2022{
    .preset = "megatron-2022",
    .reads_in_place = true,
    .attention = AttentionMethod::unfused,
    .dropout = true,
    .fuses_bias = true,
    .cross_entropy = CrossEntropy::vocab_parallel,
    .overlaps_gradient_reduce = false,
    .overlaps_parameter_gather = false,
    .scatters_messages = true,
    .clips_gradients = true,
    .scales_loss = true,
    .is_eager = true,
};

// Megatron-Core with Transformer Engine: fused attention, bias_swiglu and bias_dropout fusions,
// --overlap-grad-reduce, --overlap-param-gather, gradient accumulation fusion,
// fp32 gradients with bf16 (arguments.py sets accumulate_allreduce_grads_in_fp32).
// --optimizer-cpu-offload updates on the host: HybridDeviceOptimizer (optimizer/cpu_offloading)
// steps pinned copies with a CPU Adam; gradients go out in step() and weights come back behind it,
// one after the other unless --overlap-cpu-optimizer-d2h-h2d is given. TransformerEngine's modules,
// and the output layer beside them, take their stand-in gradients from get_dummy_wgrad
// (transformer_engine/pytorch/module/base.py; megatron/core/tensor_parallel/layers.py), which keeps
// one a shape. GroupedLinear starts a cuBLAS product an expert on four streams
// (general_grouped_gemm).
constexpr Software megatron_core{
    .preset = "megatron-core",
    .reads_in_place = true,
    .fuses_bias = true,
    .keeps_wgrad_stand_ins = true,
    .launches_each_expert = true,
    .scatters_messages = true,
    .clips_gradients = true,
    .offloaded_update = OffloadedUpdate::host,
    .is_eager = true,
};

// PyTorch FullyShardedDataParallel around eager modules (llm-foundry's PURE mixed precision: bf16
// parameters, gradients and reductions; F.cross_entropy over fp32 logits), FlashAttention-2, which
// flash-attn became in July 2023 and torch's scaled_dot_product_attention in 2.2.
// CPUOffload (FSDP2: CPUOffloadPolicy) moves sharded gradients to the host as they are reduced and
// steps there; without it nothing of the optimizer is offloaded.
constexpr Software fsdp{
    .preset = "fsdp",
    .reads_in_place = true,
    .attention = AttentionMethod::flash_2,
    .cross_entropy = CrossEntropy::torch,
    .fuses_gradient_accumulation = false,
    .gradients = GradientFormat::training,
    .gradient_reduce = GradientFormat::training,
    .overlaps_tensor_backward = false,
    .clips_gradients = true,
    .offloaded_update = OffloadedUpdate::host_with_gradients,
    .is_eager = true,
};

// Frameworks of early 2023: as fsdp, with FlashAttention's first version (its Triton form in
// llm-foundry's MPT models: attn_impl triton).
constexpr Software fsdp_2023 = [] {
  Software software = fsdp;
  software.preset = "fsdp-2023";
  software.attention = AttentionMethod::flash_1;
  return software;
}();

// nanotron (Hugging Face): eager modules with FlashAttention-2 and sharded cross-entropy;
// accumulate_grad_in_fp32, as its example configurations set (from memory), keeps one fp32 buffer
// (optim/gradient_accumulator.py) that is reduced as it is, after every bucket's last backward
// pass.
constexpr Software nanotron = [] {
  Software software = fsdp;
  software.preset = "nanotron";
  software.cross_entropy = CrossEntropy::vocab_parallel;
  software.gradients = GradientFormat::fp32;
  software.gradient_reduce = GradientFormat::fp32;
  return software;
}();

// torchtitan of 2024: FSDP2 with MixedPrecisionPolicy(param bf16, reduce fp32), torch.compile of
// every block (parallelize_llama.py) but not of the loss (train.py: turned off for errors on the
// device); scaled_dot_product_attention, which is FlashAttention-2. enable_cpu_offload is FSDP2's.
constexpr Software torchtitan{
    .preset = "torchtitan",
    .reads_in_place = true,
    .attention = AttentionMethod::flash_2,
    .fuses_bias = true,
    .fuses_residual_norm = true,
    .cross_entropy = CrossEntropy::torch,
    .fuses_gradient_accumulation = false,
    .gradients = GradientFormat::training,
    .clips_gradients = true,
    .offloaded_update = OffloadedUpdate::host_with_gradients,
};

// MaxText: XLA compiles the whole step into one program; fused attention, fused element-wise
// chains, gradients in the weights' format, clip by global norm. optimizer_memory_host_offload
// puts the state into pinned host memory and copies it to the device for the update (train.py).
constexpr Software maxtext{
    .preset = "maxtext",
    .reads_in_place = true,
    .fuses_bias = true,
    .fuses_residual_norm = true,
    .clips_gradients = true,
};

// Megatron-DeepSpeed of 2022 under ZeRO: Megatron's kernels of 2021, the engine's own reduction of
// fp16 gradients with overlap_comm, sharded optimizer (zero/stage3.py). Weights are fetched by a
// hook of every module (partitioned_param_coordinator.py, fetch_sub_module); small ones, below
// stage3_param_persistence_threshold (1e5), stay. ZeRO-Offload (Ren et al. 2021, arXiv 2101.06840;
// ops/adam/cpu_adam.py): DeepSpeedCPUAdam on the host, to which reduced gradients go.
constexpr Software deepspeed_2022{
    .preset = "deepspeed-2022",
    .reads_in_place = true,
    .attention = AttentionMethod::unfused,
    .dropout = true,
    .fuses_bias = true,
    .cross_entropy = CrossEntropy::vocab_parallel,
    .fuses_gradient_accumulation = false,
    .gradients = GradientFormat::training,
    .gradient_reduce = GradientFormat::training,
    .overlaps_parameter_gather = false,
    .overlaps_tensor_backward = false,
    .scatters_messages = true,
    .gathers_by_module = true,
    .clips_gradients = true,
    .offloaded_update = OffloadedUpdate::host_with_gradients,
    .scales_loss = true,
    .is_eager = true,
};

// DeepSpeed of 2024 and later around Hugging Face's models with Liger's kernels: FlashAttention by
// the version that the device has, Liger's fused loss, norms and activations (README of
// linkedin/Liger-Kernel); ZeRO as before (zero/stage3.py), in bf16 with gradients kept and reduced
// so (engine.py, communication_data_type), fetching ahead (stage3_prefetch_bucket_size) and
// reducing beside the backward pass (overlap_comm, on for stage 3).
constexpr Software deepspeed = [] {
  Software software = deepspeed_2022;
  software.preset = "deepspeed";
  software.attention = AttentionMethod::flash;
  software.dropout = false;
  software.cross_entropy = CrossEntropy::fused;
  software.overlaps_parameter_gather = true;
  software.scatters_messages = false;
  software.scales_loss = false;
  return software;
}();

// Hugging Face's peft beside transformers' eager modules (2024): scaled_dot_product_attention, the
// loss over fp32 logits (ForCausalLMLoss), adapters in the training's format with moments in fp32
// and no master copy, as QLoRA's script sets them (qlora.py: LoraLayer to bf16, paged_adamw_32bit,
// max_grad_norm 0.3); adapters accumulate like any weight (Trainer, gradient_accumulation_steps).
// The paged optimizer's state comes to the device page by page for the update.
constexpr Software peft = [] {
  Software software = fsdp;
  software.preset = "peft";
  software.offloaded_update = OffloadedUpdate::device;
  software.keeps_master_weights = false;
  return software;
}();

constexpr auto presets = std::to_array<Software>({Software{},
                                                  megatron_2021,
                                                  megatron_deepspeed,
                                                  megatron_2022,
                                                  megatron_core,
                                                  fsdp,
                                                  fsdp_2023,
                                                  nanotron,
                                                  torchtitan,
                                                  maxtext,
                                                  deepspeed_2022,
                                                  deepspeed,
                                                  peft});

std::string_view yes_or_no(bool value) {
  return value ? "yes" : "no";
}

std::string_view name_of(GradientFormat format) {
  return format == GradientFormat::fp32 ? "fp32" : "as weights";
}

}  // namespace

std::string_view name_of(AttentionMethod method) {
  switch (method) {
    case AttentionMethod::unfused:
      return "unfused";
    case AttentionMethod::flash:
      return "flash";
    case AttentionMethod::flash_1:
      return "flash-1";
    case AttentionMethod::flash_2:
      return "flash-2";
  }
  return {};
}

std::string_view name_of(CrossEntropy method) {
  switch (method) {
    case CrossEntropy::fused:
      return "fused";
    case CrossEntropy::vocab_parallel:
      return "vocab-parallel, fp32";
    case CrossEntropy::torch:
      return "torch, fp32";
  }
  return {};
}

std::string_view name_of(OffloadedUpdate update) {
  switch (update) {
    case OffloadedUpdate::device:
      return "on the device, state streamed";
    case OffloadedUpdate::host:
      return "on the host";
    case OffloadedUpdate::host_with_gradients:
      return "on the host, gradients kept there";
  }
  return {};
}

std::span<const Software> software_presets() {
  return presets;
}

const Software* software_preset(std::string_view name) {
  const auto* const found = std::ranges::find(presets, name, &Software::preset);
  return found == presets.end() ? nullptr : found;
}

const Software& usual_software(bool has_adapters) {
  return has_adapters ? presets.back() : megatron_core;
}

std::array<std::pair<std::string_view, std::string_view>, 22> switches_of(const Software& s) {
  return {{{"reads_in_place", yes_or_no(s.reads_in_place)},
           {"attention", name_of(s.attention)},
           {"dropout", yes_or_no(s.dropout)},
           {"fuses_bias", yes_or_no(s.fuses_bias)},
           {"fuses_residual_norm", yes_or_no(s.fuses_residual_norm)},
           {"cross_entropy", name_of(s.cross_entropy)},
           {"fuses_gradient_accumulation", yes_or_no(s.fuses_gradient_accumulation)},
           {"keeps_wgrad_stand_ins", yes_or_no(s.keeps_wgrad_stand_ins)},
           {"keeps_narrow_gradients", yes_or_no(s.keeps_narrow_gradients)},
           {"launches_each_expert", yes_or_no(s.launches_each_expert)},
           {"gradients", name_of(s.gradients)},
           {"gradient_reduce", name_of(s.gradient_reduce)},
           {"overlaps_gradient_reduce", yes_or_no(s.overlaps_gradient_reduce)},
           {"overlaps_parameter_gather", yes_or_no(s.overlaps_parameter_gather)},
           {"overlaps_tensor_backward", yes_or_no(s.overlaps_tensor_backward)},
           {"scatters_messages", yes_or_no(s.scatters_messages)},
           {"gathers_by_module", yes_or_no(s.gathers_by_module)},
           {"keeps_master_weights", yes_or_no(s.keeps_master_weights)},
           {"offloaded_update", name_of(s.offloaded_update)},
           {"clips_gradients", yes_or_no(s.clips_gradients)},
           {"is_eager", yes_or_no(s.is_eager)},
           {"waits_for_kernels", yes_or_no(s.waits_for_kernels)}}};
}

}  // namespace forerun
