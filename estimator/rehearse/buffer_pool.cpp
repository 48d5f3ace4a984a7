#include "estimator/rehearse/buffer_pool.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {

OutOfMemory::OutOfMemory(Bytes requested, Bytes held)
    : std::runtime_error("out of memory: " + text_of(requested) + " more were asked for beside " +
                         text_of(held)),
      requested_(requested),
      held_(held) {}

DeviceBuffer BufferPool::allocate(std::size_t bytes) {
  const auto all = static_cast<double>(live_ + bytes) * unit::byte;
  if (all > limit_) {
    throw OutOfMemory(static_cast<double>(bytes) * unit::byte,
                      static_cast<double>(live_) * unit::byte);
  }
  if (all + static_cast<double>(idle_) * unit::byte > limit_) {
    free_.clear();
    idle_ = 0;
  }
  try {
    return {device_, bytes};
  } catch (const std::bad_alloc&) {
    free_.clear();
    idle_ = 0;
  }
  try {
    return {device_, bytes};
  } catch (const std::bad_alloc&) {
    throw OutOfMemory(static_cast<double>(bytes) * unit::byte,
                      static_cast<double>(live_) * unit::byte);
  }
}

DeviceBuffer BufferPool::take(std::size_t bytes) {
  DeviceBuffer buffer;
  if (const auto found = free_.find(bytes); found != free_.end()) {
    buffer = std::move(found->second);
    free_.erase(found);
    idle_ -= bytes;
  } else {
    buffer = allocate(bytes);
  }
  live_ += bytes;
  peak_ = std::max(peak_, live_);
  return buffer;
}

DeviceBuffer BufferPool::take_for_good(std::size_t bytes) {
  return bytes == 0 ? DeviceBuffer() : take(bytes);
}

void BufferPool::give_back(DeviceBuffer buffer) {
  const std::size_t bytes = buffer.bytes();
  live_ -= bytes;
  idle_ += bytes;
  free_.emplace(bytes, std::move(buffer));
}

}  // namespace forerun
