// Padding, and every rule by which a job cannot be laid out.
#include "jobs/job.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forerun {
namespace {

using ::testing::ElementsAre;

// A job that is legal on one device and has no odd number anywhere.
Job dense_job() {
  Job job;
  job.model.layers = 8;
  job.model.hidden = 512;
  job.model.ffn_hidden = 2048;
  job.model.vocabulary = 1000;
  job.model.max_positions = 64;
  job.model.attention = {.heads = 16, .kv_heads = 4, .head_size = 32};
  job.recipe.global_batch = 16;
  job.recipe.sequence = 64;
  return job;
}

Job expert_job() {
  Job job = dense_job();
  job.model.moe = MixtureOfExperts{.experts = 8, .top_k = 2, .expert_hidden = 1024};
  return job;
}

std::string reason(const Job& job) {
  return illegal_because(job).value_or("legal");
}

TEST(PaddedVocabulary, RoundsGpt2UpTo50304) {
  EXPECT_EQ(padded_vocabulary(50257, 1), 50304);
}

TEST(PaddedVocabulary, RoundsToAMultipleOf128TimesTensorParallelism) {
  EXPECT_EQ(padded_vocabulary(50257, 8), 51200);
}

TEST(PaddedVocabulary, LeavesAMultipleAlone) {
  EXPECT_EQ(padded_vocabulary(128256, 2), 128256);
}

TEST(MicroBatches, IsTheBatchOverDataParallelismAndMicroBatch) {
  Job job = dense_job();
  job.layout.data = 4;
  job.recipe.micro_batch = 2;
  EXPECT_EQ(micro_batches(job), 2);
}

TEST(ScheduleOf, IsOneForwardOneBackwardByDefault) {
  EXPECT_EQ(schedule_of(dense_job()), Schedule::one_f_one_b);
}

TEST(ScheduleOf, InterleavesSeveralChunks) {
  Job job = dense_job();
  job.layout.virtual_pipeline = 2;
  EXPECT_EQ(schedule_of(job), Schedule::interleaved);
}

TEST(ScheduleOf, ObeysTheRecipe) {
  Job job = dense_job();
  job.recipe.schedule = Schedule::gpipe;
  EXPECT_EQ(schedule_of(job), Schedule::gpipe);
}

TEST(IllegalBecause, HasNothingAgainstOneDevice) {
  EXPECT_EQ(illegal_because(dense_job()), std::nullopt);
  EXPECT_EQ(illegal_because(expert_job()), std::nullopt);
}

TEST(IllegalBecause, HasNothingAgainstALayoutThatDividesEverywhere) {
  Job job = expert_job();
  job.layout = {.tensor = 4,
                .pipeline = 2,
                .virtual_pipeline = 2,
                .context = 2,
                .expert = 8,
                .expert_tensor = 2,
                .data = 2};
  EXPECT_EQ(illegal_because(job), std::nullopt);
}

TEST(IllegalBecause, TensorParallelismMustDivideTheHeads) {
  Job job = dense_job();
  job.layout.tensor = 3;
  EXPECT_EQ(reason(job), "--layout tp=3 does not divide the 16 attention heads");
}

TEST(IllegalBecause, TensorParallelismMustDivideOrReplicateTheKeyValueHeads) {
  Job job = dense_job();
  job.model.attention = {.heads = 24, .kv_heads = 6, .head_size = 32};
  job.layout.tensor = 4;
  EXPECT_EQ(reason(job),
            "--layout tp=4 neither divides the 6 key-value heads nor is a multiple of them");
}

TEST(IllegalBecause, KeyValueHeadsMayBeReplicated) {
  Job job = dense_job();
  job.layout.tensor = 8;
  EXPECT_EQ(illegal_because(job), std::nullopt);
}

TEST(IllegalBecause, TensorParallelismMustDivideTheFfn) {
  Job job = dense_job();
  job.model.ffn_hidden = 2047;
  job.layout.tensor = 2;
  EXPECT_EQ(reason(job), "--layout tp=2 does not divide the FFN width 2047");
}

TEST(IllegalBecause, TheDenseFfnOfAModelWithoutDenseLayersDoesNotMatter) {
  Job job = expert_job();
  job.model.ffn_hidden = 2047;
  job.layout.tensor = 2;
  EXPECT_EQ(illegal_because(job), std::nullopt);
}

TEST(IllegalBecause, TensorParallelismMustDivideTheSharedExperts) {
  Job job = expert_job();
  job.model.moe->shared_hidden = 1001;
  job.layout.tensor = 2;
  EXPECT_EQ(reason(job), "--layout tp=2 does not divide the width 1001 of the shared experts");
}

TEST(IllegalBecause, ExpertParallelismNeedsExperts) {
  Job job = dense_job();
  job.layout.expert = 2;
  EXPECT_EQ(reason(job), "--layout ep=2,etp=1 asks for experts, which the model does not have");
}

TEST(IllegalBecause, ExpertTensorParallelismNeedsExperts) {
  Job job = dense_job();
  job.layout.expert_tensor = 2;
  EXPECT_EQ(reason(job), "--layout ep=1,etp=2 asks for experts, which the model does not have");
}

TEST(IllegalBecause, ExpertParallelismMustDivideTheExperts) {
  Job job = expert_job();
  job.layout.expert = 3;
  EXPECT_EQ(reason(job), "--layout ep=3 does not divide the 8 experts");
}

TEST(IllegalBecause, ExpertTensorParallelismMustDivideTheExpertWidth) {
  Job job = expert_job();
  job.layout.expert_tensor = 3;
  EXPECT_EQ(reason(job), "--layout etp=3 does not divide the expert width 1024");
}

TEST(IllegalBecause, ExpertsMustRefoldTheRanksOfOneStage) {
  Job job = expert_job();
  job.layout = {.tensor = 2, .pipeline = 2, .expert = 8, .data = 2};
  EXPECT_EQ(reason(job), "--layout ep*etp=8 does not divide tp*cp*dp=4");
}

TEST(IllegalBecause, EveryChunkNeedsALayer) {
  Job job = dense_job();
  job.layout.pipeline = 9;
  EXPECT_EQ(reason(job), "--layout pp*vp=9 leaves chunks without any of the 8 layers");
}

TEST(IllegalBecause, EmbeddingAndHeadMayStandAlone) {
  Job job = dense_job();
  job.layout.pipeline = 10;
  EXPECT_EQ(illegal_because(job), std::nullopt);
}

TEST(IllegalBecause, PlainSchedulesRunOneChunkPerStage) {
  Job job = dense_job();
  job.layout.pipeline = 2;
  job.layout.virtual_pipeline = 2;
  job.recipe.schedule = Schedule::one_f_one_b;
  EXPECT_EQ(reason(job),
            "--schedule 1f1b runs one chunk per stage, but --layout vp=2 asks for more");
}

TEST(IllegalBecause, InterleavingNeedsSeveralChunks) {
  Job job = dense_job();
  job.layout.pipeline = 2;
  job.recipe.schedule = Schedule::interleaved;
  EXPECT_EQ(reason(job), "--schedule interleaved needs --layout vp of at least 2");
}

TEST(IllegalBecause, SeveralChunksNeedSeveralStages) {
  Job job = dense_job();
  job.layout.virtual_pipeline = 2;
  EXPECT_EQ(reason(job), "--layout vp=2 needs pp of at least 2");
}

TEST(IllegalBecause, TheBatchMustDivideOverDataParallelismAndMicroBatch) {
  Job job = dense_job();
  job.layout.data = 4;
  job.recipe.micro_batch = 3;
  EXPECT_EQ(reason(job),
            "--batch 16 is not a multiple of dp=4 times --micro-batch 3 (nearest is 12)");
}

TEST(IllegalBecause, NoMoreLayersAreRecomputedThanAChunkHas) {
  Job job = dense_job();
  job.recipe.recompute = {Recompute::block, {}, job.model.layers};
  EXPECT_EQ(reason(job), "legal");
  job.recipe.recompute.layers = job.model.layers + 1;
  EXPECT_THAT(reason(job), testing::HasSubstr("is more than the"));
}

TEST(IllegalBecause, EachStageRecomputesNoMoreThanItsChunksHold) {
  Job job = dense_job();
  job.layout.pipeline = 2;
  job.recipe.stage_split = *stage_split_from("3+" + std::to_string(job.model.layers - 3));
  job.recipe.recompute = *recompute_policy_from("block:3+0");
  EXPECT_EQ(reason(job), "legal");
  job.recipe.recompute = *recompute_policy_from("block:4+0");
  EXPECT_EQ(reason(job),
            "--recompute block:4+0 recomputes 4 layers of each chunk of stage 0, which hold 3 "
            "(expected at most 3)");
  job.recipe.recompute = *recompute_policy_from("block:1+1+1");
  EXPECT_EQ(reason(job), "--recompute block:1+1+1 names 3 stages, the pipeline has 2");
}

TEST(IllegalBecause, ABatchSmallerThanDataParallelismIsRefused) {
  Job job = dense_job();
  job.layout.data = 32;
  EXPECT_EQ(reason(job),
            "--batch 16 is not a multiple of dp=32 times --micro-batch 1 (nearest is 32)");
}

TEST(IllegalBecause, InterleavingNeedsAPipelinefulOfMicroBatches) {
  Job job = dense_job();
  job.recipe.global_batch = 3;
  job.layout.pipeline = 4;
  job.layout.virtual_pipeline = 2;
  EXPECT_EQ(reason(job), "--batch 3 gives 3 micro-batches, and interleaving needs at least pp=4");
  job.recipe.global_batch = 6;  // one group of 6
  EXPECT_EQ(illegal_because(job), std::nullopt);
}

TEST(IllegalBecause, FoldedSchedulesTakeTwoChunks) {
  Job job = dense_job();
  job.layout.pipeline = 2;
  job.recipe.schedule = Schedule::zb_v;
  EXPECT_EQ(reason(job),
            "--schedule zb-v folds the model in two chunks per stage and needs --layout vp=2, not "
            "vp=1");
  job.layout.virtual_pipeline = 2;
  EXPECT_EQ(illegal_because(job), std::nullopt);
}

TEST(IllegalBecause, DualPipePairsStagesAndMicroBatches) {
  Job job = dense_job();
  job.recipe.schedule = Schedule::dualpipe;
  job.layout.pipeline = 3;
  EXPECT_EQ(reason(job), "--schedule dualpipe pairs the stages and needs an even pp, not pp=3");
  job.layout.pipeline = 4;
  job.recipe.global_batch = 9;
  EXPECT_EQ(reason(job),
            "--batch 9 gives 9 micro-batches, and dualpipe needs an even number, at least 2*pp=8");
  job.recipe.global_batch = 8;
  EXPECT_EQ(illegal_because(job), std::nullopt);
}

TEST(IllegalBecause, DualPipeVFillsBothHalvesOfItsV) {
  Job job = dense_job();
  job.recipe.schedule = Schedule::dualpipe_v;
  job.layout.pipeline = 3;
  job.layout.virtual_pipeline = 2;
  job.recipe.global_batch = 5;
  EXPECT_EQ(reason(job), "--batch 5 gives 5 micro-batches, and dualpipe-v needs at least 2*pp=6");
}

TEST(IllegalBecause, BreadthFirstTakesAnyNumberOfChunks) {
  Job job = dense_job();
  job.recipe.schedule = Schedule::breadth_first;
  job.layout.pipeline = 2;
  EXPECT_EQ(illegal_because(job), std::nullopt);
  job.layout.virtual_pipeline = 2;
  EXPECT_EQ(illegal_because(job), std::nullopt);
}

TEST(IllegalBecause, ContextParallelismNeedsTwoPiecesPerRank) {
  Job job = dense_job();
  job.recipe.sequence = 62;
  job.layout.context = 2;
  EXPECT_EQ(reason(job), "--seq 62 is not a multiple of 2*cp=4");
}

TEST(IllegalBecause, SequenceParallelismSplitsTheSequence) {
  Job job = dense_job();
  job.recipe.sequence = 63;
  job.layout.tensor = 2;
  EXPECT_EQ(reason(job), "--seq 63 over cp=1 is not a multiple of tp=2, which --sp on needs");
}

TEST(IllegalBecause, WithoutSequenceParallelismTheSequenceMayBeOdd) {
  Job job = dense_job();
  job.recipe.sequence = 63;
  job.recipe.sequence_parallel = SequenceParallel::off;
  job.layout.tensor = 2;
  EXPECT_EQ(illegal_because(job), std::nullopt);
}

TEST(IllegalBecause, LearnedPositionsEndTheSequence) {
  Job job = dense_job();
  job.model.position = Position::learned;
  job.recipe.sequence = 65;
  EXPECT_EQ(reason(job), "--seq 65 is beyond the 64 learned positions");
}

TEST(IllegalBecause, RotaryPositionsDoNotEndTheSequence) {
  Job job = dense_job();
  job.recipe.sequence = 128;
  EXPECT_EQ(illegal_because(job), std::nullopt);
}

TEST(IllegalBecause, Accepts405BOn16384DevicesAsInThePaper) {
  // Llama 3 (arXiv 2407.21783, table 4): tp 8, pp 16, dp 128 at a batch of 16M tokens.
  Job job = dense_job();
  job.model.layers = 126;
  job.model.ffn_hidden = 53248;
  job.model.attention = {.heads = 128, .kv_heads = 8, .head_size = 128};
  job.recipe.global_batch = 2048;
  job.recipe.sequence = 8192;
  job.layout = {.tensor = 8, .pipeline = 16, .virtual_pipeline = 8, .data = 128};
  EXPECT_EQ(illegal_because(job), std::nullopt);
}

}  // namespace
}  // namespace forerun
