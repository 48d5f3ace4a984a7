#include "estimator/capacity/serving_band.hpp"

#include <cmath>
#include <span>

#include "estimator/profile/structural_terms.hpp"
#include "units/catalog_file.hpp"

namespace forerun {

// Generated from serving_terms.toml by cmake/embed_catalog.cmake.
std::span<const CatalogFile> serving_term_files();

std::string serving_class_of(const ModelShape& model) {
  return model.moe ? "experts" : "dense";
}

double serving_half_width(const ModelShape& model, double price_error) {
  static const std::vector<StructuralTerm> terms =
      read_structural_terms(serving_term_files().front().text);
  return std::hypot(price_error, half_width_of(terms, serving_class_of(model)));
}

}  // namespace forerun
