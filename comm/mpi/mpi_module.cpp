// The module that the program opens at run time to talk MPI.
#include <memory>
#include <stdexcept>

#include <dlfcn.h>
#include <mpi.h>

#include "comm/communicator.hpp"
#include "comm/mpi/cuda_awareness.hpp"
#include "comm/mpi/mpi_communicator.hpp"

namespace {

// Open MPI 4.1 opens plugins that find libmpi's symbols only in the global scope, where a library
// that came with a module opened RTLD_LOCAL is not. Must precede MPI_Init.
void make_mpi_visible_to_its_plugins() {
  Dl_info library{};
  if (dladdr(reinterpret_cast<const void*>(&MPI_Init), &library) != 0) {
    // The handle is never closed: libmpi stays until the process ends.
    dlopen(library.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
  }
}

}  // namespace

// A stream means that buffers will be device memory.
extern "C" forerun::Communicator* forerun_open_communicator(void* stream,
                                                            forerun::Communicator* /*host*/) {
  if (stream != nullptr && !forerun::takes_cuda_buffers()) {
    throw std::runtime_error(
        "this MPI library was built without CUDA support: it cannot take device memory");
  }
  make_mpi_visible_to_its_plugins();
  return std::make_unique<forerun::MpiCommunicator>().release();
}
