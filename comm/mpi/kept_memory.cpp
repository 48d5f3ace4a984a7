#include "comm/mpi/kept_memory.hpp"

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace forerun {

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);         // mappings go back to the system when they are freed
  mallopt(M_TRIM_THRESHOLD, -1);  // and so does the end of the heap
#endif
}

}  // namespace forerun
