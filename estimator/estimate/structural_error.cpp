#include "estimator/estimate/structural_error.hpp"

#include <algorithm>
#include <span>

#include <toml++/toml.h>

#include "estimator/step/stage_weights.hpp"
#include "units/catalog_file.hpp"

namespace forerun {

// Generated from structural_terms.toml by cmake/embed_catalog.cmake.
std::span<const CatalogFile> structural_term_files();

namespace {

// From this share of the step on, what the host takes to launch kernels decides it.
constexpr double host_bound_share = 0.1;

std::string split_of(const Job& job) {
  const StateShards shards = state_shards(job);
  if (shards.weights > 1 || shards.gradients > 1) {
    return "sharded weights";
  }
  if (job.layout.pipeline > 1) {
    return "pipelined";
  }
  return job.layout.tensor > 1 ? "tensor-parallel" : "data-parallel";
}

std::vector<StructuralTerm> read_terms() {
  const toml::table file = toml::parse(structural_term_files().front().text);
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

}  // namespace

std::string job_class_of(const Job& job, const StepEstimate& step) {
  if (has_narrow_products(job.recipe.precision)) {
    return "fp8 or narrower";
  }
  if (job.model.moe) {
    return "experts";
  }
  if (step.breakdown.host >= host_bound_share * total_of(step.breakdown)) {
    return "host-bound";
  }
  const bool is_unfused = job.recipe.software.attention == AttentionMethod::unfused;
  return split_of(job) + (is_unfused ? ", unfused attention" : "");
}

const std::vector<StructuralTerm>& structural_terms() {
  static const std::vector<StructuralTerm> terms = read_terms();
  return terms;
}

double structural_error(std::string_view job_class) {
  const auto& terms = structural_terms();
  const auto found = std::ranges::find(terms, job_class, &StructuralTerm::job_class);
  return found != terms.end() ? found->half_width
                              : std::ranges::max(terms, {}, &StructuralTerm::half_width).half_width;
}

}  // namespace forerun
