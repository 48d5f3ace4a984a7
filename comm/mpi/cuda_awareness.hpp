// Whether this MPI library takes pointers to device memory.
#pragma once

namespace forerun {

/// Open MPI's answer at run time (MPIX_Query_cuda_support); false for a library that cannot say.
[[nodiscard]] bool takes_cuda_buffers();

}  // namespace forerun
