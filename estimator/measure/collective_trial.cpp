#include "estimator/measure/collective_trial.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "units/bfloat16.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Whole numbers up to here are exact in bfloat16, whose significand has eight bits.
constexpr float exact_in_bf16 = 256.0F;

// Checks hold no more than this of a buffer on the host at once.
constexpr std::int64_t elements_at_once = 1 << 20;

template <typename Work>
void in_pieces(std::int64_t elements, Work work) {
  for (std::int64_t offset = 0; offset < elements; offset += elements_at_once) {
    work(offset, std::min(elements_at_once, elements - offset));
  }
}

float read_element(const char* at, DataType type) {
  if (type == DataType::bf16) {
    std::uint16_t half = 0;
    std::memcpy(&half, at, sizeof(half));
    return float_from_bf16(half);
  }
  float value = 0.0F;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

void write_element(char* at, DataType type, float value) {
  if (type == DataType::bf16) {
    const std::uint16_t half = bf16_from_float(value);
    std::memcpy(at, &half, sizeof(half));
  } else {
    std::memcpy(at, &value, sizeof(value));
  }
}

}  // namespace

CollectiveBuffers::CollectiveBuffers(Device& device, std::size_t bytes)
    : send(device, bytes), receive(device, bytes) {
  device.set_zero(send.data(), bytes);
  device.set_zero(receive.data(), bytes);
}

CollectiveTrial::CollectiveTrial(Device& device, Communicator& group, const CollectiveKey& key)
    : CollectiveTrial(
          device,
          group,
          key,
          std::make_shared<CollectiveBuffers>(device, static_cast<std::size_t>(key.bytes))) {}

CollectiveTrial::CollectiveTrial(Device& device,
                                 Communicator& group,
                                 const CollectiveKey& key,
                                 std::shared_ptr<CollectiveBuffers> buffers)
    : device_(device),
      group_(group),
      key_(key),
      width_(static_cast<std::size_t>(size_of(key.type).in(unit::byte))),
      elements_(key.bytes / static_cast<std::int64_t>(width_)),
      share_(elements_ / group.size()),
      buffers_(std::move(buffers)) {}

bool CollectiveTrial::has(Form form) const {
  return form == Form::out_of_place ||
         (key_.op != Collective::broadcast && key_.op != Collective::send_recv);
}

char* CollectiveTrial::own_block(void* buffer) const {
  return static_cast<char*>(buffer) + static_cast<std::size_t>(group_.rank() * share_) * width_;
}

void CollectiveTrial::run(Form form) {
  if (group_.size() < 2) {
    return;
  }
  void* const receive = buffers_->receive.data();
  const bool in_place = form == Form::in_place;
  void* const send = in_place ? receive : buffers_->send.data();
  const int next = (group_.rank() + 1) % group_.size();
  const int previous = (group_.rank() + group_.size() - 1) % group_.size();
  switch (key_.op) {
    case Collective::all_reduce:
      group_.all_reduce(send, receive, elements_, key_.type, ReduceOp::sum);
      break;
    case Collective::all_gather:
      group_.all_gather(in_place ? own_block(receive) : send, receive, share_, key_.type);
      break;
    case Collective::reduce_scatter:
      group_.reduce_scatter(send, in_place ? own_block(receive) : receive, share_, key_.type);
      break;
    case Collective::all_to_all:
      group_.all_to_all(send, receive, share_, key_.type);
      break;
    case Collective::broadcast:
      group_.broadcast(receive, elements_, key_.type, 0);
      break;
    case Collective::send_recv:
      group_.send_receive(send, next, receive, previous, elements_, key_.type);
      break;
  }
}

int CollectiveTrial::turns(std::int64_t members) {
  if (members <= 2) {
    return 1;
  }
  return members % 2 == 0 ? 2 : 3;
}

void CollectiveTrial::ping_pong(int turn) {
  const int size = group_.size();
  // The pair that the odd number of members leaves over has a turn of its own.
  const auto starts = [&](int member) {
    const bool is_left_over = size % 2 == 1 && member == size - 1;
    return is_left_over ? turn == 2 : member % 2 == turn;
  };
  const int next = (group_.rank() + 1) % size;
  const int previous = (group_.rank() + size - 1) % size;
  if (size > 1 && starts(group_.rank())) {
    group_.start_send(buffers_->send.data(), elements_, key_.type, next);
    group_.receive(buffers_->receive.data(), elements_, key_.type, next);
  } else if (size > 1 && starts(previous)) {
    group_.receive(buffers_->receive.data(), elements_, key_.type, previous);
    group_.start_send(buffers_->send.data(), elements_, key_.type, previous);
  }
  group_.finish_sends();
}

CollectiveCall CollectiveTrial::call() const {
  const bool is_whole = key_.op == Collective::all_reduce || key_.op == Collective::broadcast;
  return {key_.op,
          buffers_->send.data(),
          buffers_->receive.data(),
          is_whole ? elements_ : share_,
          key_.type};
}

void CollectiveTrial::start() {
  if (group_.size() > 1) {
    group_.start_collective(call());
  }
}

void CollectiveTrial::finish() {
  group_.finish_collectives();
}

std::optional<Seconds> CollectiveTrial::own_estimate() {
  return key_.op == Collective::send_recv || group_.size() < 2 ? std::nullopt
                                                               : group_.own_estimate(call());
}

// 0, 1 or 2, so that sums are whole numbers.
float CollectiveTrial::given(std::int64_t rank, std::int64_t i) {
  return static_cast<float>((rank + i) % 3);
}

float CollectiveTrial::expected(std::int64_t i) const {
  const std::int64_t ranks = group_.size();
  // Three ranks in a row give 3 together: only the rest is added up, so that a check costs the same
  // however many ranks there are.
  const auto sum_at = [&](std::int64_t position) {
    const std::int64_t rest = ranks % 3;
    auto sum = static_cast<float>(ranks - rest);
    for (std::int64_t rank = ranks - rest; rank < ranks; ++rank) {
      sum += given(rank, position);
    }
    return sum;
  };
  switch (key_.op) {
    case Collective::all_reduce:
      return sum_at(i % 3);
    case Collective::reduce_scatter:
      return sum_at((group_.rank() * share_ + i) % 3);
    case Collective::all_gather:
      return given(i / share_, i % share_);
    case Collective::all_to_all:
      return given(i / share_, group_.rank() * share_ + i % share_);
    case Collective::broadcast:
      return given(0, i);
    case Collective::send_recv:
      return given((group_.rank() + ranks - 1) % ranks, i);
  }
  return 0.0F;
}

// The elements that the operation leaves on a rank.
std::int64_t CollectiveTrial::results() const {
  return key_.op == Collective::reduce_scatter ? share_ : elements_;
}

void CollectiveTrial::fill(Form form, const std::function<void()>& after_piece) {
  const bool in_receive = form == Form::in_place || key_.op == Collective::broadcast;
  void* const into = in_receive ? buffers_->receive.data() : buffers_->send.data();
  const bool is_block = in_receive && key_.op == Collective::all_gather;
  char* const start = is_block ? own_block(into) : static_cast<char*>(into);
  std::vector<char> values;
  in_pieces(key_.op == Collective::all_gather ? share_ : elements_,
            [&](std::int64_t offset, std::int64_t count) {
              values.resize(static_cast<std::size_t>(count) * width_);
              for (std::int64_t i = 0; i < count; ++i) {
                write_element(values.data() + static_cast<std::size_t>(i) * width_,
                              key_.type,
                              given(group_.rank(), offset + i));
              }
              device_.copy_in(
                  start + static_cast<std::size_t>(offset) * width_, values.data(), values.size());
              after_piece();
            });
  if (in_receive) {
    return;
  }
  // What is not written must not pass for right: 0xff is NaN.
  char* const receive = static_cast<char*>(buffers_->receive.data());
  in_pieces(elements_, [&](std::int64_t offset, std::int64_t count) {
    values.assign(static_cast<std::size_t>(count) * width_, static_cast<char>(0xff));
    device_.copy_in(
        receive + static_cast<std::size_t>(offset) * width_, values.data(), values.size());
    after_piece();
  });
}

bool CollectiveTrial::is_right(float value, std::int64_t i) const {
  const float right = expected(i);
  const bool rounds = key_.type == DataType::bf16 && reduces(key_.op);
  // A sum beyond that is rounded at every hop, by half a unit in the last of eight bits.
  const float slack = rounds && right > exact_in_bf16
                          ? right * static_cast<float>(group_.size()) / (2.0F * exact_in_bf16)
                          : 0.0F;
  return std::abs(value - right) <= slack;  // NaN compares false
}

std::int64_t CollectiveTrial::compare(Form form, const std::function<void()>& after_piece) {
  const bool is_block = form == Form::in_place && key_.op == Collective::reduce_scatter;
  void* const receive = buffers_->receive.data();
  const char* const start = is_block ? own_block(receive) : static_cast<const char*>(receive);
  std::vector<char> values;
  std::int64_t wrong = 0;
  in_pieces(results(), [&](std::int64_t offset, std::int64_t count) {
    values.resize(static_cast<std::size_t>(count) * width_);
    device_.copy_out(
        values.data(), start + static_cast<std::size_t>(offset) * width_, values.size());
    for (std::int64_t i = 0; i < count; ++i) {
      const float value =
          read_element(values.data() + static_cast<std::size_t>(i) * width_, key_.type);
      wrong += is_right(value, offset + i) ? 0 : 1;
    }
    after_piece();
  });
  return wrong;
}

std::optional<std::int64_t> CollectiveTrial::count_wrong(Form form,
                                                         const std::function<void()>& after_piece) {
  if ((key_.type != DataType::bf16 && key_.type != DataType::fp32) || group_.size() < 2) {
    return std::nullopt;
  }
  fill(form, after_piece);
  device_.synchronize();
  run(form);
  device_.synchronize();
  const std::int64_t wrong = compare(form, after_piece);
  device_.set_zero(buffers_->send.data(), buffers_->send.bytes());
  device_.set_zero(buffers_->receive.data(), buffers_->receive.bytes());
  return wrong;
}

}  // namespace forerun
