#include "estimator/rehearse/stated_routes.hpp"

#include <algorithm>
#include <span>

#include "estimator/rehearse/host_matrix.hpp"
#include "estimator/rehearse/kernel_scalars.hpp"
#include "estimator/rehearse/sequence_rows.hpp"
#include "units/splitmix.hpp"

namespace forerun {
namespace {

// The first of a shuffle's choices that is not taken: distinct, each as likely as any other.
std::int64_t random_expert(std::span<const float> taken, std::uint64_t& state) {
  const auto experts = static_cast<std::uint64_t>(taken.size());
  for (;;) {
    const auto expert = static_cast<std::size_t>(splitmix64(state) % experts);
    state += splitmix_step;
    if (taken[expert] == 0.0F) {
      return static_cast<std::int64_t>(expert);
    }
  }
}

}  // namespace

bool says_where(const ExpertLoad& load) {
  return load.kind == LoadKind::balanced || load.kind == LoadKind::multinomial;
}

std::vector<float> stated_logits(LoadKind load,
                                 const RouterShape& router,
                                 std::int64_t first,
                                 std::int64_t count,
                                 std::uint64_t seed) {
  std::vector<float> logits(static_cast<std::size_t>(count * router.experts), 0.0F);
  for (std::int64_t row = 0; row < count; ++row) {
    const std::span<float> of_row = std::span(logits).subspan(
        static_cast<std::size_t>(row * router.experts), static_cast<std::size_t>(router.experts));
    std::uint64_t state = splitmix64(seed ^ splitmix64(static_cast<std::uint64_t>(first + row)));
    for (std::int64_t j = 0; j < router.top_k; ++j) {
      const std::int64_t expert = load == LoadKind::balanced
                                      ? ((first + row) * router.top_k + j) % router.experts
                                      : random_expert(of_row, state);
      of_row[static_cast<std::size_t>(expert)] = 1.0F + 0.125F * static_cast<float>(j);
    }
  }
  return logits;
}

void* StatedRoutes::logits(const KernelKey& router, std::int64_t layer, std::int64_t micro_batch) {
  const auto& shape = std::get<RouterShape>(router.shape);
  const LoadKind load = at_.job.recipe.expert_load.kind;
  constexpr std::uint64_t tables = 8;  // draws of the busiest rank that a step averages over
  const GridCoordinates& here = at_.groups.here();
  const std::int64_t global = micro_batch * at_.job.layout.data + here.data;
  const std::uint64_t seed = load == LoadKind::multinomial
                                 ? splitmix64(splitmix64(static_cast<std::uint64_t>(layer)) ^
                                              static_cast<std::uint64_t>(global)) %
                                       tables
                                 : 0;
  DeviceBuffer& buffer = logits_[seed];
  if (buffer.data() != nullptr) {
    return buffer.data();
  }
  const std::int64_t first = first_row(at_.job, here.tensor, shape.tokens);
  std::vector<float> logits;
  for (const RowRun& run : row_runs(at_.job, here.context, first, shape.tokens)) {
    const std::vector<float> more = stated_logits(load, shape, run.global, run.count, seed);
    logits.insert(logits.end(), more.begin(), more.end());
  }
  buffer = at_.store.pool().take_for_good(logits.size() * element_bytes(router.type));
  write_values(at_.device, logits, router.type, buffer.data());
  return buffer.data();
}

}  // namespace forerun
