// Opens the run-time modules: devices (host, cuda) and communicators (mpi, nccl).
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "kernels/device.hpp"

namespace forerun {

enum class DeviceKind { host, cuda };

/// Opens module forerun_host or forerun_cuda and the device in it. Throws std::runtime_error that
/// says which module is missing, or which library or driver it lacks, and how to get it.
[[nodiscard]] std::unique_ptr<Device> open_device(DeviceKind kind, const DeviceChoice& choice);

/// The world of ranks over host memory: MPI when this process was started by mpirun or srun (its
/// environment says so), else the serial one. Never calls MPI_Init in the latter case.
[[nodiscard]] std::unique_ptr<Communicator> open_world();

/// The same world over device memory, by NCCL; `host` carries its unique id.
[[nodiscard]] std::unique_ptr<Communicator> open_device_world(Device& device, Communicator& host);

/// The same world over device memory by MPI, for machines without NCCL. Operations do not wait for
/// the device's stream: synchronise first. Throws std::runtime_error where the MPI library was
/// built without CUDA support.
[[nodiscard]] std::unique_ptr<Communicator> open_mpi_device_world(Device& device);

/// True where the CUDA module was built and finds a GPU.
[[nodiscard]] bool has_gpu();

}  // namespace forerun
