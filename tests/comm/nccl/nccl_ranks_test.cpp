// The NCCL communicator of two ranks on two GPUs.
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/nccl/nccl_communicator.hpp"
#include "tests/comm/nccl/nccl_thread_host.hpp"

namespace forerun {
namespace {

using testing::ElementsAre;

class TwoGpus : public testing::Test {
 protected:
  void SetUp() override {
    if (visible_gpus() < 2) {
      GTEST_SKIP() << "fewer than two GPUs";
    }
  }
};

TEST_F(TwoGpus, AllReduceSums) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const DeviceFloats data({1.0F + static_cast<float>(host.rank()), 10.0F});
    world.all_reduce(data.data(), data.data(), 2, DataType::fp32, ReduceOp::sum);
    EXPECT_THAT(data.values(stream), ElementsAre(3.0F, 20.0F));
  });
}

TEST_F(TwoGpus, AllReduceTakesTheLargest) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const DeviceFloats data({static_cast<float>(host.rank())});
    world.all_reduce(data.data(), data.data(), 1, DataType::fp32, ReduceOp::max);
    EXPECT_THAT(data.values(stream), ElementsAre(1.0F));
  });
}

TEST_F(TwoGpus, AllGatherIsInRankOrder) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const DeviceFloats own({static_cast<float>(host.rank()) + 5.0F});
    const DeviceFloats all({0.0F, 0.0F});
    world.all_gather(own.data(), all.data(), 1, DataType::fp32);
    EXPECT_THAT(all.values(stream), ElementsAre(5.0F, 6.0F));
  });
}

TEST_F(TwoGpus, ReduceScatterGivesTheOwnBlock) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const DeviceFloats all({1.0F, 2.0F});
    const DeviceFloats own({0.0F});
    world.reduce_scatter(all.data(), own.data(), 1, DataType::fp32);
    EXPECT_THAT(own.values(stream), ElementsAre(host.rank() == 0 ? 2.0F : 4.0F));
  });
}

TEST_F(TwoGpus, AllToAllTransposesBlocks) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const float base = host.rank() == 0 ? 0.0F : 10.0F;
    const DeviceFloats from({base, base + 1.0F});
    const DeviceFloats to({-1.0F, -1.0F});
    world.all_to_all(from.data(), to.data(), 1, DataType::fp32);
    const float own = static_cast<float>(host.rank());
    EXPECT_THAT(to.values(stream), ElementsAre(own, 10.0F + own));
  });
}

TEST_F(TwoGpus, AllToAllInPlace) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const float base = host.rank() == 0 ? 0.0F : 10.0F;
    const DeviceFloats data({base, base + 1.0F});
    world.all_to_all(data.data(), data.data(), 1, DataType::fp32);
    const float own = static_cast<float>(host.rank());
    EXPECT_THAT(data.values(stream), ElementsAre(own, 10.0F + own));
  });
}

// Rank 0 keeps one and sends two, rank 1 sends one and keeps none.
TEST_F(TwoGpus, AllToAllOfUnequalCounts) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    using Counts = std::vector<std::int64_t>;
    const bool is_first = host.rank() == 0;
    const DeviceFloats from(is_first ? std::vector{1.0F, 2.0F, 3.0F} : std::vector{4.0F});
    const DeviceFloats to({-1.0F, -1.0F});
    world.all_to_all_v(from.data(),
                       is_first ? Counts{1, 2} : Counts{1, 0},
                       to.data(),
                       is_first ? Counts{1, 1} : Counts{2, 0},
                       DataType::fp32);
    EXPECT_THAT(to.values(stream), is_first ? ElementsAre(1.0F, 4.0F) : ElementsAre(2.0F, 3.0F));
  });
}

TEST_F(TwoGpus, StartedCollectiveIsThereWhenFinished) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const DeviceFloats own({static_cast<float>(host.rank()) + 5.0F});
    const DeviceFloats all({0.0F, 0.0F});
    world.start_collective({Collective::all_gather, own.data(), all.data(), 1, DataType::fp32});
    world.finish_collectives();
    EXPECT_THAT(all.values(stream), ElementsAre(5.0F, 6.0F));
  });
}

TEST_F(TwoGpus, StartedExchangeGoesAroundTheRing) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const DeviceFloats own({static_cast<float>(host.rank()) + 5.0F});
    const DeviceFloats other({0.0F});
    world.start_collective({Collective::send_recv, own.data(), other.data(), 1, DataType::fp32});
    world.finish_collectives();
    EXPECT_THAT(other.values(stream), ElementsAre(host.rank() == 0 ? 6.0F : 5.0F));
  });
}

// Asked for an all-reduce in place of what a run would double: simulated, so still 1.
TEST_F(TwoGpus, AnExpectationRunsNothing) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const DeviceFloats data({1.0F});
    static_cast<void>(
        world.own_estimate({Collective::all_reduce, data.data(), data.data(), 1, DataType::fp32}));
    world.barrier();
    EXPECT_THAT(data.values(stream), ElementsAre(1.0F));
  });
}

TEST_F(TwoGpus, NcclSaysWhatItExpects) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const DeviceFloats data(std::vector<float>(1048576, 0.0F));
    const auto time = world.own_estimate(
        {Collective::all_reduce, data.data(), data.data(), 1048576, DataType::fp32});
    ASSERT_TRUE(time.has_value());
    EXPECT_GT(*time, Seconds());
  });
}

TEST_F(TwoGpus, BroadcastComesFromTheRoot) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const DeviceFloats data({static_cast<float>(host.rank())});
    world.broadcast(data.data(), 1, DataType::fp32, 1);
    EXPECT_THAT(data.values(stream), ElementsAre(1.0F));
  });
}

// 64 MiB: far more than NCCL buffers, so that a send cannot end before its receive.
TEST_F(TwoGpus, MayBothSendBeforeTheyReceive) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    constexpr std::int64_t count = 16777216;
    nccl::NcclCommunicator world(stream, host);
    const int peer = 1 - host.rank();
    const DeviceFloats from(std::vector<float>(count, static_cast<float>(host.rank()) + 1.0F));
    const DeviceFloats to(std::vector<float>(count, 0.0F));
    world.start_send(from.data(), count, DataType::fp32, peer);
    world.receive(to.data(), count, DataType::fp32, peer);
    world.finish_sends();
    EXPECT_EQ(to.values(stream).back(), static_cast<float>(peer) + 1.0F);
  });
}

TEST_F(TwoGpus, SendReceiveExchanges) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const int peer = 1 - host.rank();
    const DeviceFloats from({static_cast<float>(host.rank())});
    const DeviceFloats to({-1.0F});
    world.send_receive(from.data(), peer, to.data(), peer, 1, DataType::fp32);
    EXPECT_THAT(to.values(stream), ElementsAre(static_cast<float>(peer)));
  });
}

TEST_F(TwoGpus, SplitFollowsTheKeys) {
  run_ranks(2, [](Communicator& host, cudaStream_t stream) {
    nccl::NcclCommunicator world(stream, host);
    const auto reversed = world.split(0, -host.rank());
    EXPECT_EQ(reversed->rank(), 1 - host.rank());
    const DeviceFloats data({static_cast<float>(host.rank())});
    reversed->broadcast(data.data(), 1, DataType::fp32, 0);
    EXPECT_THAT(data.values(stream), ElementsAre(1.0F));
  });
}

}  // namespace
}  // namespace forerun
