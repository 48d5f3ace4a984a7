// Opens forerun_mpi.so with its names kept local, reduces one number and closes the communicator.
#include <cstdio>
#include <memory>

#include <dlfcn.h>

#include "comm/communicator.hpp"

int main() {
  void* const module = dlopen(FORERUN_BIN_DIR "/forerun_mpi.so", RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  const auto open =
      reinterpret_cast<forerun::OpenCommunicator>(dlsym(module, forerun::open_communicator_symbol));
  if (open == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  const std::unique_ptr<forerun::Communicator> world(open(nullptr, nullptr));
  const float own = static_cast<float>(world->rank() + 1);
  float sum = 0.0F;
  world->all_reduce(&own, &sum, 1, forerun::DataType::fp32, forerun::ReduceOp::sum);
  if (world->rank() == 0) {
    std::printf("sum over %d ranks: %g\n", world->size(), static_cast<double>(sum));
  }
  return 0;
}
