// The work list: what Megatron issues, in order, with tensors that exist when they are read.
#include "estimator/step/work_list.hpp"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "kernels/kernel_cost.hpp"
#include "kernels/operands.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

std::int64_t count_collectives(const std::vector<WorkItem>& items, Collective op, Part part) {
  std::int64_t count = 0;
  for (const WorkItem& item : items) {
    const auto* collective = std::get_if<CollectiveWork>(&item.work);
    count += collective != nullptr && collective->key.op == op && item.part == part ? 1 : 0;
  }
  return count;
}

std::int64_t count_gemms(const std::vector<WorkItem>& items) {
  std::int64_t count = 0;
  for (const WorkItem& item : items) {
    const auto* kernel = std::get_if<KernelWork>(&item.work);
    count += kernel != nullptr && kernel->key.op == KernelOp::gemm ? 1 : 0;
  }
  return count;
}

TEST(WorkList, HasTwelveGemmsALayerAndThreeOfTheHead) {
  const StageWork work = stage_work(small_llama({}), {1}, 0);
  EXPECT_EQ(count_gemms(work.chunks[0].forward), 4 * 4 + 1);
  EXPECT_EQ(count_gemms(work.chunks[0].backward), 8 * 4 + 2);
}

TEST(WorkList, OfOneRankCommunicatesNothing) {
  const WorkKeys keys = work_keys(small_llama({}), {1});
  EXPECT_TRUE(keys.collectives.empty());
}

// Modelling notes 2.1: per layer forward 2 AG + 2 RS; backward 2 AG of dY, 2 RS of dX and 2 AG that
// gather the inputs again. Head: its input gathered, again in backward, dX reduced; embedding:
// reduced forward, gathered backward.
TEST(WorkList, ExchangesWhatSequenceParallelismNeeds) {
  const StageWork work = stage_work(small_llama({.tensor = 2}), {2}, 0);
  const Part tp = Part::tensor_parallel;
  EXPECT_EQ(count_collectives(work.chunks[0].forward, Collective::all_gather, tp), 2 * 4 + 1);
  EXPECT_EQ(count_collectives(work.chunks[0].forward, Collective::reduce_scatter, tp), 2 * 4 + 1);
  EXPECT_EQ(count_collectives(work.chunks[0].backward, Collective::all_gather, tp), 4 * 4 + 2);
  EXPECT_EQ(count_collectives(work.chunks[0].backward, Collective::reduce_scatter, tp), 2 * 4 + 1);
}

TEST(WorkList, AllReducesTwiceEachWayWithoutSequenceParallelism) {
  Job job = small_llama({.tensor = 2});
  job.recipe.sequence_parallel = SequenceParallel::off;
  const StageWork work = stage_work(job, {2}, 0);
  const Part tp = Part::tensor_parallel;
  // Forward: two a layer, the embedding, and two of the loss; backward: two a layer and the head.
  EXPECT_EQ(count_collectives(work.chunks[0].forward, Collective::all_reduce, tp), 2 * 4 + 1 + 2);
  EXPECT_EQ(count_collectives(work.chunks[0].backward, Collective::all_reduce, tp), 2 * 4 + 1);
}

TEST(WorkList, FullRecomputationRepeatsTheWholeForwardOfALayer) {
  Job job = small_llama({.tensor = 2});
  job.recipe.recompute.kind = Recompute::full;
  const StageWork work = stage_work(job, {2}, 0);
  EXPECT_EQ(count_gemms(work.chunks[0].backward), (8 + 4) * 4 + 2);
  EXPECT_EQ(count_collectives(work.chunks[0].backward, Collective::reduce_scatter, Part::recompute),
            2 * 4);
}

TEST(WorkList, ZeroOneScattersGradientsAndGathersWeights) {
  const StageWork work = stage_work(small_llama({.data = 2}), {2}, 0);
  ASSERT_EQ(work.tail.size(), 4U);
  const auto& scatter = std::get<CollectiveWork>(work.tail[0].work).key;
  const auto& adamw = std::get<KernelWork>(work.tail[1].work).key;
  const auto& gather = std::get<CollectiveWork>(work.tail[2].work).key;
  EXPECT_EQ(scatter.op, Collective::reduce_scatter);
  EXPECT_EQ(scatter.bytes, 4 * work.weights.elements);
  EXPECT_EQ(std::get<FlatShape>(adamw.shape).elements, work.weights.elements / 2);
  EXPECT_EQ(gather.op, Collective::all_gather);
  const auto& zero = std::get<KernelWork>(work.tail[3].work).key;
  EXPECT_EQ(zero.op, KernelOp::zero);
  EXPECT_EQ(std::get<FlatShape>(zero.shape).elements, work.weights.elements);
}

void check_operand_counts(const Job& job) {
  for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
    const StageWork work = stage_work(job, {4}, stage);
    std::vector<const std::vector<WorkItem>*> lists{&work.tail};
    for (const ChunkWork& chunk : work.chunks) {
      lists.insert(lists.end(), {&chunk.forward, &chunk.backward});
    }
    for (const auto* const items : lists) {
      for (const WorkItem& item : *items) {
        if (const auto* kernel = std::get_if<KernelWork>(&item.work)) {
          EXPECT_EQ(operands_of(kernel->key).size(), kernel->operands.size())
              << job.model.name << ": " << text_of(kernel->key);
        }
      }
    }
  }
}

// Whatever the model, the format, the software and the way over a context group.
TEST(WorkList, NamesAllOperandsOfEveryKernel) {
  std::vector<Job> jobs{small_llama({}), small_gpt2({}), small_latent({.tensor = 2})};
  for (const Job& variant : small_variants({})) {
    jobs.push_back(variant);
  }
  jobs.push_back(small_mixtral({.expert = 2, .data = 2}));
  jobs.push_back(small_deepseek_moe({.tensor = 2, .expert = 2, .expert_tensor = 2, .data = 2}));
  jobs.push_back(small_latent({.context = 2}));
  for (Job job : jobs) {
    for (const Precision precision :
         {Precision::fp32, Precision::fp16, Precision::bf16, Precision::fp8, Precision::mxfp8}) {
      job.recipe.precision = precision;
      for (const Software& software : software_presets()) {
        job.recipe.software = software;
        if (!unsupported_because(job)) {
          check_operand_counts(job);
        }
      }
    }
  }
  for (const ContextKind kind :
       {ContextKind::ring, ContextKind::all_gather, ContextKind::ulysses}) {
    Job job = small_llama({.context = 2});
    job.recipe.context_kind = kind;
    check_operand_counts(job);
  }
}

TEST(WorkList, RefusesHybridShardsOfExperts) {
  Job job = small_mixtral({.expert = 2, .data = 4});
  job.recipe.zero = ZeroStage::parameters;
  EXPECT_FALSE(unsupported_because(job));
  job.recipe.shard_group = 2;
  EXPECT_TRUE(unsupported_because(job));
}

// Every operand has the size that the kernel's contract says wherever it is named, and nothing is
// read that was neither written, nor received, nor an input.
void check_flow(const Job& job) {
  for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
    const StageWork work = stage_work(job, {4}, stage);
    for (const ChunkWork& chunk : work.chunks) {
      std::map<TensorId, std::int64_t> sizes;
      std::set<TensorId> alive{chunk.input, gradient_of(chunk.output)};
      for (const auto* items : {&chunk.forward, &chunk.backward}) {
        for (const WorkItem& item : *items) {
          if (const auto* kernel = std::get_if<KernelWork>(&item.work)) {
            const auto operands = operands_of(kernel->key);
            ASSERT_EQ(operands.size(), kernel->operands.size()) << text_of(kernel->key);
            for (std::size_t i = 0; i < operands.size(); ++i) {
              const TensorId id = kernel->operands[i];
              const auto [known, is_new] = sizes.emplace(id, operands[i].elements);
              EXPECT_EQ(known->second, operands[i].elements) << text_of(kernel->key) << " " << i;
              if (is_activation(id) && operands[i].access != Access::write) {
                EXPECT_TRUE(alive.contains(id)) << text_of(kernel->key) << " operand " << i;
              }
              alive.insert(id);
            }
          } else {
            const auto& collective = std::get<CollectiveWork>(item.work);
            EXPECT_TRUE(!is_activation(collective.from) || alive.contains(collective.from));
            alive.insert(collective.to);
          }
          for (const TensorId id : item.release) {
            alive.erase(id);
          }
        }
      }
    }
  }
}

TEST(WorkList, ReadsOnlyWhatIsThere) {
  for (const SequenceParallel sp : {SequenceParallel::off, SequenceParallel::on}) {
    for (const Recompute recompute : {Recompute::none, Recompute::full}) {
      for (Job job : {small_llama({.tensor = 2, .pipeline = 2}),
                      small_gpt2({.tensor = 2, .pipeline = 2}),
                      small_llama({.pipeline = 2, .virtual_pipeline = 3})}) {
        job.model.attention.qk_norm = job.model.family == "llama";
        job.recipe.sequence_parallel = sp;
        job.recipe.recompute.kind = recompute;
        check_flow(job);
      }
    }
  }
}

TEST(WorkList, OfEveryFamilyReadsOnlyWhatIsThere) {
  for (const SequenceParallel sp : {SequenceParallel::off, SequenceParallel::on}) {
    for (const Recompute recompute : {Recompute::none, Recompute::full}) {
      for (Job& job : small_variants({.tensor = 2, .pipeline = 2})) {
        job.recipe.sequence_parallel = sp;
        job.recipe.recompute.kind = recompute;
        check_flow(job);
      }
    }
  }
}

// A parallel block with one norm gathers its input once and reduces its output once, each way:
// forward 1 + 1; backward the gradient and the input gathered, one reduction. With two norms the
// FFN's input is gathered too, and its gradient reduced.
TEST(WorkList, ParallelBlocksReduceOnce) {
  const Part tp = Part::tensor_parallel;
  const auto one = stage_work(small_gptj({.tensor = 2}), {2}, 0).chunks[0];
  EXPECT_EQ(count_collectives(one.forward, Collective::all_gather, tp), 4 + 1);
  EXPECT_EQ(count_collectives(one.forward, Collective::reduce_scatter, tp), 4 + 1);
  EXPECT_EQ(count_collectives(one.backward, Collective::all_gather, tp), 2 * 4 + 2);
  EXPECT_EQ(count_collectives(one.backward, Collective::reduce_scatter, tp), 4 + 1);
  const auto two = stage_work(small_neox({.tensor = 2}), {2}, 0).chunks[0];
  EXPECT_EQ(count_collectives(two.forward, Collective::all_gather, tp), 2 * 4 + 1);
  EXPECT_EQ(count_collectives(two.forward, Collective::reduce_scatter, tp), 4 + 1);
  EXPECT_EQ(count_collectives(two.backward, Collective::all_gather, tp), 3 * 4 + 2);
  EXPECT_EQ(count_collectives(two.backward, Collective::reduce_scatter, tp), 2 * 4 + 1);
}

std::int64_t count_kernels(const Job& job, std::string_view text) {
  std::int64_t count = 0;
  for (const ChunkWork& chunk : stage_work(job, {1}, 0).chunks) {
    for (const auto* items : {&chunk.forward, &chunk.backward}) {
      for (const WorkItem& item : *items) {
        const auto* kernel = std::get_if<KernelWork>(&item.work);
        count += kernel != nullptr && (" " + text_of(kernel->key)).find(text) != std::string::npos
                     ? 1
                     : 0;
      }
    }
  }
  return count;
}

// Four layers, forward and backward.
TEST(WorkList, OfEveryFamilyHasItsKernels) {
  const Job gemma2 = small_gemma2({});
  EXPECT_EQ(count_kernels(gemma2, "causal window=10 capped"), 2 * 2);
  EXPECT_EQ(count_kernels(gemma2, "causal capped"), 2 * 2);
  EXPECT_EQ(count_kernels(gemma2, "geglu"), 2 * 4);
  EXPECT_EQ(count_kernels(gemma2, "rms_norm"), 2 * (4 * 4 + 1));
  EXPECT_EQ(count_kernels(gemma2, "softcap"), 2);
  EXPECT_EQ(count_kernels(gemma2, "scale"), 2);
  EXPECT_EQ(count_kernels(small_neox({}), "head_size=8 rotary_size=2"), 2 * 4);
  EXPECT_EQ(count_kernels(small_neox({}), "layer_norm"), 2 * (2 * 4 + 1));
  EXPECT_EQ(count_kernels(small_gptj({}), "layer_norm"), 2 * (4 + 1));
  EXPECT_EQ(count_kernels(small_bloom({}), "causal alibi"), 2 * 4);
  EXPECT_EQ(count_kernels(small_bloom({}), "rope"), 0);
  EXPECT_EQ(count_kernels(small_bloom({}), "layer_norm"), 2 * (2 * 4 + 2));
  EXPECT_EQ(count_kernels(small_mpt({}), "layer_norm_nobias"), 2 * (2 * 4 + 1));
  EXPECT_EQ(count_kernels(small_mpt({}), " bias_forward"), 0);
  EXPECT_EQ(count_kernels(small_opt({}), "relu"), 2 * 4);
  EXPECT_EQ(count_kernels(small_opt({}),
                          "position_forward fp32 tokens=32 batch=1 columns=64 "
                          "table_rows=66"),
            1);
}

TEST(WorkList, GivesNoWindowToSequencesThatFitIt) {
  Job job = small_llama({});
  job.model.attention.window = 32;
  EXPECT_EQ(count_kernels(job, "window"), 0);
  job.model.attention.window = 31;
  EXPECT_EQ(count_kernels(job, "window=31"), 2 * 4);
}

TEST(WorkList, WeightsHaveTheSizesThatTheirKernelsExpect) {
  const Job job = small_gpt2({.tensor = 2, .pipeline = 2});
  for (std::int64_t stage = 0; stage < 2; ++stage) {
    const StageWork work = stage_work(job, {4}, stage);
    std::map<TensorId, std::int64_t> sizes;
    for (const WeightSpec& spec : work.weights.specs) {
      sizes[spec.id] = spec.rows * spec.columns;
    }
    for (const ChunkWork& chunk : work.chunks) {
      for (const auto* items : {&chunk.forward, &chunk.backward}) {
        for (const WorkItem& item : *items) {
          const auto* kernel = std::get_if<KernelWork>(&item.work);
          for (std::size_t i = 0; kernel != nullptr && i < kernel->operands.size(); ++i) {
            TensorId id = kernel->operands[i];
            if (is_weight(id)) {
              id.gradient = false;
              ASSERT_TRUE(sizes.contains(id)) << weight_name(id.name);
              EXPECT_EQ(sizes[id], operands_of(kernel->key)[i].elements) << weight_name(id.name);
            }
          }
        }
      }
    }
  }
}

TEST(WorkList, TensorRanksShareTheFlopOfOne) {
  const auto gemm_flops = [](const Job& job) {
    Flops sum;
    for (const ChunkWork& chunk : stage_work(job, {4}, 0).chunks) {
      for (const auto* items : {&chunk.forward, &chunk.backward}) {
        for (const WorkItem& item : *items) {
          const auto* kernel = std::get_if<KernelWork>(&item.work);
          if (kernel != nullptr && kernel->key.op == KernelOp::gemm) {
            sum += hardware_flops(kernel->key);
          }
        }
      }
    }
    return sum.in(unit::flop);
  };
  // 1024 rows of padded vocabulary either way, so the work divides exactly.
  EXPECT_DOUBLE_EQ(gemm_flops(small_llama({.tensor = 4})) * 4.0, gemm_flops(small_llama({})));
}

TEST(UnsupportedBecause, NamesWhatIsNotModelled) {
  Job job = small_llama({});
  EXPECT_FALSE(unsupported_because(job));
  job = small_llama({.context = 3});
  EXPECT_FALSE(unsupported_because(job));
  job.recipe.context_kind = ContextKind::ulysses;
  EXPECT_NE(unsupported_because(job)->find("8 heads"), std::string::npos);
  job = small_llama({.context = 2});
  job.recipe.software.attention = AttentionMethod::unfused;
  EXPECT_NE(unsupported_because(job)->find("scores"), std::string::npos);
  job = small_llama({});
  job.model.attention.window = 16;
  EXPECT_FALSE(unsupported_because(job));
  job.model.attention.chunked = true;
  EXPECT_FALSE(unsupported_because(job));
  job.model.attention.window = 12;
  EXPECT_NE(unsupported_because(job)->find("chunks of 12"), std::string::npos);
  job = small_llama({.context = 2});
  job.model.state_space = StateSpace{};
  EXPECT_NE(unsupported_because(job)->find("from token to token"), std::string::npos);
}

// Groups of 32 on racks of 72: 64 of each are used, unless one rack holds the job or the ranks are
// numbered so that the groups are not neighbours.
TEST(RanksPerNode, KeepGroupsInsideARackOfSeveralHosts) {
  const ParallelLayout layout{.expert = 32, .data = 256};
  const ParallelLayout in_one{.expert = 32, .data = 64};
  const Placement rack{72, megatron_order, 4};
  EXPECT_EQ(ranks_per_node(rack, layout), 64);
  EXPECT_EQ(ranks_per_node(rack, in_one), 72);
  EXPECT_EQ(ranks_per_node({72, rank_order_from("dp-tp-cp-ep-pp"), 4}, layout), 72);
  EXPECT_EQ(ranks_per_node({72, rank_order_from("tp-cp-ep-pp-dp"), 4}, layout), 64);
  EXPECT_EQ(ranks_per_node({72}, layout), 72);
  // Four racks hold 256 ranks of 64 each; with less than that the groups straddle.
  EXPECT_EQ(ranks_per_node({72, megatron_order, 4, 288}, layout), 64);
  EXPECT_EQ(ranks_per_node({72, megatron_order, 4, 287}, layout), 72);
}

}  // namespace
}  // namespace forerun
