// One process: collectives are copies, messages go to oneself.
#include "comm/serial/serial_communicator.hpp"

#include <array>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forerun {
namespace {

constexpr std::array<float, 3> numbers{1.0F, -2.0F, 3.5F};

TEST(SerialCommunicator, IsRankZeroOfOne) {
  const SerialCommunicator self;
  EXPECT_EQ(self.rank(), 0);
  EXPECT_EQ(self.size(), 1);
}

TEST(SerialCommunicator, AllReduceCopies) {
  SerialCommunicator self;
  std::array<float, 3> result{};
  self.all_reduce(numbers.data(), result.data(), 3, DataType::fp32, ReduceOp::sum);
  EXPECT_EQ(result, numbers);
}

TEST(SerialCommunicator, ReduceScatterCopies) {
  SerialCommunicator self;
  std::array<float, 3> result{};
  self.reduce_scatter(numbers.data(), result.data(), 3, DataType::fp32);
  EXPECT_EQ(result, numbers);
}

TEST(SerialCommunicator, AllGatherCopies) {
  SerialCommunicator self;
  std::array<float, 3> result{};
  self.all_gather(numbers.data(), result.data(), 3, DataType::fp32);
  EXPECT_EQ(result, numbers);
}

TEST(SerialCommunicator, AllToAllCopies) {
  SerialCommunicator self;
  std::array<float, 3> result{};
  self.all_to_all(numbers.data(), result.data(), 3, DataType::fp32);
  EXPECT_EQ(result, numbers);
}

TEST(SerialCommunicator, AllToAllOfUnequalCountsCopies) {
  SerialCommunicator self;
  std::array<float, 3> result{};
  const std::array<std::int64_t, 1> two{2};
  self.all_to_all_v(numbers.data(), two, result.data(), two, DataType::fp32);
  EXPECT_EQ(result, (std::array<float, 3>{1.0F, -2.0F, 0.0F}));
  const std::array<std::int64_t, 1> three{3};
  EXPECT_THROW(self.all_to_all_v(numbers.data(), two, result.data(), three, DataType::fp32),
               std::runtime_error);
}

TEST(SerialCommunicator, AStartedCollectiveIsDone) {
  SerialCommunicator self;
  std::array<float, 3> result{};
  self.start_collective({Collective::all_gather, numbers.data(), result.data(), 3, DataType::fp32});
  self.finish_collectives();
  EXPECT_EQ(result, numbers);
}

TEST(SerialCommunicator, InPlaceLeavesTheBuffer) {
  SerialCommunicator self;
  std::array<float, 3> buffer = numbers;
  self.all_reduce(buffer.data(), buffer.data(), 3, DataType::fp32, ReduceOp::max);
  EXPECT_EQ(buffer, numbers);
}

TEST(SerialCommunicator, ReceivesItsMessagesInOrder) {
  SerialCommunicator self;
  const float first = 1.0F;
  const float second = 2.0F;
  self.start_send(&first, 1, DataType::fp32, 0);
  self.start_send(&second, 1, DataType::fp32, 0);
  std::array<float, 2> result{};
  self.receive(result.data(), 1, DataType::fp32, 0);
  self.receive(result.data() + 1, 1, DataType::fp32, 0);
  self.finish_sends();
  EXPECT_THAT(result, testing::ElementsAre(1.0F, 2.0F));
}

TEST(SerialCommunicator, RefusesToWaitForEver) {
  SerialCommunicator self;
  float result = 0.0F;
  EXPECT_THROW(self.receive(&result, 1, DataType::fp32, 0), std::runtime_error);
}

TEST(SerialCommunicator, RefusesAnotherRank) {
  SerialCommunicator self;
  const float number = 1.0F;
  EXPECT_THROW(self.start_send(&number, 1, DataType::fp32, 1), std::runtime_error);
}

TEST(SerialCommunicator, SplitIsAgainRankZeroOfOne) {
  SerialCommunicator self;
  EXPECT_EQ(self.split(7, 3)->size(), 1);
}

TEST(SerialCommunicator, GathersItsOwnText) {
  SerialCommunicator self;
  EXPECT_THAT(self.all_gather_text("node-a"), testing::ElementsAre("node-a"));
}

}  // namespace
}  // namespace forerun
