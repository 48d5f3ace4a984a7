// Fine-tuning with adapters, and distillation: what is left out of a step and what is added to it.
#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "estimator/step/memory.hpp"
#include "estimator/step/part_work.hpp"
#include "estimator/step/step_time.hpp"
#include "estimator/step/teacher.hpp"
#include "jobs/read_model.hpp"
#include "kernels/kernel_cost.hpp"
#include "kernels/nf4.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

Job tuned(const std::string& model, Tuning tuning, const ParallelLayout& layout = {}) {
  Job job{read_model(model), {}, layout};
  job.recipe.sequence = 512;
  job.recipe.global_batch = layout.data * layout.pipeline;
  job.recipe.software = usual_software(true);
  job.recipe.tuning = tuning;
  return job;
}

PartWork layer_of(const Job& job, PartKind kind = PartKind::layer, std::int64_t layer = 0) {
  const WorkBuilder builder(job, {8});
  return part_work(job, builder, kind, layer);
}

double matrix_flop(const std::vector<WorkItem>& items) {
  double flop = 0.0;
  for (const WorkItem& item : items) {
    const auto* const kernel = std::get_if<KernelWork>(&item.work);
    if (kernel != nullptr && kernel->key.op == KernelOp::gemm) {
      flop += hardware_flops(kernel->key).in(unit::flop);
    }
  }
  return flop;
}

bool keeps(const PartWork& work, TensorName name) {
  return std::ranges::find(work.kept, name, &TensorId::name) != work.kept.end();
}

// Every rank's share of the adapters, whatever the model is made of.
TEST(Tuning, RanksHoldTheAdaptersOnce) {
  for (const char* model : {"gpt2",
                            "llama-3-8b",
                            "falcon-40b",
                            "mixtral-8x7b",
                            "deepseek-v2-lite",
                            "qwen1.5-moe-a2.7b",
                            "jamba-v0.1",
                            "qwen3-next-80b-a3b",
                            "mamba2-2.7b"}) {
    const Job job = tuned(model, Tuning::lora);
    const StageWeights weights = stage_weights(job, 0);
    EXPECT_EQ(weights.parameters, adapter_parameters(job.model, job.recipe.adapters)) << model;
    EXPECT_EQ(weights.expert_elements, 0) << model;
    Job whole = job;
    whole.recipe.tuning = Tuning::full;
    const StageWeights all = stage_weights(whole, 0);
    EXPECT_EQ(weights.frozen_elements, all.elements) << model;
    EXPECT_EQ(weights.frozen_expert_elements, all.expert_elements) << model;
  }
}

// q, k, v, gate and up lie by rows: their B is split; out and down by columns: their A is. 2 * 4096
// columns of A and 4096 rows of B stay whole for five of Llama's matrices and two.
TEST(Tuning, TensorRanksSplitOneMatrixOfEachAdapter) {
  const Job job = tuned("llama-3-8b", Tuning::lora, {.tensor = 4});
  const std::int64_t split = (4096 + 2 * 1024 + 2 * 14336) + (4096 + 14336);
  const std::int64_t whole = 5 * 4096 + 2 * 4096;
  EXPECT_EQ(stage_weights(job, 0).parameters, 32 * 16 * (split / 4 + whole));
  EXPECT_EQ(stage_weights(job, 0).tensor_summed_elements, 32 * 16 * whole);
}

// A frozen layer multiplies twice, not three times, and six times as an adapter's two matrices are
// trained; nothing is recomputed here.
TEST(Tuning, DropsTheWeightsGradientsAndAddsTheAdapters) {
  for (const char* model : {"llama-3-8b", "gpt2", "falcon-40b"}) {
    Job job = tuned(model, Tuning::full);
    const PartWork full = layer_of(job);
    job.recipe.tuning = Tuning::lora;
    const PartWork lora = layer_of(job);
    const double once = matrix_flop(full.forward);
    const double adapters =
        2.0 * 512.0 * static_cast<double>(adapter_parameters(job.model, job.recipe.adapters)) /
        static_cast<double>(job.model.layers);
    EXPECT_DOUBLE_EQ(matrix_flop(full.backward), 2.0 * once) << model;
    EXPECT_DOUBLE_EQ(matrix_flop(lora.forward), once + adapters) << model;
    EXPECT_DOUBLE_EQ(matrix_flop(lora.backward), once + 2.0 * adapters) << model;
  }
}

// In 8 bits the frozen products stay in 8 bits, and the adapters in 16.
TEST(Tuning, KeepsFp8ForFrozenProducts) {
  Job job = tuned("llama-3-8b", Tuning::lora);
  job.recipe.precision = Precision::fp8;
  const auto flop_in = [](const std::vector<WorkItem>& items, bool in_fp8) {
    double flop = 0.0;
    for (const WorkItem& item : items) {
      const auto* const kernel = std::get_if<KernelWork>(&item.work);
      if (kernel != nullptr && kernel->key.op == KernelOp::gemm &&
          is_fp8(kernel->key.type) == in_fp8) {
        flop += hardware_flops(kernel->key).in(unit::flop);
      }
    }
    return flop;
  };
  const PartWork layer = layer_of(job);
  const double once = 2.0 * 512.0 * 4096.0 * (2 * 4096 + 2 * 1024 + 3 * 14336);
  const double adapters = 2.0 * 512.0 * 16.0 * (2 * 8192 + 2 * 5120 + 3 * 18432);
  EXPECT_DOUBLE_EQ(flop_in(layer.forward, true), once);
  EXPECT_DOUBLE_EQ(flop_in(layer.backward, true), once);
  EXPECT_DOUBLE_EQ(flop_in(layer.forward, false), adapters);
  EXPECT_DOUBLE_EQ(flop_in(layer.backward, false), 2.0 * adapters);
  const WorkBuilder builder(job, {8});
  for (const WorkItem& item : builder.tail(stage_weights(job, 0), 0)) {
    const auto* const kernel = std::get_if<KernelWork>(&item.work);
    EXPECT_FALSE(kernel != nullptr && kernel->key.op == KernelOp::cast);
  }
}

// What only a frozen weight's gradient read is not kept: the FFN's input, when nothing in the FFN
// is adapted; what its activation's gradient reads is.
TEST(Tuning, KeepsWhatAdaptersRead) {
  Job job = tuned("llama-3-8b", Tuning::lora);
  job.recipe.adapters.targets = *lora_targets_from("q_proj+v_proj");
  const PartWork some = layer_of(job);
  EXPECT_TRUE(keeps(some, TensorName::norm1));
  EXPECT_FALSE(keeps(some, TensorName::norm2));
  EXPECT_FALSE(keeps(some, TensorName::activated));
  EXPECT_TRUE(keeps(some, TensorName::up));
  job.recipe.adapters.targets = {};
  const PartWork all = layer_of(job);
  EXPECT_TRUE(keeps(all, TensorName::norm2));
  EXPECT_TRUE(keeps(all, TensorName::activated));
}

TEST(Tuning, TrainsNeitherEmbeddingNorHead) {
  const Job job = tuned("llama-3-8b", Tuning::lora);
  EXPECT_TRUE(layer_of(job, PartKind::embedding).backward.empty());
  const PartWork head = layer_of(job, PartKind::head);
  EXPECT_DOUBLE_EQ(matrix_flop(head.backward), matrix_flop(head.forward));
}

// Attention has no weights: over a sequence on several ranks its kernels and messages stay, whose
// operands stand for pieces that later items know by other names.
TEST(Tuning, KeepsAttentionOverASplitSequence) {
  for (const ContextKind kind : {ContextKind::ring,
                                 ContextKind::all_gather,
                                 ContextKind::ulysses,
                                 ContextKind::hierarchical}) {
    Job job = tuned("llama-3-8b", Tuning::full, {.context = 8});
    job.recipe.context_kind = kind;
    const auto attention = [](const std::vector<WorkItem>& items) {
      std::vector<KernelKey> kernels;
      for (const WorkItem& item : items) {
        const auto* const kernel = std::get_if<KernelWork>(&item.work);
        if (kernel != nullptr && kernel->key.op == KernelOp::attention_backward) {
          kernels.push_back(kernel->key);
        }
      }
      return kernels;
    };
    const auto messages = [](const std::vector<WorkItem>& items) {
      return std::ranges::count(items, Part::context_parallel, &WorkItem::part);
    };
    const PartWork full = layer_of(job);
    job.recipe.tuning = Tuning::lora;
    const PartWork lora = layer_of(job);
    EXPECT_FALSE(attention(full.backward).empty()) << name_of(kind);
    EXPECT_EQ(attention(lora.backward), attention(full.backward)) << name_of(kind);
    EXPECT_GT(messages(full.backward), 0) << name_of(kind);
    EXPECT_EQ(messages(lora.backward), messages(full.backward)) << name_of(kind);
  }
}

// Before each product of each pass; 4.127 bits a weight (arXiv 2305.14314, section 3: 0.127 bits of
// constants instead of 0.5).
TEST(Tuning, WidensFourBitsBeforeEveryProduct) {
  Job job = tuned("llama-3-8b", Tuning::qlora);
  const auto widened = [](const std::vector<WorkItem>& items) {
    std::int64_t elements = 0;
    for (const WorkItem& item : items) {
      const auto* const kernel = std::get_if<KernelWork>(&item.work);
      if (kernel != nullptr && kernel->key.op == KernelOp::dequantize) {
        elements += std::get<FlatShape>(kernel->key.shape).elements;
      }
    }
    return elements;
  };
  const std::int64_t layer = 4096 * (2 * 4096 + 2 * 1024 + 3 * 14336);
  const PartWork kept = layer_of(job);
  EXPECT_EQ(widened(kept.forward), layer);
  EXPECT_EQ(widened(kept.backward), layer);
  const PartWork repeated = layer_of(job, PartKind::recomputed_layer);
  EXPECT_EQ(widened(repeated.backward), 2 * layer);
  EXPECT_EQ(stage_weights(job, 0).quantized_elements, 32 * layer);
  const std::int64_t elements = std::int64_t{64} * 256 * 1000;
  EXPECT_DOUBLE_EQ(8.0 * static_cast<double>(nf4_bytes(elements)) / static_cast<double>(elements),
                   4.0 + 8.0 / 64.0 + 32.0 / (64.0 * 256.0));
}

StageMemory memory_of(const Job& job) {
  const WorkBuilder builder(job, {8});
  return step_memory(job, builder, gpu_overheads(job.layout)).front();
}

// arXiv 2305.14314, abstract and introduction: a model of 65B fits one GPU of 48 GB, and its full
// fine-tuning in 16 bits needs more than 780 GB: 12 bytes a parameter.
TEST(Tuning, FitsTheLlama65bIntoOneGpuOf48Gb) {
  Job job = tuned("llama-65b", Tuning::qlora);
  job.recipe.global_batch = 16;
  job.recipe.recompute.kind = Recompute::full;
  job.recipe.adapters.rank = 64;
  EXPECT_LT(total_of(memory_of(job)), 48.0 * unit::gibibyte);
  EXPECT_GT(total_of(memory_of(job)), 40.0 * unit::gibibyte);  // "41 GB" to serve it already
  job.recipe.tuning = Tuning::full;
  EXPECT_GT(total_of(memory_of(job)), 780.0 * unit::gigabyte);
}

TEST(Tuning, SplitsFrozenWeightsWithZero3) {
  Job job = tuned("llama-3-8b", Tuning::lora, {.data = 8});
  job.recipe.zero = ZeroStage::parameters;
  const StageMemory sharded = memory_of(job);
  job.recipe.zero = ZeroStage::optimizer;
  const StageMemory whole = memory_of(job);
  const double frozen = 2.0 * static_cast<double>(stage_weights(job, 0).frozen_elements);
  EXPECT_GT(sharded.weights.in(unit::byte), frozen / 8.0);
  EXPECT_LT(sharded.weights.in(unit::byte), 0.3 * frozen);  // and what is at work, gathered
  EXPECT_GT(whole.weights.in(unit::byte), frozen);
}

TEST(Tuning, RefusesWhatIsNotModelled) {
  const auto reason = [](const Job& job) { return unsupported_because(job).value_or(""); };
  Job job = tuned("gpt2", Tuning::lora);
  EXPECT_EQ(reason(job), "");
  job.recipe.adapters.targets = *lora_targets_from("gate_proj");
  EXPECT_EQ(reason(job),
            "--lora-targets gate_proj names no layer of gpt2 (expected all-linear, or some of "
            "q_proj+k_proj+v_proj+o_proj+up_proj+down_proj)");
  job = tuned("gpt2", Tuning::lora);
  job.recipe.adapters.rank = 1'000'000'000'000;
  EXPECT_NE(reason(job).find("expected at most 768"), std::string::npos);
  job = tuned("llama-3-8b", Tuning::qlora);
  job.recipe.zero = ZeroStage::parameters;
  EXPECT_NE(reason(job).find("--zero 0 to 2"), std::string::npos);
  job = tuned("llama-3-8b", Tuning::qlora);
  job.recipe.precision = Precision::fp8;
  EXPECT_NE(reason(job).find("--precision fp8"), std::string::npos);
  job = tuned("llama-3-8b", Tuning::full);
  job.teacher = read_model("gpt2");
  EXPECT_NE(reason(job).find("the same vocabulary"), std::string::npos);
  job.layout.pipeline = 32;
  job.teacher = read_model("llama-3.2-1b");
  EXPECT_NE(reason(job).find("--teacher llama-3.2-1b cannot be split"), std::string::npos);
}

// The teacher's weights in 16 bits, and its logits where the loss is.
TEST(Teacher, HoldsItsWeightsAndLogits) {
  Job job = tuned("llama-3-8b", Tuning::full, {.tensor = 8});
  const MemoryOverheads none;
  const WorkBuilder builder(job, {8});
  const StageMemory alone = step_memory(job, builder, none).front();
  job.teacher = read_model("llama-3.1-405b");
  std::vector<StageMemory> stages{alone};
  add_teacher(job, {8}, none, stages);
  const double added = (stages.front().weights - alone.weights).in(unit::byte);
  EXPECT_NEAR(added / (2.0 * 405.85e9 / 8.0), 1.0, 0.002);
  EXPECT_GE((stages.front().transient - alone.transient).in(unit::byte), 2.0 * 512 * 128256 / 8);
}

}  // namespace
}  // namespace forerun
