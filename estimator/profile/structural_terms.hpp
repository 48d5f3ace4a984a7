// How wrong a model of steps or of serving is apart from its prices: a file of terms by class.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace forerun {

/// Half-width at 90 % of one class, as a share of the time.
struct StructuralTerm {
  std::string job_class;
  double half_width = 0.0;
  std::int64_t rows = 0;  ///< published runs that it is estimated from
  std::int64_t sources = 0;
};

/// A file as write_terms of estimator/validate writes it.
[[nodiscard]] std::vector<StructuralTerm> read_structural_terms(std::string_view toml);

/// The half-width of the class; of one that no published run stands for, the widest there is.
[[nodiscard]] double half_width_of(const std::vector<StructuralTerm>& terms,
                                   std::string_view job_class);

}  // namespace forerun
