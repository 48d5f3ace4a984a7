// Choosing a GPU, its memory, and the report of what it is.
#include "kernels/cuda/cuda_device.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>

#include <cublasLt.h>
#include <cudnn_graph.h>
#include <fmt/format.h>

#include "kernels/cuda/library_check.hpp"
#include "units/unit.hpp"

namespace forerun::cuda {

namespace {

/// The GPU of this rank, made current.
int choose(const DeviceChoice& choice) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    static_cast<void>(cudaGetLastError());
    throw std::runtime_error(
        fmt::format("no GPU can be used on this node: {}",
                    status == cudaSuccess ? "the driver shows none" : cudaGetErrorString(status)));
  }
  const int ordinal = choice.local_rank % count;
  FORERUN_CUDA_CHECK(cudaSetDevice(ordinal));
  return ordinal;
}

cudaDeviceProp properties_of(int ordinal) {
  cudaDeviceProp properties{};
  FORERUN_CUDA_CHECK(cudaGetDeviceProperties(&properties, ordinal));
  return properties;
}

/// 13000 -> "13.0": how the driver and the runtime number themselves.
std::string cuda_version(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

/// 130001 -> "13.0.1" (cuBLASLt), 91900 -> "9.19.0" (cuDNN): major, two digits, two digits.
std::string library_version(std::size_t version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::string pci_id_of(int ordinal) {
  std::array<char, 32> text{};
  FORERUN_CUDA_CHECK(cudaDeviceGetPCIBusId(text.data(), static_cast<int>(text.size()), ordinal));
  return text.data();
}

/// Dense bf16 FLOP of the tensor cores of one SM in one cycle: the datasheet's rate over SMs and
/// boost clock (A100 312 TFLOP/s, A40 150, L40S 362, H100 SXM 989, B200 2,250), rounded up to the
/// power of two that the hardware has; 0 where it is not known.
double tensor_flop_per_cycle(int major, int minor) {
  constexpr double ampere = 2048.0;
  constexpr double small_ampere_and_ada = 1024.0;
  constexpr double hopper = 4096.0;
  constexpr double blackwell = 8192.0;
  switch (major) {
    case 8:
      return minor == 0 ? ampere : small_ampere_and_ada;
    case 9:
      return hopper;
    case 10:
      return blackwell;
    default:
      return 0.0;
  }
}

std::optional<int> peer_attribute(cudaDeviceP2PAttr attribute, int from, int to) {
  int value = 0;
  if (cudaDeviceGetP2PAttribute(&value, attribute, from, to) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return std::nullopt;
  }
  return value;
}

// CUDA says whether peers reach each other, the management library, where there is one, over what.
std::vector<DeviceLink> links_between_gpus() {
  int count = 0;
  FORERUN_CUDA_CHECK(cudaGetDeviceCount(&count));
  std::vector<DeviceLink> links;
  for (int first = 0; first + 1 < count; ++first) {
    const ManagementLibrary management(pci_id_of(first));
    for (int second = first + 1; second < count; ++second) {
      DeviceLink link = management.link_to(pci_id_of(second));
      if (const auto access = peer_attribute(cudaDevP2PAttrAccessSupported, first, second)) {
        link.peer_access = *access != 0;
      }
      link.performance_rank = peer_attribute(cudaDevP2PAttrPerformanceRank, first, second);
      links.push_back(std::move(link));
    }
  }
  return links;
}

}  // namespace

CudaDevice::CudaDevice(const DeviceChoice& choice)
    : ordinal_(choose(choice)),
      properties_(properties_of(ordinal_)),
      stream_(make_stream()),
      launcher_(ordinal_, stream_.raw()),
      timer_(stream_.raw(), static_cast<std::size_t>(std::max(properties_.l2CacheSize, 1))),
      management_(pci_id_of(ordinal_)) {}

DeviceReport CudaDevice::report() const {
  int driver = 0;
  int runtime = 0;
  FORERUN_CUDA_CHECK(cudaDriverGetVersion(&driver));
  FORERUN_CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
  DeviceReport report;
  report.kind = "cuda";
  report.name = properties_.name;
  report.cores = properties_.multiProcessorCount;
  report.memory = static_cast<double>(properties_.totalGlobalMem) * unit::byte;
  report.last_level_cache = static_cast<double>(properties_.l2CacheSize) * unit::byte;
  report.software = {{"driver", management_.driver_version().value_or(cuda_version(driver))},
                     {"cuda", cuda_version(runtime)},
                     {"cublaslt", library_version(cublasLtGetVersion())},
                     {"cudnn", library_version(cudnnGetVersion())}};
  if (const auto limit = management_.power_limit_watts()) {
    report.software.emplace_back("power_limit_w", fmt::format("{:.0f}", *limit));
  }
  report.pci_id = pci_id_of(ordinal_);
  report.links = links_between_gpus();
  return report;
}

std::optional<std::string> CudaDevice::refuses(const KernelKey& key) const {
  return launcher_.refuses(key);
}

std::string CudaDevice::algorithm_of(const KernelKey& key) {
  return launcher_.algorithm_of(key);
}

std::optional<FlopsPerSecond> CudaDevice::ceiling(DataType type) const {
  const double per_cycle = tensor_flop_per_cycle(properties_.major, properties_.minor);
  int kilohertz = 0;
  FORERUN_CUDA_CHECK(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, ordinal_));
  if (per_cycle == 0.0 || kilohertz <= 0) {
    return std::nullopt;
  }
  // TF32 runs at half of the rate of bf16, FP8 at twice.
  const double factor = is_fp8(type) ? 2.0 : (type == DataType::fp32 ? 0.5 : 1.0);
  return factor * per_cycle * properties_.multiProcessorCount * 1e3 * kilohertz * unit::flop /
         unit::second;
}

Seconds CudaDevice::least_time(Bytes traffic) const {
  int kilohertz = 0;
  int bits = 0;
  FORERUN_CUDA_CHECK(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrMemoryClockRate, ordinal_));
  FORERUN_CUDA_CHECK(cudaDeviceGetAttribute(&bits, cudaDevAttrGlobalMemoryBusWidth, ordinal_));
  const Bytes cached = static_cast<double>(properties_.l2CacheSize) * unit::byte;
  if (kilohertz <= 0 || bits <= 0 || traffic <= cached) {
    return {};
  }
  // Twice for the double data rate, and twice again: rows of a table that are asked for often are
  // counted each time and read once, and some memories clock above what they report.
  const BytesPerSecond most = 4.0 * 1e3 * kilohertz * bits / 8.0 * unit::byte / unit::second;
  return (traffic - cached) / most;
}

Bytes CudaDevice::room() const {
  std::size_t free = 0;
  std::size_t total = 0;
  FORERUN_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return static_cast<double>(free) * unit::byte;
}

void* CudaDevice::allocate(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, std::max<std::size_t>(bytes, 1));
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    throw std::bad_alloc();
  }
  FORERUN_CUDA_CHECK(status);
  return memory;
}

void CudaDevice::release(void* memory) noexcept {
  static_cast<void>(cudaFree(memory));
}

void CudaDevice::copy_in(void* device, const void* host, std::size_t bytes) {
  FORERUN_CUDA_CHECK(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_.raw()));
  synchronize();
}

void CudaDevice::copy_out(void* host, const void* device, std::size_t bytes) {
  FORERUN_CUDA_CHECK(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_.raw()));
  synchronize();
}

void CudaDevice::set_zero(void* device, std::size_t bytes) {
  FORERUN_CUDA_CHECK(cudaMemsetAsync(device, 0, bytes, stream_.raw()));
}

bool CudaDevice::start_pressure(std::int64_t blocks, std::size_t bytes) {
  pressure_.start(blocks, bytes);
  return true;
}

void CudaDevice::finish_pressure() {
  pressure_.finish();
}

void CudaDevice::run(const KernelKey& key,
                     std::span<void* const> operands,
                     const KernelScalars& scalars) {
  launcher_.launch(key, operands, scalars);
}

void CudaDevice::synchronize() {
  FORERUN_CUDA_CHECK(cudaStreamSynchronize(stream_.raw()));
}

std::vector<Seconds> CudaDevice::time_runs(const KernelKey& key,
                                           std::span<void* const> operands,
                                           int count,
                                           CacheState cache) {
  const KernelScalars scalars;
  std::vector<std::size_t> bytes;
  for (const Operand& operand : operands_of(key)) {
    bytes.push_back(bytes_of(operand));
  }
  return timer_.time([&](std::span<void* const> set) { launcher_.launch(key, set, scalars); },
                     {operands, bytes},
                     count,
                     cache);
}

}  // namespace forerun::cuda
