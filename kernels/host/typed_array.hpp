// A tensor in fp32 or bf16, read and written in runs of floats: kernels are written once, in fp32,
// and the storage format is dealt with at the edge of each run.
#pragma once

#include <cstdint>

#include "kernels/host/aligned_memory.hpp"
#include "kernels/host/bfloat16.hpp"
#include "units/data_type.hpp"

namespace forerun::host {

/// Floats for one thread's conversions, not initialised.
class RunBuffer {
 public:
  explicit RunBuffer(std::int64_t count) : data_(scratch_.at_least(count)) {}

  [[nodiscard]] float* data() const { return data_; }

 private:
  FloatScratch scratch_;
  float* data_;
};

/// Does not own. Offsets and counts are in elements.
class TypedArray {
 public:
  TypedArray(void* data, DataType type) : data_(data), type_(type) {}

  /// The elements [first, first + count): the storage itself in fp32, else a copy in `buffer`.
  [[nodiscard]] const float* read(std::int64_t first, std::int64_t count, float* buffer) const;
  /// The same, always copied: for values that are changed before they are written elsewhere.
  void read_into(float* target, std::int64_t first, std::int64_t count) const;

  /// Where to put elements from `first` on: the storage itself in fp32, else `buffer`. What is put
  /// there counts only after `commit` with the same pointer.
  [[nodiscard]] float* target(std::int64_t first, float* buffer) const;
  /// The same for elements that are changed in place: they are read first.
  [[nodiscard]] float* open(std::int64_t first, std::int64_t count, float* buffer) const;
  void commit(std::int64_t first, std::int64_t count, const float* values) const;

 private:
  [[nodiscard]] float* floats() const { return static_cast<float*>(data_); }

  [[nodiscard]] Bf16* halves() const { return static_cast<Bf16*>(data_); }

  void* data_;
  DataType type_;
};

}  // namespace forerun::host
