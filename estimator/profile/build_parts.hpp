// What this build was made with: compilers and libraries.
#pragma once

#include <string>

namespace forerun {

/// One a line: compilers, MPI, oneDNN, CUDA, NCCL, the report's charts; "none" for what is absent.
[[nodiscard]] std::string build_parts_text();

}  // namespace forerun
