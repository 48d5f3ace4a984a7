// Turns a failed MPI call into an exception.
#include "comm/mpi/mpi_check.hpp"

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <mpi.h>

namespace forerun {
namespace {

bool is_mpi_running() {
  int initialized = 0;
  int finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  return initialized != 0 && finalized == 0;
}

int world_rank() {
  int rank = 0;
  if (is_mpi_running()) {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  }
  return rank;
}

std::string text_of_code(int code) {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  if (MPI_Error_string(code, text.data(), &length) != MPI_SUCCESS) {
    return "unknown code";
  }
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace

void check_mpi(int code, const char* call, const char* file, int line) {
  if (code != MPI_SUCCESS) {
    throw std::runtime_error(fmt::format("rank {}: {}:{}: {} failed: {} (code {})",
                                         world_rank(),
                                         file,
                                         line,
                                         call,
                                         text_of_code(code),
                                         code));
  }
}

}  // namespace forerun
