#include "estimator/profile/structural_terms.hpp"

#include <algorithm>

#include <toml++/toml.h>

namespace forerun {

std::vector<StructuralTerm> read_structural_terms(std::string_view toml) {
  const toml::table file = toml::parse(toml);
  std::vector<StructuralTerm> terms;
  for (const toml::node& node : *file["term"].as_array()) {
    const toml::table& term = *node.as_table();
    terms.push_back({term["class"].value<std::string>().value(),
                     term["half_width"].value<double>().value(),
                     term["rows"].value<std::int64_t>().value(),
                     term["sources"].value<std::int64_t>().value()});
  }
  return terms;
}

double half_width_of(const std::vector<StructuralTerm>& terms, std::string_view job_class) {
  const auto found = std::ranges::find(terms, job_class, &StructuralTerm::job_class);
  return found != terms.end() ? found->half_width
                              : std::ranges::max(terms, {}, &StructuralTerm::half_width).half_width;
}

}  // namespace forerun
