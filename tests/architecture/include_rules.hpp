// Who may include whom: the plan of the house, checked against the files on disk.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace forerun {

/// One #include line of one file.
struct Include {
  std::string file;      ///< the file that includes, from the root: "comm/mpi/mpi_check.cpp"
  int line = 0;          ///< from 1
  std::string included;  ///< what stands between the quotes or angle brackets
  bool is_ours = false;  ///< in quotes
};

/// Every #include of every source file (.hpp .cpp .cu .cuh) of the house's folders below `root`,
/// by file and line.
[[nodiscard]] std::vector<Include> includes_below(const std::filesystem::path& root);

/// One sentence for each include that breaks a rule: "comm/a.cpp:3 includes jobs/job.hpp: comm may
/// include units, topologies and comm only". Covered are the floors, the columns of estimator/, the
/// purity of step and run, the homes of foreign headers, and that a quoted path exists from the
/// root.
[[nodiscard]] std::vector<std::string> broken_rules(const std::filesystem::path& root);

/// Every header (.hpp .cuh) below `root` that does not open with a `//` comment and go on with
/// `#pragma once`.
[[nodiscard]] std::vector<std::string> headers_without_opening(const std::filesystem::path& root);

}  // namespace forerun
