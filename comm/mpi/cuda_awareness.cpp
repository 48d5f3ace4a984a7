#include "comm/mpi/cuda_awareness.hpp"

#include <mpi.h>
// Open MPI's extensions, from 2.0 on; other libraries have no such header.
#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

namespace forerun {

bool takes_cuda_buffers() {
#ifdef MPIX_CUDA_AWARE_SUPPORT  // defined by mpi-ext.h where the question can be asked
  return MPIX_Query_cuda_support() == 1;
#else
  return false;
#endif
}

}  // namespace forerun
