#include "estimator/backend/module.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string_view>

#include <dlfcn.h>

#include "comm/serial/serial_communicator.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;

// Beside the program (build tree), or in lib/forerun next to its bin (installed).
fs::path module_path(std::string_view name) {
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path();
  const std::string file = std::string(name) + ".so";
  const std::array places{program / file,
                          program.parent_path() / "lib" / "forerun" / file,
                          program.parent_path() / "bin" / file};
  for (const fs::path& place : places) {
    if (fs::exists(place)) {
      return place;
    }
  }
  throw std::runtime_error("module " + file + " is not part of this build (looked in " +
                           places[0].parent_path().string() + " and " +
                           places[1].parent_path().string() + ")");
}

// Modules stay open until the program ends: their code may still be on the stack of destructors.
void* open_symbol(std::string_view name, const char* symbol, int visibility) {
  const fs::path path = module_path(name);
  void* const module = ::dlopen(path.c_str(), RTLD_NOW | visibility);
  if (module == nullptr) {
    throw std::runtime_error("module " + path.filename().string() +
                             " cannot be loaded: " + ::dlerror());
  }
  void* const function = ::dlsym(module, symbol);
  if (function == nullptr) {
    throw std::runtime_error("module " + path.filename().string() + " has no " + symbol +
                             ": it belongs to another version of forerun");
  }
  return function;
}

bool started_by_mpi() {
  constexpr std::array variables{"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_SIZE", "PMI_RANK"};
  return std::ranges::any_of(variables, [](const char* variable) {
    return std::getenv(variable) != nullptr;  // NOLINT(concurrency-mt-unsafe): no thread yet
  });
}

}  // namespace

std::unique_ptr<Device> open_device(DeviceKind kind, const DeviceChoice& choice) {
  const char* const name = kind == DeviceKind::host ? "forerun_host" : "forerun_cuda";
  const auto open = reinterpret_cast<OpenDevice>(open_symbol(name, open_device_symbol, RTLD_LOCAL));
  return std::unique_ptr<Device>(open(choice));
}

std::unique_ptr<Communicator> open_world() {
  if (!started_by_mpi()) {
    return std::make_unique<SerialCommunicator>();
  }
  // Open MPI opens its own plugins, which expect libmpi's symbols to be visible.
  const auto open = reinterpret_cast<OpenCommunicator>(
      open_symbol("forerun_mpi", open_communicator_symbol, RTLD_GLOBAL));
  return std::unique_ptr<Communicator>(open(nullptr, nullptr));
}

std::unique_ptr<Communicator> open_device_world(Device& device, Communicator& host) {
  const auto open = reinterpret_cast<OpenCommunicator>(
      open_symbol("forerun_nccl", open_communicator_symbol, RTLD_LOCAL));
  return std::unique_ptr<Communicator>(open(device.stream(), &host));
}

std::unique_ptr<Communicator> open_mpi_device_world(Device& device) {
  const auto open = reinterpret_cast<OpenCommunicator>(
      open_symbol("forerun_mpi", open_communicator_symbol, RTLD_GLOBAL));
  return std::unique_ptr<Communicator>(open(device.stream(), nullptr));
}

bool has_gpu() {
  try {
    return open_device(DeviceKind::cuda, {}) != nullptr;
  } catch (const std::runtime_error&) {
    return false;
  }
}

}  // namespace forerun
