// The one check of MPI calls: captures call, file and line, and throws out of line.
#pragma once

namespace forerun {

/// Returns if `code` is MPI_SUCCESS; else throws std::runtime_error with rank, file, line, call and
/// MPI's text for the code.
void check_mpi(int code, const char* call, const char* file, int line);

}  // namespace forerun

#define FORERUN_MPI_CHECK(call) ::forerun::check_mpi((call), #call, __FILE__, __LINE__)
