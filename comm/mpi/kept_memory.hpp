// Keeps freed memory in the process, for what MPI allocates anew in every collective.
#pragma once

namespace forerun {

/// From now on the C library keeps what is freed, as caching allocators of training frameworks do,
/// where it can be told to (glibc). Large collectives of Open MPI allocate buffers as large as
/// their operands: fresh from the operating system, these are zeroed and mapped page by page every
/// time, which takes as long as moving the data, or ten times as long in a virtual machine that
/// hands free pages back.
void keep_freed_memory();

}  // namespace forerun
