// The NCCL communicator of one rank, and what it refuses.
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/nccl/nccl_check.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "tests/comm/nccl/nccl_thread_host.hpp"

namespace forerun {
namespace {

using testing::ElementsAre;

class OneGpu : public testing::Test {
 protected:
  void SetUp() override {
    if (visible_gpus() < 1) {
      GTEST_SKIP() << "no GPU";
    }
  }
};

TEST_F(OneGpu, AllReduceOfOneRankCopies) {
  run_ranks(1, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const DeviceFloats from({1.0F, 2.0F});
    const DeviceFloats to({0.0F, 0.0F});
    world.all_reduce(from.data(), to.data(), 2, DataType::fp32, ReduceOp::sum);
    EXPECT_THAT(to.values(stream), ElementsAre(1.0F, 2.0F));
  });
}

TEST_F(OneGpu, SendsToItself) {
  run_ranks(1, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const DeviceFloats from({3.0F});
    const DeviceFloats to({0.0F});
    world.send_receive(from.data(), 0, to.data(), 0, 1, DataType::fp32);
    EXPECT_THAT(to.values(stream), ElementsAre(3.0F));
  });
}

TEST_F(OneGpu, SplitOfOneRankIsOneRank) {
  run_ranks(1, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const auto part = world.split(4, 0);
    EXPECT_EQ(part->size(), 1);
    EXPECT_EQ(part->rank(), 0);
    part->barrier();
  });
}

TEST_F(OneGpu, TextsGoThroughTheHost) {
  run_ranks(1, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    EXPECT_THAT(world.all_gather_text("node 0"), ElementsAre("node 0"));
  });
}

TEST_F(OneGpu, RefusesTwoRanksOnOneGpu) {
  const int ranks = visible_gpus() + 1;
  try {
    run_ranks(ranks, [](Communicator& host, cudaStream_t stream) {
      const nccl::NcclCommunicator world(stream, host);
    });
    FAIL() << "two ranks share a GPU";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(
        error.what(),
        testing::StartsWith("ranks 0 and " + std::to_string(ranks - 1) + " both drive GPU "));
  }
}

TEST(NcclCheck, ThrowsWithRankCallAndCode) {
  try {
    nccl::require(cudaErrorInvalidValue, nccl::CallSite{"cudaMalloc(x)", "here.cpp", 7, 3});
    FAIL() << "an error code passed";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(),
                 "rank 3: here.cpp:7: cudaMalloc(x): cudaErrorInvalidValue: invalid argument");
  }
}

TEST(ThreadHost, SplitOrdersByKey) {
  if (visible_gpus() < 1) {
    GTEST_SKIP() << "the threads of run_ranks need a GPU";
  }
  run_ranks(3, [](Communicator& host, cudaStream_t) {
    const auto part = host.split(host.rank() == 1 ? 1 : 0, -host.rank());
    EXPECT_EQ(part->size(), host.rank() == 1 ? 1 : 2);
    EXPECT_EQ(part->rank(), host.rank() == 0 ? 1 : 0);
  });
}

}  // namespace
}  // namespace forerun
