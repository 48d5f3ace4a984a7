// The module that the program opens at run time to talk NCCL.
#include <memory>
#include <stdexcept>

#include "comm/communicator.hpp"
#include "comm/nccl/nccl_communicator.hpp"

// `stream` and `host` are the device's stream and the communicator that carries NCCL's unique id;
// the caller owns the result and deletes it before either.
extern "C" forerun::Communicator* forerun_open_communicator(void* stream,
                                                            forerun::Communicator* host) {
  if (stream == nullptr || host == nullptr) {
    throw std::runtime_error("NCCL needs a CUDA stream and a host communicator");
  }
  return std::make_unique<forerun::nccl::NcclCommunicator>(static_cast<cudaStream_t>(stream), *host)
      .release();
}
