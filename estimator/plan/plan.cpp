#include "estimator/plan/plan.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "estimator/plan/launch_flags.hpp"
#include "estimator/plan/layout_search.hpp"
#include "estimator/plan/parallel_walk.hpp"
#include "estimator/plan/plan_progress.hpp"
#include "estimator/plan/search_bound.hpp"
#include "estimator/profile/nvfp4_prices.hpp"
#include "jobs/parameter_count.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

template <class Value>
std::vector<Value> chosen(const std::vector<Value>& pinned, std::vector<Value> every) {
  return pinned.empty() ? std::move(every) : pinned;
}

// Those without tensor ranks that share a key-value head; all where no other was asked for.
void keep_whole_heads(const ModelShape& model, std::vector<ParallelLayout>& layouts) {
  const auto shares = [&](const ParallelLayout& layout) {
    return shares_heads(model, layout.tensor);
  };
  if (!std::ranges::all_of(layouts, shares)) {
    std::erase_if(layouts, shares);
  }
}

// One device count and batch: what is searched, and what was found.
class Scale {
 public:
  Scale(const PlanRequest& request, std::int64_t devices, std::int64_t batch)
      : request_(request),
        hardware_(sized_for(request.hardware, devices)),
        prices_(prices_of(hardware_, request.strictness)),
        devices_(devices) {
    subject_.model = request.model;
    subject_.recipe = request.recipe;
    subject_.teacher = request.teacher;
    subject_.recipe.global_batch = batch;
    subject_.placement = placement_on(hardware_.cluster, request.rank_order);
    subject_.prices = prices_for(prices_, request.recipe.precision, hardware_.cluster.device);
    subject_.host = request.host;
    for (const Offload& offload : request.choices.offloads) {
      if (offload.any()) {
        subject_.host.link = host_link_for(offload, hardware_.cluster);
        const std::int64_t node = std::min(hardware_.cluster.devices_per_node, devices);
        subject_.host_capacity = hardware_.cluster.host->size / static_cast<double>(node);
      }
    }
    subject_.capacity = hardware_.cluster.device.memory;
    subject_.overheads = [gpu = hardware_.cluster.device.is_gpu()](const ParallelLayout& layout) {
      return gpu ? gpu_overheads(layout) : host_overheads();
    };
    const PlanChoices& choices = request.choices;
    space_.offloads = chosen(choices.offloads, {Offload()});
    space_.layouts = choices.layouts ? parse_layouts(*choices.layouts, devices)
                                     : every_layout(request.model, devices);
    if (choices.whole_heads) {
      keep_whole_heads(request.model, space_.layouts);
    }
    space_.micro_batches = chosen(choices.micro_batches, every_micro_batch(batch));
    space_.schedules = chosen(choices.schedules, every_schedule());
    space_.sequence_parallel =
        chosen(choices.sequence_parallel, {SequenceParallel::on, SequenceParallel::off});
    space_.shardings =
        chosen(choices.shardings, every_sharding(hardware_.cluster.devices_per_node));
    space_.recompute =
        choices.recompute.empty() ? every_recompute() : RecomputeChoices{choices.recompute};
    space_.recompute.least_by_stage &= choices.recomputes_by_stage;
    space_.stage_splits = choices.tries_stage_splits ? several_stage_splits(request.model)
                                                     : std::vector{request.recipe.stage_split};
    // Where nothing overlaps, as on a CPU that was not measured, there is nothing to choose.
    space_.overlaps =
        chosen(choices.overlaps,
               default_overlap(hardware_) == Overlap::on ? std::vector{Overlap::on, Overlap::off}
                                                         : std::vector{Overlap::off});
  }

  // Layouts are dealt out one by one to ranks, which have a core each; a process by itself takes
  // all that it has. Bounding leaves out what a front could need.
  void search(Communicator& world, const WalkProgress& layout_done) {
    const bool wants_front = request_.second.has_value() || request_.objective == Objective::memory;
    const auto ranks = static_cast<std::size_t>(world.size());
    const std::size_t threads = ranks == 1 ? search_threads() : 1;
    ThreadTables tables(subject_);
    const Seconds bound = wants_front ? Seconds::infinite()
                                      : bound_of(subject_, space_, request_.top, threads, &tables);
    std::vector<ParallelLayout> own;
    for (auto i = static_cast<std::size_t>(world.rank()); i < space_.layouts.size(); i += ranks) {
      own.push_back(space_.layouts[i]);
    }
    SearchResult mine = walk_layouts(
        subject_,
        space_,
        own,
        {.give_up_at = bound, .threads = threads, .progress = layout_done, .tables = &tables});
    if (ranks == 1) {
      result_ = std::move(mine);
      return;
    }
    for (const std::string& part : world.all_gather_text(to_text(mine))) {
      result_.merge(search_result_from(part));
    }
  }

  [[nodiscard]] std::size_t layouts() const { return space_.layouts.size(); }

  [[nodiscard]] const SearchResult& result() const { return result_; }

  [[nodiscard]] PlannedLayout planned(const Candidate& candidate) const {
    EstimateRequest one;
    one.job = LayoutSearch(subject_, space_).job_of(candidate);
    one.hardware = hardware_;
    one.overlap = candidate.overlap;
    one.strictness = request_.strictness;
    one.host = request_.host;
    one.rank_order = request_.rank_order;
    one.run = request_.run;
    return {candidate, estimate_job(one, prices_), 0.0};
  }

 private:
  const PlanRequest& request_;
  HardwareSource hardware_;
  PriceList prices_;
  std::int64_t devices_;
  PlanSubject subject_;
  SearchSpace space_;
  SearchResult result_;
};

[[noreturn]] void refuse_price(const char* option,
                               const HardwareSource& hardware,
                               Objective objective) {
  const Cluster& cluster = hardware.cluster;
  const bool lacks_power = objective == Objective::energy || cluster.economics.purchase;
  throw InputError(
      option,
      fmt::format("{} is not known: {} gives no {}",
                  name_of(objective),
                  cluster.name,
                  lacks_power ? "device power, server share and PUE ([power] in a cluster "
                                "file)"
                              : "price per device-hour (expected --price, or [economics] in a "
                                "cluster file)"));
}

bool has_cost(const Cluster& cluster) {
  return cost_of(cluster, Seconds(), Seconds()).has_value();
}

// Of the whole run, where its tokens are said; else of a token.
double value_of(const JobEstimate& estimate, Objective objective) {
  const Cluster& cluster = estimate.request.hardware.cluster;
  const Recipe& recipe = estimate.request.job.recipe;
  const auto tokens = static_cast<double>(recipe.global_batch * recipe.sequence);
  const double seconds = estimate.run ? estimate.run->time.expected.in(unit::second)
                                      : estimate.step_time.in(unit::second) / tokens;
  const Seconds device_time = seconds * static_cast<double>(estimate.devices) * unit::second;
  switch (objective) {
    case Objective::time:
      return seconds;
    case Objective::memory:
      return estimate.memory_peak.in(unit::byte);
    case Objective::cost:
    case Objective::tokens_per_dollar:
      if (!has_cost(cluster)) {
        refuse_price("--objective", estimate.request.hardware, objective);
      }
      return estimate.run ? estimate.run->cost->expected.in(unit::dollar)
                          : total_of(*cost_of(cluster, device_time, device_time)).in(unit::dollar);
    case Objective::energy:
      if (!cluster.device.power || !cluster.power.server_per_device || !cluster.power.pue) {
        refuse_price("--objective", estimate.request.hardware, objective);
      }
      return estimate.run ? estimate.run->energy->expected.in(unit::joule)
                          : device_time.in(unit::second);
  }
  return seconds;
}

void check(const PlanRequest& request) {
  const bool has_limit = request.deadline || request.max_cost;
  if (has_limit && !request.recipe.tokens && !request.run.steps) {
    throw InputError(request.deadline ? "--deadline" : "--max-cost",
                     "needs --tokens or --steps: how long is the run?");
  }
  if (request.max_cost && !has_cost(request.hardware.cluster)) {
    refuse_price("--max-cost", request.hardware, Objective::cost);
  }
}

// What keeps a layout from being an answer, beside memory.
std::optional<std::string> over_limit(const PlanRequest& request, const JobEstimate& estimate) {
  std::string over;
  if (request.deadline && estimate.run->time.expected > *request.deadline) {
    over = fmt::format("takes {:.4g} days, --deadline is {:.4g} days",
                       estimate.run->time.expected.in(unit::day),
                       request.deadline->in(unit::day));
  }
  if (request.max_cost && estimate.run->cost->expected > *request.max_cost) {
    over += fmt::format("{}costs {} USD, --max-cost is {}",
                        over.empty() ? "" : "; it ",
                        count_text(estimate.run->cost->expected.in(unit::dollar)),
                        count_text(request.max_cost->in(unit::dollar)));
  }
  return over.empty() ? std::nullopt : std::optional(over);
}

std::string place_of(const PlannedLayout& planned) {
  return fmt::format("{} on {} devices with batch {}",
                     text_of(planned.candidate.layout),
                     planned.estimate.devices,
                     planned.estimate.request.job.recipe.global_batch);
}

// The kind of memory of which the fullest stage holds most.
std::string largest_kind(const StageMemory& memory) {
  const std::array<std::pair<Bytes, const char*>, 8> kinds{
      {{memory.weights, "weights"},
       {memory.gradients, "gradients"},
       {memory.optimizer_states, "optimizer_states"},
       {memory.activations, "activations"},
       {memory.transient, "transient"},
       {memory.context, "context"},
       {memory.communication, "communication"},
       {memory.fragmentation, "fragmentation"}}};
  const auto* const most = std::ranges::max_element(kinds);
  return fmt::format("{} {}", text_of(most->first), most->second);
}

bool has_legal_layout(const PlanRequest& request, std::int64_t devices) {
  Job job{request.model, request.recipe, {}};
  const auto& micro_batches = request.choices.micro_batches;
  job.recipe.micro_batch = micro_batches.empty() ? 1 : micro_batches.front();
  return std::ranges::any_of(request.batches, [&](std::int64_t batch) {
    job.recipe.global_batch = batch;
    return std::ranges::any_of(every_layout(request.model, devices),
                               [&](const ParallelLayout& layout) {
                                 job.layout = layout;
                                 return !broken_rule(job);
                               });
  });
}

// Of those around the first that was asked for; absent where the layout is pinned, or nothing is
// legal so near.
std::optional<std::int64_t> nearest_legal_devices(const PlanRequest& request) {
  const std::int64_t asked = request.devices.front();
  if (request.choices.layouts || has_legal_layout(request, asked)) {
    return std::nullopt;
  }
  constexpr std::int64_t farthest = 64;
  for (std::int64_t distance = 1; distance <= farthest; ++distance) {
    for (const std::int64_t devices : {asked - distance, asked + distance}) {
      const bool exists = devices >= 1 && devices <= request.hardware.cluster.max_devices;
      if (exists && has_legal_layout(request, devices)) {
        return devices;
      }
    }
  }
  return std::nullopt;
}

// Nothing is legal: the rule that most break, and what would be.
std::string no_candidate_reason(const Plan& plan) {
  const auto* const most = std::ranges::max_element(plan.counts.rejected);
  const auto rule = static_cast<Reject>(most - plan.counts.rejected.begin());
  std::string reason = fmt::format(
      "no candidate is legal: most of the {} fail by '{}'", plan.counts.enumerated, name_of(rule));
  if (rule == Reject::not_modelled && !plan.counts.not_modelled.empty()) {
    reason += ": " + plan.counts.not_modelled.begin()->first;
  }
  const bool is_dense = !plan.request.model.moe.has_value();
  if (is_dense && rule == Reject::experts) {
    reason += fmt::format(": {} has none, ep=1 is the nearest", plan.request.model.name);
  }
  if (const auto devices = nearest_legal_devices(plan.request)) {
    reason += fmt::format("; the nearest number of devices with a legal layout is {}", *devices);
  }
  return reason;
}

// Nothing fits: the candidate that needs least.
void explain_memory(const std::vector<Scale>& scales, Plan& plan) {
  const PricedCandidate* least = nullptr;
  const Scale* where = nullptr;
  for (const Scale& scale : scales) {
    for (const auto& [shape, priced] : scale.result().smallest) {
      if (least == nullptr || priced < *least) {
        least = &priced;
        where = &scale;
      }
    }
  }
  if (least == nullptr) {
    plan.infeasible_because = no_candidate_reason(plan);
    return;
  }
  plan.nearest = where->planned(least->candidate);
  const JobEstimate& estimate = plan.nearest->estimate;
  if (estimate.memory_peak <= estimate.request.hardware.cluster.device.memory) {
    plan.infeasible_because = fmt::format("nothing fits: of the smallest, {}, {}",
                                          place_of(*plan.nearest),
                                          *estimate.infeasible_because);
    return;
  }
  plan.infeasible_because = fmt::format(
      "nothing fits into {}: the smallest, {}, needs {} on stage {}, {} of it",
      text_of(estimate.request.hardware.cluster.device.memory),
      place_of(*plan.nearest),
      text_of(estimate.memory_peak),
      estimate.peak_stage,
      largest_kind(estimate.step.memory[static_cast<std::size_t>(estimate.peak_stage)]));
}

// On fewer devices, or the better of as many.
bool is_fewer(const PlannedLayout& one, const std::optional<PlannedLayout>& fewest) {
  return !fewest || std::pair(one.estimate.devices, one.value) <
                        std::pair(fewest->estimate.devices, fewest->value);
}

// By the objective, the best first.
std::vector<PricedCandidate> best_of(const SearchResult& result, const PlanRequest& request) {
  if (request.objective == Objective::memory) {
    return {result.front.rbegin(), result.front.rend()};
  }
  return fastest(result, request.top);
}

// Of layouts that all miss the deadline or the budget, the nearest.
void explain_limit(const std::vector<PlannedLayout>& over, Plan& plan) {
  const PlanRequest& request = plan.request;
  const auto by_limit = [&](const PlannedLayout& one) {
    return request.deadline ? one.estimate.run->time.expected.in(unit::second)
                            : one.estimate.run->cost->expected.in(unit::dollar);
  };
  plan.nearest = *std::ranges::min_element(over, {}, by_limit);
  plan.infeasible_because = fmt::format(
      "the nearest, {}, {}", place_of(*plan.nearest), *over_limit(request, plan.nearest->estimate));
}

void keep_first_of_each_shape(std::vector<PlannedLayout>& layouts) {
  std::set<std::tuple<LayoutShape, std::int64_t, std::int64_t>> seen;
  std::erase_if(layouts, [&](const PlannedLayout& one) {
    return !seen.emplace(shape_of(one.candidate.layout),
                         one.estimate.devices,
                         one.estimate.request.job.recipe.global_batch)
                .second;
  });
}

// Layouts of all scales: those within the limits, and the best of the others.
void gather(const std::vector<Scale>& scales, Plan& plan) {
  const PlanRequest& request = plan.request;
  std::vector<PlannedLayout> over;
  for (const Scale& scale : scales) {
    for (const PricedCandidate& priced : best_of(scale.result(), request)) {
      PlannedLayout planned = scale.planned(priced.candidate);
      planned.value = value_of(planned.estimate, request.objective);
      const bool is_over = over_limit(request, planned.estimate).has_value();
      if (!is_over && is_fewer(planned, plan.fewest)) {
        plan.fewest = planned;
      }
      (is_over ? over : plan.layouts).push_back(std::move(planned));
    }
  }
  std::ranges::stable_sort(plan.layouts, {}, &PlannedLayout::value);
  if (request.objective == Objective::memory) {
    keep_first_of_each_shape(plan.layouts);  // the others come with one each
  }
  if (plan.layouts.size() > request.top) {
    plan.layouts.resize(request.top);
  }
  if (!plan.layouts.empty()) {
    return;
  }
  if (over.empty()) {
    explain_memory(scales, plan);
    return;
  }
  explain_limit(over, plan);
}

// Of the fastest of every scale and, where memory counts, of each scale's own front.
void add_front(const std::vector<Scale>& scales, Plan& plan) {
  const PlanRequest& request = plan.request;
  const Objective second = request.second.value_or(
      has_cost(request.hardware.cluster) ? Objective::cost : Objective::memory);

  struct Point {
    double first, second;
    PlannedLayout planned;
  };

  std::vector<Point> points;
  const bool counts_memory = request.objective == Objective::memory || second == Objective::memory;
  for (const Scale& scale : scales) {
    for (const PricedCandidate& priced :
         counts_memory&& request.second ? scale.result().front : fastest(scale.result(), 1)) {
      PlannedLayout planned = scale.planned(priced.candidate);
      if (over_limit(request, planned.estimate)) {
        continue;
      }
      planned.value = value_of(planned.estimate, request.objective);
      points.push_back({planned.value, value_of(planned.estimate, second), std::move(planned)});
    }
  }
  std::ranges::stable_sort(points, {}, [](const Point& p) { return std::pair(p.first, p.second); });
  double least = std::numeric_limits<double>::infinity();
  for (Point& point : points) {
    if (point.second < least) {
      least = point.second;
      plan.pareto.push_back(std::move(point.planned));
    }
  }
}

}  // namespace

std::string_view name_of(Objective objective) {
  switch (objective) {
    case Objective::time:
      return "time";
    case Objective::cost:
      return "cost";
    case Objective::energy:
      return "energy";
    case Objective::tokens_per_dollar:
      return "tokens-per-dollar";
    case Objective::memory:
      return "memory";
  }
  return {};
}

Plan make_plan(const PlanRequest& request, Communicator& world) {
  return make_plan(request, world, PlanProgress());
}

Plan make_plan(const PlanRequest& request, Communicator& world, const PlanProgress& progress) {
  check(request);
  Plan plan;
  plan.request = request;
  std::vector<Scale> scales;
  scales.reserve(request.devices.size() * request.batches.size());
  for (const std::int64_t devices : request.devices) {
    for (const std::int64_t batch : request.batches) {
      scales.emplace_back(plan.request, devices, batch);
    }
  }
  std::size_t layouts = 0;
  for (const Scale& scale : scales) {
    layouts += scale.layouts();
  }
  const double share_of_one =
      static_cast<double>(world.size()) / static_cast<double>(std::max<std::size_t>(1, layouts));
  double share = 0.0;
  std::int64_t walked = 0;
  for (Scale& scale : scales) {
    const std::int64_t before = walked;
    const double share_before = share;
    scale.search(world, [&](std::int64_t walked_layouts, std::int64_t candidates) {
      share = share_before + static_cast<double>(walked_layouts) * share_of_one;
      walked = before + candidates;
      if (progress) {
        progress(share, walked);
      }
    });
    SearchResult counts = scale.result();
    counts.best.clear();
    counts.front.clear();
    counts.smallest.clear();
    plan.counts.merge(counts);
  }
  gather(scales, plan);
  if (!plan.layouts.empty()) {
    add_front(scales, plan);
  }
  return plan;
}

}  // namespace forerun
