#include "estimator/rehearse/host_calls.hpp"

#include <utility>

#include "kernels/operands.hpp"

namespace forerun {

HostKernelCall::HostKernelCall(const Execution& at, const KernelKey& key) : at_(at), key_(key) {
  for (const Operand& operand : operands_of(key)) {
    buffers_.push_back(at.store.pool().take(bytes_of(operand)));
    memory_.push_back(buffers_.back().data());
  }
}

HostKernelCall::~HostKernelCall() {
  for (DeviceBuffer& buffer : buffers_) {
    at_.store.pool().give_back(std::move(buffer));
  }
}

void HostKernelCall::give(std::size_t operand, std::span<const float> values, DataType type) {
  write_values(at_.device, values, type, memory_[operand]);
}

HostMatrix HostKernelCall::result(std::size_t operand,
                                  DataType type,
                                  std::int64_t rows,
                                  std::int64_t width) const {
  return read_matrix(at_.device, memory_[operand], type, rows, width);
}

Seconds HostKernelCall::run(const KernelScalars& scalars) {
  at_.device.synchronize();
  const Stopwatch watch;
  at_.device.run(key_, memory_, scalars);
  at_.device.synchronize();
  return watch.elapsed();
}

HostMessage::HostMessage(const Execution& at,
                         DataType type,
                         std::int64_t sent,
                         std::int64_t received)
    : at_(at), type_(type), out_(take(sent)), in_(take(received)) {}

HostMessage::~HostMessage() {
  at_.store.pool().give_back(std::move(out_));
  at_.store.pool().give_back(std::move(in_));
}

void HostMessage::write(std::span<const float> values) {
  write_values(at_.device, values, type_, element(out_, written_));
  written_ += std::ssize(values);
}

void HostMessage::read(std::int64_t first, std::span<float> values) const {
  read_values(at_.device, element(in_, first), type_, values);
}

DeviceBuffer HostMessage::take(std::int64_t elements) const {
  return at_.store.pool().take(static_cast<std::size_t>(elements) * element_bytes(type_));
}

void* HostMessage::element(const DeviceBuffer& buffer, std::int64_t index) const {
  return static_cast<std::byte*>(buffer.data()) +
         static_cast<std::size_t>(index) * element_bytes(type_);
}

}  // namespace forerun
