// The text form of collective keys and the bytes that each rank sends.
#include "comm/collective_key.hpp"

#include <gtest/gtest.h>

namespace forerun {
namespace {

CollectiveKey key_of(Collective op, std::int64_t bytes, std::int64_t ranks) {
  return {op, bytes, DataType::bf16, {ranks, ranks, 1}};
}

TEST(CollectiveKey, ReadsAsTheHeaderShows) {
  EXPECT_EQ(text_of(key_of(Collective::all_reduce, 1048576, 8)),
            "all_reduce bf16 bytes=1048576 ranks=8 ranks_per_node=8 concurrent=1");
}

TEST(CollectiveKey, EveryOperationIsReadBack) {
  for (const Collective op : {Collective::all_reduce,
                              Collective::all_gather,
                              Collective::reduce_scatter,
                              Collective::broadcast,
                              Collective::all_to_all,
                              Collective::send_recv}) {
    const CollectiveKey key{op, 3000000000, DataType::fp32, {16, 2, 4}};
    EXPECT_EQ(collective_key_from(text_of(key)), key) << name_of(op);
  }
}

TEST(CollectiveKey, UnknownOperationIsNothing) {
  EXPECT_FALSE(collective_key_from("gossip bf16 bytes=1 ranks=2 ranks_per_node=2 concurrent=1"));
}

TEST(CollectiveKey, UnknownTypeIsNothing) {
  EXPECT_FALSE(
      collective_key_from("all_reduce bf99 bytes=1 ranks=2 ranks_per_node=2 concurrent=1"));
}

TEST(CollectiveKey, TrailingTextIsNothing) {
  EXPECT_FALSE(
      collective_key_from("all_reduce bf16 bytes=1 ranks=2 ranks_per_node=2 concurrent=1 x"));
}

TEST(CollectiveKey, HalfANumberIsNothing) {
  EXPECT_FALSE(
      collective_key_from("all_reduce bf16 bytes=1k ranks=2 ranks_per_node=2 concurrent=1"));
}

TEST(CollectiveKey, MissingFieldIsNothing) {
  EXPECT_FALSE(collective_key_from("all_reduce bf16 bytes=1 ranks=2 ranks_per_node=2"));
}

// 2 * 3/4 * 1000 bytes.
TEST(WireBytes, OfAllReduceOverFourRanks) {
  EXPECT_DOUBLE_EQ(wire_bytes(key_of(Collective::all_reduce, 1000, 4)), 1500.0);
}

TEST(WireBytes, OfAllToAllOverFourRanks) {
  EXPECT_DOUBLE_EQ(wire_bytes(key_of(Collective::all_to_all, 1000, 4)), 750.0);
}

TEST(WireBytes, OfBroadcastIsTheTensor) {
  EXPECT_DOUBLE_EQ(wire_bytes(key_of(Collective::broadcast, 1000, 4)), 1000.0);
}

TEST(WireBytes, OfSendRecvIsTheMessage) {
  EXPECT_DOUBLE_EQ(wire_bytes(key_of(Collective::send_recv, 1000, 2)), 1000.0);
}

TEST(WireBytes, OfOneRankIsNone) {
  EXPECT_DOUBLE_EQ(wire_bytes(key_of(Collective::broadcast, 1000, 1)), 0.0);
}

TEST(WireBytes, AllReduceIsReduceScatterAndAllGather) {
  for (const std::int64_t ranks : {2, 3, 8, 1000}) {
    EXPECT_DOUBLE_EQ(ring_steps(key_of(Collective::all_reduce, 123456, ranks)),
                     ring_steps(key_of(Collective::reduce_scatter, 123456, ranks)) +
                         ring_steps(key_of(Collective::all_gather, 123456, ranks)));
    EXPECT_DOUBLE_EQ(wire_bytes(key_of(Collective::all_reduce, 123456, ranks)),
                     wire_bytes(key_of(Collective::reduce_scatter, 123456, ranks)) +
                         wire_bytes(key_of(Collective::all_gather, 123456, ranks)));
  }
}

}  // namespace
}  // namespace forerun
