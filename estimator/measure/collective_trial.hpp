// One collective with its buffers: run it in either form, or check what it gives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "comm/communicator.hpp"
#include "kernels/device.hpp"

namespace forerun {

/// Out of place: from one buffer into another. In place: within the receive buffer.
enum class Form { out_of_place, in_place };

/// What a collective reads and writes, zeroed: page faults are paid here, and sums stay finite.
/// Trials that run one after the other may share them.
struct CollectiveBuffers {
  /// Throws std::bad_alloc.
  CollectiveBuffers(Device& device, std::size_t bytes);

  DeviceBuffer send;
  DeviceBuffer receive;
};

/// Collective over the group: every member constructs and calls it alike.
class CollectiveTrial {
 public:
  CollectiveTrial(Device& device, Communicator& group, const CollectiveKey& key);
  /// `buffers`: of the key's bytes.
  CollectiveTrial(Device& device,
                  Communicator& group,
                  const CollectiveKey& key,
                  std::shared_ptr<CollectiveBuffers> buffers);

  /// broadcast and send_recv have one form only.
  [[nodiscard]] bool has(Form form) const;

  /// The operation once; on a GPU it may still run when this returns. send_recv: every member sends
  /// to the next one and receives from the one before, as nccl-tests does.
  void run(Form form);
  /// A message to the next member and back, between the pairs of one turn: every second pair of
  /// neighbours, the last and the first being neighbours too. Members outside them rest.
  void ping_pong(int turn);
  /// Turns until all neighbours of a ring have met: 1 for two members, 3 for an odd number.
  [[nodiscard]] static int turns(std::int64_t members);
  /// Starts it in the background, out of place; `finish` waits for it.
  void start();
  void finish();

  /// Runs it on known values: how many elements differ here from what they must be. Nothing for
  /// number formats that are only moved. Works through the buffers piece by piece, calling
  /// `after_piece`: a check takes longer than the collective.
  [[nodiscard]] std::optional<std::int64_t> count_wrong(
      Form form, const std::function<void()>& after_piece = [] {});

  [[nodiscard]] std::optional<Seconds> own_estimate();

 private:
  [[nodiscard]] CollectiveCall call() const;
  static float given(std::int64_t rank, std::int64_t i);
  [[nodiscard]] float expected(std::int64_t i) const;
  void fill(Form form, const std::function<void()>& after_piece);
  [[nodiscard]] std::int64_t compare(Form form, const std::function<void()>& after_piece);
  [[nodiscard]] bool is_right(float value, std::int64_t i) const;
  [[nodiscard]] char* own_block(void* buffer) const;
  [[nodiscard]] std::int64_t results() const;

  Device& device_;
  Communicator& group_;
  CollectiveKey key_;
  std::size_t width_;      ///< bytes of an element
  std::int64_t elements_;  ///< of the whole tensor
  std::int64_t share_;     ///< of one rank
  std::shared_ptr<CollectiveBuffers> buffers_;
};

}  // namespace forerun
