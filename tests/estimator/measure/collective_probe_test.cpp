// Collectives under measurement on real ranks: right answers counted, wrong ones too.
#include "estimator/measure/collective_probe.hpp"

#include <array>
#include <chrono>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/mpi/mpi_communicator.hpp"
#include "estimator/measure/collective_trial.hpp"
#include "estimator/measure/overlap_probe.hpp"
#include "estimator/measure/topology_probe.hpp"
#include "tests/fake/faulty_communicator.hpp"
#include "tests/fake/faulty_device.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr std::array ops{Collective::all_reduce,
                         Collective::all_gather,
                         Collective::reduce_scatter,
                         Collective::all_to_all,
                         Collective::broadcast,
                         Collective::send_recv};

class Probing : public testing::Test {
 protected:
  [[nodiscard]] CollectiveKey key(Collective op, DataType type) const {
    const std::int64_t ranks = world_.size();
    return {op, 480 * ranks, type, {ranks, ranks, 1}};
  }

  [[nodiscard]] bool is_alone() const { return world_.size() == 1; }

  MpiCommunicator world_;
  FaultyDevice device_;
};

TEST_F(Probing, CountsNothingWrongInEitherForm) {
  for (const Collective op : ops) {
    for (const DataType type : {DataType::fp32, DataType::bf16}) {
      CollectiveTrial trial(device_, world_, key(op, type));
      int pieces = 0;
      for (const Form form : {Form::out_of_place, Form::in_place}) {
        if (trial.has(form)) {
          EXPECT_EQ(trial.count_wrong(form, [&pieces] { ++pieces; }).value_or(0), 0) << name_of(op);
          EXPECT_EQ(pieces > 0, !is_alone());
        }
      }
    }
  }
}

// 1.5 times 0 is 0, so only the elements that are not 0 can be wrong.
TEST_F(Probing, CountsWhatAFaultyLibraryGivesWrong) {
  for (const Collective op : ops) {
    FaultyCommunicator faulty(world_, op);
    CollectiveTrial trial(device_, faulty, key(op, DataType::fp32));
    const auto wrong = trial.count_wrong(Form::out_of_place);
    if (is_alone()) {
      EXPECT_FALSE(wrong.has_value());
    } else {
      EXPECT_GT(wrong.value_or(0), 0) << name_of(op);
    }
  }
}

TEST_F(Probing, SeesAGatherThatMovesNothing) {
  IdleGather idle(world_);
  CollectiveTrial trial(device_, idle, key(Collective::all_gather, DataType::bf16));
  if (!is_alone()) {
    EXPECT_EQ(trial.count_wrong(Form::out_of_place), 240 * world_.size());
  }
}

TEST_F(Probing, RecordsBothTimesOfThreeCommunicators) {
  for (const Collective op : ops) {
    PlannedCollective planned;
    planned.key = key(op, DataType::fp32);
    const ProbeGroups groups(world_, ProcessGrid({.data = world_.size()}), GroupKind::data);
    const auto record = std::get<CollectiveRecord>(
        probe_collective({device_, world_},
                         planned,
                         groups,
                         {.time = Seconds(), .tolerance = 0.03, .samples = 3},
                         ProbeDepth::compared));
    EXPECT_EQ(record.timing.samples, 3);
    EXPECT_EQ(record.communicators, 3);
    EXPECT_GE(record.communicator_spread.value_or(-1.0), 0.0);
    EXPECT_GT(record.back_to_back.value_or(Seconds()), Seconds());
    EXPECT_EQ(record.wrong.value_or(0), 0);
    EXPECT_EQ(record.in_place_wrong.value_or(0), 0);
    // The maximum over ranks: every rank holds the same number.
    auto most = static_cast<float>(record.timing.median.in(unit::second));
    const float mine = most;
    world_.all_reduce(&most, &most, 1, DataType::fp32, ReduceOp::max);
    EXPECT_EQ(mine, most);
  }
}

// Its first reduce-scatters take long, as where memory is touched for the first time.
class SlowAtFirst : public FaultyCommunicator {
 public:
  SlowAtFirst(Communicator& sound, int& slow)
      : FaultyCommunicator(sound, Collective::broadcast), sound_(sound), slow_(slow) {}

  std::unique_ptr<Communicator> split(int color, int key) override {
    auto part = sound_.split(color, key);
    auto slow = std::make_unique<SlowAtFirst>(*part, slow_);
    slow->owned_ = std::move(part);
    return slow;
  }

  void reduce_scatter(const void* send, void* receive, std::int64_t count, DataType type) override {
    if (slow_ > 0) {
      --slow_;
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    FaultyCommunicator::reduce_scatter(send, receive, count, type);
  }

 private:
  std::unique_ptr<Communicator> owned_;
  Communicator& sound_;
  int& slow_;
};

// Three communicators would take nine of the first operation, for which the budget has no room: one
// remains, and its only sample is slow as well.
TEST_F(Probing, CountsNoSampleThatWasWarmUpStill) {
  if (is_alone()) {
    GTEST_SKIP() << "one rank moves nothing";
  }
  int slow = 2;
  SlowAtFirst world(world_, slow);
  const ProbeGroups groups(world, ProcessGrid({.data = world_.size()}), GroupKind::data);
  PlannedCollective planned;
  planned.key = key(Collective::reduce_scatter, DataType::fp32);
  const auto record = std::get<CollectiveRecord>(
      probe_collective({device_, world_},
                       planned,
                       groups,
                       {.time = Seconds(), .samples = 3, .left = 2.0 * unit::second}));
  EXPECT_EQ(slow, 0);
  EXPECT_EQ(record.communicators, 1);
  EXPECT_EQ(record.timing.samples, 3);
  EXPECT_LT(record.timing.median, 150.0 * unit::millisecond);
}

// Remembers to whom messages go, and how many all-reduces there were.
class Recorder : public FaultyCommunicator {
 public:
  Recorder(Communicator& sound, int& reductions, std::vector<int>& partners)
      : FaultyCommunicator(sound, Collective::broadcast),
        sound_(sound),
        reductions_(reductions),
        partners_(partners) {}

  std::unique_ptr<Communicator> split(int color, int key) override {
    auto part = sound_.split(color, key);
    auto recorder = std::make_unique<Recorder>(*part, reductions_, partners_);
    recorder->owned_ = std::move(part);
    return recorder;
  }

  void start_send(const void* send, std::int64_t count, DataType type, int to) override {
    partners_.push_back(to);
    FaultyCommunicator::start_send(send, count, type, to);
  }

  void all_reduce(
      const void* send, void* receive, std::int64_t count, DataType type, ReduceOp op) override {
    ++reductions_;
    FaultyCommunicator::all_reduce(send, receive, count, type, op);
  }

 private:
  std::unique_ptr<Communicator> owned_;
  Communicator& sound_;
  int& reductions_;
  std::vector<int>& partners_;
};

// A message that leaves the node may be between any two neighbours: all of them are timed.
TEST_F(Probing, SendsToAllNeighboursInTurn) {
  int reductions = 0;
  std::vector<int> partners;
  Recorder recorder(world_, reductions, partners);
  CollectiveTrial trial(device_, recorder, key(Collective::send_recv, DataType::fp32));
  for (int turn = 0; turn < CollectiveTrial::turns(world_.size()); ++turn) {
    trial.ping_pong(turn);
  }
  const int next = (world_.rank() + 1) % world_.size();
  const int previous = (world_.rank() + world_.size() - 1) % world_.size();
  std::vector<int> neighbours;
  if (!is_alone()) {
    neighbours = next == previous ? std::vector{next} : std::vector{next, previous};
  }
  EXPECT_THAT(partners, testing::UnorderedElementsAreArray(neighbours));
}

// What the budget does not allow ends after the first operation; with enough of it three
// communicators have at least a warm-up, a sample and one back to back each.
TEST_F(Probing, StopsWhereTheBudgetEnds) {
  PlannedCollective planned;
  planned.key = key(Collective::all_reduce, DataType::fp32);
  const auto probe = [&](Seconds left, int& reductions) {
    std::vector<int> partners;
    Recorder recorder(world_, reductions, partners);
    const ProbeGroups groups(recorder, ProcessGrid({.data = world_.size()}), GroupKind::data);
    ProbeLimits limits;
    limits.left = left;
    return probe_collective({device_, world_}, planned, groups, limits);
  };
  int few = 0;
  const auto refusal = probe(Seconds(), few);
  ASSERT_TRUE(std::holds_alternative<std::string>(refusal));
  EXPECT_EQ(std::get<std::string>(refusal), out_of_time);
  EXPECT_EQ(few, is_alone() ? 0 : 1);
  int many = 0;
  const auto record = probe(1000.0 * unit::second, many);
  EXPECT_TRUE(std::get<CollectiveRecord>(record).back_to_back.has_value());
  EXPECT_GE(many, is_alone() ? 0 : 9);
}

TEST(CompleteRecord, TakesFromTheEarlierOnlyWhatIsMissing) {
  CollectiveRecord earlier;
  earlier.back_to_back = 1.0 * unit::second;
  earlier.in_place = 2.0 * unit::second;
  earlier.wrong = 0;
  CollectiveRecord record;
  record.back_to_back = 3.0 * unit::second;
  complete(record, earlier);
  EXPECT_EQ(record.back_to_back, 3.0 * unit::second);
  EXPECT_EQ(record.in_place, 2.0 * unit::second);
  EXPECT_EQ(record.wrong, 0);
  EXPECT_FALSE(record.in_place_wrong.has_value());
}

// Pairs of ranks at once, where there are four.
TEST_F(Probing, RunsAllGroupsOfAKindAtOnce) {
  if (world_.size() != 4) {
    GTEST_SKIP() << "for four ranks";
  }
  const ProbeGroups groups(world_, ProcessGrid({.tensor = 2, .data = 2}), GroupKind::tensor);
  EXPECT_EQ(groups.all().front()->size(), 2);
  PlannedCollective planned;
  planned.key = {Collective::all_reduce, 960, DataType::fp32, {2, 2, 2}};
  const auto result = probe_collective(
      {device_, world_}, planned, groups, {.time = Seconds(), .tolerance = 0.03, .samples = 3});
  EXPECT_EQ(std::get<CollectiveRecord>(result).wrong, 0);
}

// The last rank has no memory for the buffers: nobody enters the collective, everybody knows why.
TEST_F(Probing, RefusesWhatOneRankHasNoMemoryFor) {
  if (world_.rank() == world_.size() - 1) {
    device_.most_bytes = 1024;
  }
  PlannedCollective planned;
  planned.key = {Collective::all_reduce, 4096, DataType::fp32, {world_.size(), world_.size(), 1}};
  const ProbeGroups groups(world_, ProcessGrid({.data = world_.size()}), GroupKind::data);
  const auto result = probe_collective({device_, world_}, planned, groups, {});
  ASSERT_TRUE(std::holds_alternative<std::string>(result));
  EXPECT_THAT(std::get<std::string>(result), testing::EndsWith("out of memory"));
  if (!is_alone()) {
    EXPECT_THAT(std::get<std::string>(result),
                testing::StartsWith("rank " + std::to_string(world_.size() - 1)));
  }
  OperandArena arena(device_);
  auto pairs = overlap_pairs({world_.size(), world_.size(), 1}, true);
  EXPECT_TRUE(std::holds_alternative<std::string>(
      probe_overlap({device_, world_}, arena, world_, pairs.front())));
}

// Three communicators, one pair of buffers.
TEST_F(Probing, TakesTwiceTheSizeOfTheCollective) {
  PlannedCollective planned;
  planned.key = {
      Collective::all_reduce, 3 << 20, DataType::fp32, {world_.size(), world_.size(), 1}};
  const ProbeGroups groups(world_, ProcessGrid({.data = world_.size()}), GroupKind::data);
  device_.allocated_bytes = 0;
  static_cast<void>(probe_collective(
      {device_, world_}, planned, groups, {.time = Seconds(), .tolerance = 0.03, .samples = 3}));
  EXPECT_EQ(device_.allocated_bytes, 6U << 20U);
}

TEST_F(Probing, OverlapsWhatItIsGiven) {
  OperandArena arena(device_);
  auto pairs = overlap_pairs({world_.size(), world_.size(), 1}, true);
  EXPECT_EQ(pairs.size(), 3U * 5U * 3U);
  const auto result = probe_overlap({device_, world_}, arena, world_, pairs.front());
  if (is_alone()) {
    EXPECT_TRUE(std::holds_alternative<std::string>(result));
    device_.emulates = true;
    const auto emulated = probe_overlap({device_, world_}, arena, world_, pairs.front());
    EXPECT_TRUE(std::get<OverlapPoint>(emulated).is_emulated);
    EXPECT_GE(device_.pressed_bytes, 2 * pairs.front().collective.bytes);
    return;
  }
  const auto* const point = std::get_if<OverlapPoint>(&result);
  ASSERT_NE(point, nullptr);
  EXPECT_GT(point->collective_alone, Seconds());
  EXPECT_GE(point->both, point->compute_beside);
  const SharedSpeed speed = shared_speed(*point);
  EXPECT_GT(speed.compute, 0.0);
  EXPECT_LE(speed.compute, 1.0);
  EXPECT_GE(speed.collective, 0.0);
  EXPECT_LE(speed.collective, 1.0);
}

TEST_F(Probing, FollowsARefusalOfTheDevice) {
  OperandArena arena(device_);
  device_.fault = [](const KernelKey&) { return FaultyDevice::Fault::refuses; };
  const auto pairs = overlap_pairs({world_.size(), world_.size(), 1}, true);
  EXPECT_TRUE(std::holds_alternative<std::string>(
      probe_overlap({device_, world_}, arena, world_, pairs.front())));
}

// With a tenth of the time that it takes when it may, the search for levels ends in half of it.
TEST_F(Probing, SearchesForLevelsWithinItsBudget) {
  if (is_alone()) {
    GTEST_SKIP() << "for several ranks";
  }
  const std::vector<std::string> hosts(static_cast<std::size_t>(world_.size()), "a");
  const auto took = [&](Seconds budget) {
    std::ostringstream progress;
    world_.barrier();
    const auto start = std::chrono::steady_clock::now();
    (void)probe_topology({device_, world_, world_}, hosts, budget, progress);
    world_.barrier();
    auto seconds = static_cast<float>(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    world_.all_reduce(&seconds, &seconds, 1, DataType::fp32, ReduceOp::max);
    return static_cast<double>(seconds);
  };
  const double at_leisure = took(Seconds::infinite());
  EXPECT_LT(took(0.1 * at_leisure * unit::second), 0.5 * at_leisure);
}

}  // namespace
}  // namespace forerun
