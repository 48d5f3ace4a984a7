// Every collective over real MPI, on any number of ranks, against what each rank must hold.
#include "comm/mpi/mpi_communicator.hpp"

#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/sanitizer_allocator.hpp"
#include "units/bfloat16.hpp"

namespace forerun {
namespace {

constexpr std::int64_t count = 1000;

// What rank `rank` gives at position i: small whole numbers, exact in bfloat16 even when summed.
float given(int rank, std::int64_t i) {
  return static_cast<float>((static_cast<std::int64_t>(rank) + 1) * (i % 5 - 2));
}

// A buffer of one of the two types that are trained in, filled and read as float.
class Buffer {
 public:
  Buffer(DataType type, std::int64_t elements)
      : type_(type), bytes_(static_cast<std::size_t>(elements) * width()) {}

  [[nodiscard]] void* at(std::int64_t i) {
    return bytes_.data() + static_cast<std::size_t>(i) * width();
  }

  void set(std::int64_t i, float value) {
    if (type_ == DataType::bf16) {
      *static_cast<std::uint16_t*>(at(i)) = bf16_from_float(value);
    } else {
      *static_cast<float*>(at(i)) = value;
    }
  }

  [[nodiscard]] float value(std::int64_t i) {
    return type_ == DataType::bf16 ? float_from_bf16(*static_cast<std::uint16_t*>(at(i)))
                                   : *static_cast<float*>(at(i));
  }

  // Fills count elements from `begin` with what `rank` gives for positions from `first` on.
  void fill(int rank, std::int64_t begin, std::int64_t elements, std::int64_t first = 0) {
    for (std::int64_t i = 0; i < elements; ++i) {
      set(begin + i, given(rank, first + i));
    }
  }

 private:
  [[nodiscard]] std::size_t width() const { return type_ == DataType::bf16 ? 2 : 4; }

  DataType type_;
  std::vector<std::byte> bytes_;
};

class MpiCollective : public testing::TestWithParam<DataType> {
 protected:
  MpiCommunicator world_;
  int rank_ = world_.rank();
  int size_ = world_.size();
  // 1 + 2 + ... + n
  float sum_of_factors_ = static_cast<float>(size_ * (size_ + 1) / 2);
};

TEST_P(MpiCollective, AllReduceSums) {
  Buffer send(GetParam(), count);
  Buffer receive(GetParam(), count);
  send.fill(rank_, 0, count);
  world_.all_reduce(send.at(0), receive.at(0), count, GetParam(), ReduceOp::sum);
  for (std::int64_t i = 0; i < count; ++i) {
    ASSERT_EQ(receive.value(i), sum_of_factors_ * static_cast<float>(i % 5 - 2));
  }
}

TEST_P(MpiCollective, AllReduceSumsInPlace) {
  Buffer buffer(GetParam(), count);
  buffer.fill(rank_, 0, count);
  world_.all_reduce(buffer.at(0), buffer.at(0), count, GetParam(), ReduceOp::sum);
  for (std::int64_t i = 0; i < count; ++i) {
    ASSERT_EQ(buffer.value(i), sum_of_factors_ * static_cast<float>(i % 5 - 2));
  }
}

// The largest factor where positions are positive, the smallest where they are negative.
TEST_P(MpiCollective, AllReduceTakesTheMaximum) {
  Buffer send(GetParam(), count);
  Buffer receive(GetParam(), count);
  send.fill(rank_, 0, count);
  world_.all_reduce(send.at(0), receive.at(0), count, GetParam(), ReduceOp::max);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto position = static_cast<float>(i % 5 - 2);
    ASSERT_EQ(receive.value(i), position > 0 ? position * static_cast<float>(size_) : position);
  }
}

TEST_P(MpiCollective, AllReduceTakesTheMaximumInPlace) {
  Buffer buffer(GetParam(), 1);
  buffer.set(0, static_cast<float>(-rank_));
  world_.all_reduce(buffer.at(0), buffer.at(0), 1, GetParam(), ReduceOp::max);
  EXPECT_EQ(buffer.value(0), 0.0F);
}

TEST_P(MpiCollective, AllGatherKeepsRankOrder) {
  Buffer send(GetParam(), count);
  Buffer receive(GetParam(), count * size_);
  send.fill(rank_, 0, count);
  world_.all_gather(send.at(0), receive.at(0), count, GetParam());
  for (int from = 0; from < size_; ++from) {
    for (std::int64_t i = 0; i < count; ++i) {
      ASSERT_EQ(receive.value(from * count + i), given(from, i));
    }
  }
}

TEST_P(MpiCollective, AllGatherInPlace) {
  Buffer buffer(GetParam(), count * size_);
  buffer.fill(rank_, rank_ * count, count);
  world_.all_gather(buffer.at(rank_ * count), buffer.at(0), count, GetParam());
  for (int from = 0; from < size_; ++from) {
    for (std::int64_t i = 0; i < count; ++i) {
      ASSERT_EQ(buffer.value(from * count + i), given(from, i));
    }
  }
}

TEST_P(MpiCollective, ReduceScatterGivesEachRankItsBlock) {
  Buffer send(GetParam(), count * size_);
  Buffer receive(GetParam(), count);
  send.fill(rank_, 0, count * size_);
  world_.reduce_scatter(send.at(0), receive.at(0), count, GetParam());
  for (std::int64_t i = 0; i < count; ++i) {
    const auto position = static_cast<float>((rank_ * count + i) % 5 - 2);
    ASSERT_EQ(receive.value(i), sum_of_factors_ * position);
  }
}

TEST_P(MpiCollective, ReduceScatterInPlace) {
  Buffer buffer(GetParam(), count * size_);
  buffer.fill(rank_, 0, count * size_);
  world_.reduce_scatter(buffer.at(0), buffer.at(rank_ * count), count, GetParam());
  for (std::int64_t i = 0; i < count; ++i) {
    const auto position = static_cast<float>((rank_ * count + i) % 5 - 2);
    ASSERT_EQ(buffer.value(rank_ * count + i), sum_of_factors_ * position);
  }
}

TEST_P(MpiCollective, AllToAllTransposesBlocks) {
  Buffer send(GetParam(), count * size_);
  Buffer receive(GetParam(), count * size_);
  for (int to = 0; to < size_; ++to) {
    send.fill(rank_, to * count, count, to);
  }
  world_.all_to_all(send.at(0), receive.at(0), count, GetParam());
  for (int from = 0; from < size_; ++from) {
    for (std::int64_t i = 0; i < count; ++i) {
      ASSERT_EQ(receive.value(from * count + i), given(from, rank_ + i));
    }
  }
}

TEST_P(MpiCollective, AllToAllInPlace) {
  Buffer buffer(GetParam(), count * size_);
  for (int to = 0; to < size_; ++to) {
    buffer.fill(rank_, to * count, count, to);
  }
  world_.all_to_all(buffer.at(0), buffer.at(0), count, GetParam());
  for (int from = 0; from < size_; ++from) {
    for (std::int64_t i = 0; i < count; ++i) {
      ASSERT_EQ(buffer.value(from * count + i), given(from, rank_ + i));
    }
  }
}

// Rank r sends 10 (r + 1) + j elements to rank j, and nothing at all to itself.
TEST_P(MpiCollective, AllToAllOfUnequalCounts) {
  const auto sent = [](int from, int to) {
    return from == to ? std::int64_t{0} : std::int64_t{10} * (from + 1) + to;
  };
  std::vector<std::int64_t> send_counts;
  std::vector<std::int64_t> receive_counts;
  for (int peer = 0; peer < size_; ++peer) {
    send_counts.push_back(sent(rank_, peer));
    receive_counts.push_back(sent(peer, rank_));
  }
  Buffer send(GetParam(), 100 * size_);
  Buffer receive(GetParam(), 100 * size_);
  std::int64_t start = 0;
  for (int to = 0; to < size_; ++to) {
    send.fill(rank_, start, send_counts[static_cast<std::size_t>(to)], to);
    start += send_counts[static_cast<std::size_t>(to)];
  }
  receive.set(std::accumulate(receive_counts.begin(), receive_counts.end(), std::int64_t{0}),
              77.0F);
  world_.all_to_all_v(send.at(0), send_counts, receive.at(0), receive_counts, GetParam());
  start = 0;
  for (int from = 0; from < size_; ++from) {
    for (std::int64_t i = 0; i < sent(from, rank_); ++i, ++start) {
      ASSERT_EQ(receive.value(start), given(from, rank_ + i)) << from << " " << i;
    }
  }
  EXPECT_EQ(receive.value(start), 77.0F);
}

TEST_P(MpiCollective, SendReceiveInPlace) {
  const int next = (rank_ + 1) % size_;
  const int previous = (rank_ + size_ - 1) % size_;
  Buffer buffer(GetParam(), count);
  buffer.fill(rank_, 0, count);
  world_.send_receive(buffer.at(0), next, buffer.at(0), previous, count, GetParam());
  for (std::int64_t i = 0; i < count; ++i) {
    ASSERT_EQ(buffer.value(i), given(previous, i));
  }
}

// All five in flight at once, finished together, against what the blocking calls give.
TEST_P(MpiCollective, StartedCollectivesGiveTheSame) {
  const std::int64_t all = count * size_;
  Buffer send(GetParam(), all);
  send.fill(rank_, 0, all);
  std::vector<Buffer> expected(5, Buffer(GetParam(), all));
  std::vector<Buffer> started = expected;
  world_.all_reduce(send.at(0), expected[0].at(0), count, GetParam(), ReduceOp::sum);
  world_.all_gather(send.at(0), expected[1].at(0), count, GetParam());
  world_.reduce_scatter(send.at(0), expected[2].at(0), count, GetParam());
  world_.all_to_all(send.at(0), expected[3].at(0), count, GetParam());
  const int next = (rank_ + 1) % size_;
  const int previous = (rank_ + size_ - 1) % size_;
  world_.send_receive(send.at(0), next, expected[4].at(0), previous, count, GetParam());
  const std::vector<Collective> ops{Collective::all_reduce,
                                    Collective::all_gather,
                                    Collective::reduce_scatter,
                                    Collective::all_to_all,
                                    Collective::send_recv};
  for (std::size_t i = 0; i < ops.size(); ++i) {
    world_.start_collective({ops[i], send.at(0), started[i].at(0), count, GetParam()});
  }
  world_.finish_collectives();
  for (std::size_t i = 0; i < ops.size(); ++i) {
    for (std::int64_t j = 0; j < all; ++j) {
      ASSERT_EQ(started[i].value(j), expected[i].value(j)) << name_of(ops[i]) << " " << j;
    }
  }
}

TEST_P(MpiCollective, StartedInPlaceTheyGiveTheSame) {
  const std::int64_t all = count * size_;
  Buffer own(GetParam(), all);
  own.fill(rank_, 0, all);
  for (const Collective op :
       {Collective::all_reduce, Collective::all_gather, Collective::reduce_scatter}) {
    Buffer expected = own;
    Buffer started = own;
    const std::int64_t first = op == Collective::all_reduce ? 0 : rank_ * count;
    if (op == Collective::all_reduce) {
      world_.all_reduce(expected.at(0), expected.at(0), count, GetParam(), ReduceOp::sum);
      world_.start_collective({op, started.at(0), started.at(0), count, GetParam()});
    } else if (op == Collective::all_gather) {
      world_.all_gather(expected.at(first), expected.at(0), count, GetParam());
      world_.start_collective({op, started.at(first), started.at(0), count, GetParam()});
    } else {
      world_.reduce_scatter(expected.at(0), expected.at(first), count, GetParam());
      world_.start_collective({op, started.at(0), started.at(first), count, GetParam()});
    }
    world_.finish_collectives();
    const bool is_whole = op == Collective::all_gather;
    for (std::int64_t j = is_whole ? 0 : first; j < (is_whole ? all : first + count); ++j) {
      ASSERT_EQ(started.value(j), expected.value(j)) << name_of(op) << " " << j;
    }
  }
}

TEST_P(MpiCollective, BroadcastComesFromTheRoot) {
  for (int root = 0; root < size_; ++root) {
    Buffer buffer(GetParam(), count);
    buffer.fill(rank_, 0, count);
    world_.broadcast(buffer.at(0), count, GetParam(), root);
    for (std::int64_t i = 0; i < count; ++i) {
      ASSERT_EQ(buffer.value(i), given(root, i));
    }
  }
}

TEST_P(MpiCollective, SendReceiveGoesBothWaysAtOnce) {
  const int next = (rank_ + 1) % size_;
  const int previous = (rank_ + size_ - 1) % size_;
  Buffer send(GetParam(), count);
  Buffer receive(GetParam(), count);
  send.fill(rank_, 0, count);
  world_.send_receive(send.at(0), next, receive.at(0), previous, count, GetParam());
  for (std::int64_t i = 0; i < count; ++i) {
    ASSERT_EQ(receive.value(i), given(previous, i));
  }
  world_.send_receive(send.at(0), previous, receive.at(0), next, count, GetParam());
  for (std::int64_t i = 0; i < count; ++i) {
    ASSERT_EQ(receive.value(i), given(next, i));
  }
}

// 4 MB a message is beyond any eager limit: blocking sends would wait for one another for ever.
TEST_P(MpiCollective, StartedSendsFormARingWithoutDeadlock) {
  constexpr std::int64_t large = 2'000'000;
  Buffer send(GetParam(), large);
  Buffer receive(GetParam(), large);
  send.fill(rank_, 0, large);
  const int previous = (rank_ + size_ - 1) % size_;
  world_.start_send(send.at(0), large, GetParam(), (rank_ + 1) % size_);
  world_.receive(receive.at(0), large, GetParam(), previous);
  world_.finish_sends();
  for (std::int64_t i = 0; i < large; i += 997) {
    ASSERT_EQ(receive.value(i), given(previous, i));
  }
}

INSTANTIATE_TEST_SUITE_P(Types,
                         MpiCollective,
                         testing::Values(DataType::fp32, DataType::bf16),
                         [](const auto& type) { return std::string(name_of(type.param)); });

TEST(MpiCommunicator, SplitsIntoGroupsByColor) {
  MpiCommunicator world;
  const int color = world.rank() % 2;
  const auto group = world.split(color, world.rank());
  const float own = static_cast<float>(world.rank());
  float sum = 0.0F;
  group->all_reduce(&own, &sum, 1, DataType::fp32, ReduceOp::sum);
  float expected = 0.0F;
  for (int rank = color; rank < world.size(); rank += 2) {
    expected += static_cast<float>(rank);
  }
  EXPECT_EQ(sum, expected);
  EXPECT_EQ(group->rank(), world.rank() / 2);
}

TEST(MpiCommunicator, SplitOrdersRanksByKey) {
  MpiCommunicator world;
  const auto reversed = world.split(0, world.size() - world.rank());
  EXPECT_EQ(reversed->rank(), world.size() - 1 - world.rank());
}

TEST(MpiCommunicator, ReducesWholeNumbers) {
  MpiCommunicator world;
  std::int32_t number = 1 << world.rank();
  world.all_reduce(&number, &number, 1, DataType::int32, ReduceOp::sum);
  EXPECT_EQ(number, (1 << world.size()) - 1);
}

TEST(MpiCommunicator, MovesEightBitNumbers) {
  MpiCommunicator world;
  const auto own = static_cast<std::uint8_t>(world.rank() + 1);
  std::vector<std::uint8_t> all(static_cast<std::size_t>(world.size()));
  world.all_gather(&own, all.data(), 1, DataType::fp8_e4m3);
  std::vector<std::uint8_t> expected(all.size());
  std::iota(expected.begin(), expected.end(), std::uint8_t{1});
  EXPECT_EQ(all, expected);
}

TEST(MpiCommunicator, RefusesToReduceWhatMpiCannot) {
  MpiCommunicator world;
  std::uint16_t half = 0;
  EXPECT_THROW(world.all_reduce(&half, &half, 1, DataType::fp16, ReduceOp::sum),
               std::runtime_error);
}

TEST(MpiCommunicator, RefusesMoreElementsThanMpiCounts) {
  MpiCommunicator world;
  float number = 0.0F;
  EXPECT_THROW(world.all_gather(&number,
                                &number,
                                std::numeric_limits<std::int32_t>::max() + std::int64_t{1},
                                DataType::fp32),
               std::runtime_error);
}

TEST(MpiCommunicator, RefusesToStartWhatDoesNotRunInTheBackground) {
  MpiCommunicator world;
  float number = 0.0F;
  EXPECT_THROW(world.start_collective({Collective::broadcast, &number, &number, 1, DataType::fp32}),
               std::runtime_error);
}

TEST(MpiCommunicator, NothingAtAllIsReducedWithoutHarm) {
  MpiCommunicator world;
  float number = 7.0F;
  world.all_reduce(&number, &number, 0, DataType::fp32, ReduceOp::sum);
  EXPECT_EQ(number, 7.0F);
}

TEST(MpiCommunicator, GathersTextsOfDifferentLengths) {
  MpiCommunicator world;
  const auto texts =
      world.all_gather_text(std::string(static_cast<std::size_t>(world.rank()), 'x'));
  ASSERT_EQ(texts.size(), static_cast<std::size_t>(world.size()));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(texts[i], std::string(i, 'x'));
  }
}

TEST(MpiCommunicator, FailureNamesCallFileAndRank) {
  MpiCommunicator world;
  float number = 0.0F;
  try {
    world.broadcast(&number, 1, DataType::fp32, world.size());
    FAIL() << "a root beyond the last rank was accepted";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("MPI_Bcast"));
    EXPECT_THAT(error.what(), testing::HasSubstr("mpi_communicator.cpp:"));
    EXPECT_THAT(error.what(), testing::HasSubstr("rank " + std::to_string(world.rank())));
    EXPECT_THAT(error.what(), testing::HasSubstr("MPI_ERR_ROOT"));
  }
}

// Memory fresh from the operating system is mapped page by page, which takes longer than the sum:
// what a large reduction needs beside its operands is kept from one to the next.
TEST(MpiCommunicator, LargeReductionsDoNotFaultTheirMemoryInAnew) {
  if (has_sanitizer_allocator()) {
    GTEST_SKIP() << "its allocator gives memory back as it likes";
  }
  MpiCommunicator world;
  constexpr std::int64_t share = 1 << 22;
  std::vector<float> numbers(static_cast<std::size_t>(share * world.size()), 1.0F);
  float* const own = numbers.data() + world.rank() * share;
  const auto faults = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  };
  world.reduce_scatter(numbers.data(), own, share, DataType::fp32);
  const long before = faults();
  world.reduce_scatter(numbers.data(), own, share, DataType::fp32);
  const long pages = share * 4 / 4096;
  EXPECT_LT(faults() - before, pages / 10);
}

TEST(MpiCommunicator, BarrierReturns) {
  MpiCommunicator world;
  EXPECT_NO_THROW(world.barrier());
}

}  // namespace
}  // namespace forerun
