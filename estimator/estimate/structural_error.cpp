#include "estimator/estimate/structural_error.hpp"

#include <span>

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
  static const std::vector<StructuralTerm> terms =
      read_structural_terms(structural_term_files().front().text);
  return terms;
}

double structural_error(std::string_view job_class) {
  return half_width_of(structural_terms(), job_class);
}

}  // namespace forerun
