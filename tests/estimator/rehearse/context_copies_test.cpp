// What the host moves for cp, by hand.
#include "estimator/rehearse/context_copies.hpp"

#include <gtest/gtest.h>

namespace forerun {
namespace {

// One layer, two heads and one key-value head of 4, sequences of 8 tokens on two ranks: 4 rows with
// 32 numbers of queries, 16 of keys, 64 packed. Two micro-batches.
Job small_job(ContextKind kind) {
  Job job;
  job.model.layers = 1;
  job.model.hidden = 8;
  job.model.attention.heads = 2;
  job.model.attention.kv_heads = 1;
  job.model.attention.head_size = 4;
  job.layout.context = 2;
  job.recipe.global_batch = 2;
  job.recipe.micro_batch = 1;
  job.recipe.sequence = 8;
  job.recipe.context_kind = kind;
  return job;
}

// Ring, one foreign piece: 24 queries and 2 x 12 keys on average. Forward 128 to read and cut, 64
// for the result, 64 sent, 24 + 24 given, 24 x 2.5 joined: 364. Backward 128 + 64 + 128 + 128, 128
// sent, 72 + 24 given, 48 + 48 added: 768.
TEST(ContextCopies, OfARing) {
  EXPECT_DOUBLE_EQ(context_copies(small_job(ContextKind::ring)), 2.0 * (364.0 + 768.0));
}

// Gathered: 96 to gather, five halves of keys and of values are seen, 80. Forward 128 + 96 + 32 +
// 80 + 80 + 32 = 448; backward 128 + 64 + 96 + 96 + 80 + 64 + 160 + 96 + 128 = 912.
TEST(ContextCopies, OfGatheredKeys) {
  EXPECT_DOUBLE_EQ(context_copies(small_job(ContextKind::all_gather)), 2.0 * (448.0 + 912.0));
}

TEST(ContextCopies, RepeatWithTheForwardPassAndVanishWithoutCp) {
  Job job = small_job(ContextKind::ring);
  job.recipe.recompute.kind = Recompute::full;
  EXPECT_DOUBLE_EQ(context_copies(job), 2.0 * (2.0 * 364.0 + 768.0));
  job.layout.context = 1;
  EXPECT_EQ(context_copies(job), 0.0);
}

}  // namespace
}  // namespace forerun
