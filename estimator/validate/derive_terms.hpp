// The structural terms of bands, estimated from published runs.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "estimator/profile/structural_terms.hpp"

namespace forerun {

struct TermObservation {
  std::string job_class;
  std::string source;      ///< family of sources: runs of one are not independent
  double error = 0.0;      ///< the larger of published and predicted, over the smaller, - 1
  double own_error = 0.0;  ///< of the prices, which the term joins in quadrature
};

/// The term of a class, and how well sources that were left out bear it out.
struct DerivedTerm {
  StructuralTerm term;
  /// Share of the class's runs inside a width that the other sources alone give; nothing where the
  /// class has one source.
  std::optional<double> left_out_coverage;
};

/// By class, in alphabetical order. Each source of a class is left out once: the 90 % quantile of
/// what the runs of the others need beside their own error is its width. The term is the mean of
/// these widths over the runs, times the factor with which they cover 85 % of the runs that were
/// left out: 90 % within the 5 % that are granted. A class of one source has its quantile.
[[nodiscard]] std::vector<DerivedTerm> derive_terms(
    const std::vector<TermObservation>& observations);

/// structural_terms.toml or serving_terms.toml; `table` is the option that named the runs.
void write_terms(const std::vector<DerivedTerm>& terms,
                 const std::string& table,
                 std::ostream& out);

/// "vTrain" of "vTrain (MICRO 2024) ground_truth_single.csv": up to a bracket, comma or digit.
[[nodiscard]] std::string source_family(const std::string& source);

}  // namespace forerun
