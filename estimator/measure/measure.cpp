#include "estimator/measure/measure.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "estimator/measure/collective_bends.hpp"
#include "estimator/measure/collective_probe.hpp"
#include "estimator/measure/complaint.hpp"
#include "estimator/measure/expected_time.hpp"
#include "estimator/measure/grid_communicators.hpp"
#include "estimator/measure/kernel_probe.hpp"
#include "estimator/measure/layer_probe.hpp"
#include "estimator/measure/measurement_plan.hpp"
#include "estimator/measure/overlap_probe.hpp"
#include "estimator/measure/record_book.hpp"
#include "estimator/measure/slow_ranks.hpp"
#include "estimator/measure/sustained_load.hpp"
#include "estimator/measure/topology_probe.hpp"
#include "estimator/profile/profile_json.hpp"
#include "estimator/profile/topology_json.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// No key may take more than this, however large the budget (modelling.md 10.3).
constexpr Seconds most_per_key = 2.0 * unit::second;

// Of a piece of the measurement of noise.
constexpr double share_for_noise = 0.03;
constexpr Seconds most_for_noise = 2.0 * unit::second;

class Measurement {
 public:
  Measurement(const MeasureOptions& options, const Machine& machine, const ProgressSinks& sinks)
      : options_(options),
        machine_(machine),
        sinks_(sinks),
        progress_(
            sinks, options.budget, is_root() ? Progress::Voice::speaks : Progress::Voice::silent),
        arena_(machine.device),
        profile_(describe(machine)),
        plan_(plan_measurement(
            options.jobs, {profile_.ranks_per_node, options.rank_order}, smallest_message())),
        book_(machine.host_world, options.out, profile_) {
    profile_.warnings = options.warnings;
    for (const KernelKey& key : options.kernels) {
      if (std::ranges::find(plan_.kernels, key) == plan_.kernels.end()) {
        plan_.kernels.push_back(key);
      }
    }
    std::mt19937_64 random(options.seed);
    std::ranges::shuffle(plan_.kernels, random);
    if (options.what == MeasureOptions::What::kernels) {
      plan_.collectives.clear();
    } else if (options.what == MeasureOptions::What::collectives) {
      plan_.kernels.clear();
    }
    if (options.jobs.empty() && options.what == MeasureOptions::What::collectives) {
      plan_.collectives =
          plan_collectives({profile_.ranks, std::min(profile_.ranks, profile_.ranks_per_node), 1},
                           smallest_message(),
                           is_host() ? largest_on_cpus : largest_on_gpus);
    }
  }

  Profile run() {
    progress_.begin("start", 0);
    book_.open(options_.start);
    progress_.begin("topology", 0);
    measure_topology();
    warm_up();
    quick_round();
    noise_round();
    progress_.begin("load", 0);
    load_round();
    progress_.begin("overlap", 0);
    overlap_round();
    progress_.begin("bends", 0);
    bend_round();
    layer_round();
    noise_round();
    refining_round();
    keep_noise();
    progress_.begin("write", 0);
    groups_.reset();
    for (std::string& sentence : slow_ranks(profile_.kernels, profile_.hosts)) {
      progress_.note(sentence);
      profile_.warnings.push_back(std::move(sentence));
    }
    add_jobs();
    price_layer();
    std::ranges::sort(profile_.collectives, {}, &CollectiveRecord::key);
    fit_levels(profile_);
    profile_.elapsed_s = progress_.elapsed().in(unit::second);
    book_.finish();
    progress_.finish(profile_.skipped);
    return profile_;
  }

 private:
  [[nodiscard]] bool is_root() const { return machine_.host_world.rank() == 0; }

  [[nodiscard]] bool is_host() const { return profile_.device.kind == "host"; }

  [[nodiscard]] std::int64_t smallest_message() const {
    return is_host() ? smallest_on_cpus : smallest_on_gpus;
  }

  void add_jobs() {
    for (const Job& job : options_.jobs) {
      const MeasuredJob measured{job.model.name,
                                 text_of(job.layout),
                                 std::string(name_of(job.recipe.precision)),
                                 job.recipe.micro_batch,
                                 job.recipe.sequence};
      if (std::ranges::find(profile_.jobs, measured) == profile_.jobs.end()) {
        profile_.jobs.push_back(measured);
      }
    }
  }

  // At most a quarter of the budget: the rest is for what is priced.
  void measure_topology() {
    if (options_.what == MeasureOptions::What::kernels || profile_.topology) {
      return;
    }
    const Watched watched(machine_.watch, "distances between ranks");
    profile_.topology =
        probe_topology(machine_, profile_.hosts, 0.25 * options_.budget, sinks_.text);
    if (profile_.topology) {
      book_.append({{"measured_topology", to_json(*profile_.topology)}});
    }
  }

  void warm_up() {
    if (!plan_.kernels.empty()) {
      warm_up_device(machine_.device, arena_, plan_.kernels.front());
    }
  }

  void load_round() {
    if (has_time()) {
      profile_.sustained_factor =
          sustained_factor(machine_, arena_, profile_, options_.budget, options_.stop);
      profile_.clock_hz = machine_.device.clock_hz();
    }
  }

  // A few samples of everything: a budget that ends later costs precision, not coverage. Kernels
  // and what layouts exchange take turns, those first that have had less time: where one kind is
  // slow, it does not keep the other from being measured.
  void quick_round() {
    progress_.begin("first round", std::ssize(plan_.kernels) + std::ssize(plan_.collectives));
    const auto ladders = std::ranges::find_if(
        plan_.collectives, [](const PlannedCollective& planned) { return planned.pass > 1; });
    auto kernel = plan_.kernels.begin();
    auto collective = plan_.collectives.begin();
    Seconds ahead;  // of kernels before collectives
    while (kernel != plan_.kernels.end() || collective != ladders) {
      const bool takes_kernel =
          collective == ladders || (kernel != plan_.kernels.end() && root_says(ahead <= Seconds()));
      const Seconds before = progress_.elapsed();
      if (takes_kernel) {
        quick_kernel(*kernel++);
      } else {
        quick_collective(*collective++);
      }
      ahead += (takes_kernel ? 1.0 : -1.0) * (progress_.elapsed() - before);
    }
    std::for_each(ladders, plan_.collectives.end(), [&](const PlannedCollective& planned) {
      quick_collective(planned);
    });
  }

  void quick_kernel(const KernelKey& key) {
    if (book_.find(key) != nullptr) {
      progress_.passed();
      return;
    }
    measure_kernel(key,
                   {.time = Seconds(), .tolerance = 0.01, .samples = 3, .stop = options_.stop});
  }

  void quick_collective(const PlannedCollective& planned) {
    if (book_.find(planned.key) != nullptr) {
      progress_.passed();
      return;
    }
    measure_collective(planned,
                       {.time = Seconds(), .tolerance = 0.03, .samples = 3, .stop = options_.stop});
  }

  // Sizes between those of which the neighbours predict one another badly, until none is left.
  void bend_round() {
    bool is_new = true;
    while (is_new && has_time()) {
      is_new = false;
      for (const PlannedCollective& between :
           collectives_to_refine(plan_.collectives, profile_.collectives)) {
        if (book_.find(between.key) != nullptr || refused_.contains(between.key) || !has_time()) {
          continue;
        }
        measure_collective(
            between, {.time = Seconds(), .tolerance = 0.03, .samples = 9, .stop = options_.stop});
        plan_.collectives.push_back(between);
        is_new = true;
      }
    }
  }

  // What hides under what, over all ranks.
  void overlap_round() {
    const GroupShape world{profile_.ranks, std::min(profile_.ranks, profile_.ranks_per_node), 1};
    const bool wants =
        options_.what != MeasureOptions::What::kernels && (world.ranks > 1 || !is_host());
    if (!wants || !profile_.overlap.empty()) {
      return;
    }
    for (const OverlapPair& pair : overlap_pairs(world, is_host())) {
      const std::string name =
          fmt::format("overlap of {} and {}", name_of(pair.compute), text_of(pair.collective));
      if (const std::string reason = end_reason(); !reason.empty()) {
        skip(name, reason);
        continue;
      }
      if (overlap_operations * expected_time(pair.collective, profile_) > time_left()) {
        skip(name, std::string(out_of_time));
        continue;
      }
      const Watched watched(machine_.watch, name);
      const auto point = probe_overlap({machine_.device, machine_.host_world, machine_.watch},
                                       arena_,
                                       machine_.data_world,
                                       pair);
      if (const auto* reason = std::get_if<std::string>(&point)) {
        skip(name, *reason);
        continue;
      }
      profile_.overlap.push_back(std::get<OverlapPoint>(point));
      book_.append(to_json(profile_.overlap.back()));
    }
  }

  // A layer of the first job as a chain: what its kernels gain and lose by each other.
  void layer_round() {
    const bool wants = options_.what != MeasureOptions::What::collectives && !options_.jobs.empty();
    if (!wants || profile_.layer_factor || !has_time()) {
      return;
    }
    const Job& job = options_.jobs.front();
    const std::string name = fmt::format("a layer of {} {}", job.model.name, text_of(job.layout));
    const auto chained =
        probe_layer(machine_, job, {profile_.ranks_per_node, options_.rank_order}, options_.stop);
    if (const auto* reason = std::get_if<std::string>(&chained)) {
      skip(name, *reason);
      return;
    }
    layer_ = std::get<LayerChain>(chained);
  }

  // In pieces far apart, since what disturbs ranks comes and goes.
  void noise_round() {
    const bool wants = options_.what != MeasureOptions::What::collectives && !options_.jobs.empty();
    if (!wants || !profile_.noise.empty()) {
      return;
    }
    if (std::string reason = end_reason(); !reason.empty()) {
      noise_complaint_ = std::move(reason);
      return;
    }
    const Seconds piece = std::min(share_for_noise * options_.budget, most_for_noise);
    const auto repeated = repeat_layer(
        machine_, options_.jobs.front(), {profile_.ranks_per_node, options_.rank_order}, piece);
    if (const auto* reason = std::get_if<std::string>(&repeated)) {
      noise_complaint_ = *reason;
      return;
    }
    const auto& layer = std::get<RepeatedLayer>(repeated);
    auto points = noise_points(layer.times, layer.kernels);
    // A piece of fewer repetitions ends at less work.
    if (!noise_.empty() && noise_.front().size() != points.size()) {
      return;
    }
    noise_.push_back(std::move(points));
  }

  void keep_noise() {
    if (noise_.empty()) {
      if (!noise_complaint_.empty()) {
        const Job& job = options_.jobs.front();
        skip(fmt::format("a layer of {} {} over and over", job.model.name, text_of(job.layout)),
             noise_complaint_);
      }
      return;
    }
    profile_.noise = mean_of(noise_);
  }

  // After the refinement: the sum of the kernels as they are priced. A chain of which some kernel
  // has no time of its own says nothing.
  void price_layer() {
    if (!layer_) {
      return;
    }
    const Job& job = options_.jobs.front();
    LayerFactor factor{job.model.name,
                       text_of(job.layout),
                       std::string(name_of(job.recipe.precision)),
                       layer_->time,
                       Seconds()};
    for (const KernelKey& key : layer_->kernels) {
      const KernelRecord* const record = book_.find(key);
      if (record == nullptr) {
        skip("factor of a layer", "the kernel " + text_of(key) + " was not measured");
        return;
      }
      factor.alone += record->timing.median;
    }
    profile_.layer_factor = factor;
  }

  // What is left of the budget goes where the uncertainty in seconds is largest.
  void refining_round() {
    struct Candidate {
      Seconds doubt;
      std::variant<KernelKey, PlannedCollective> what;
    };

    std::vector<Candidate> candidates;
    const auto add = [&](const Timing& timing, double tolerance, auto what) {
      const Seconds width = timing.high - timing.low;
      if (timing.samples < 10 || width / (2.0 * timing.median) > tolerance) {
        candidates.push_back({width, std::move(what)});
      }
    };
    for (const KernelKey& key : plan_.kernels) {
      if (const KernelRecord* const record = book_.find(key)) {
        add(record->timing, 0.01, key);
      }
    }
    for (const PlannedCollective& planned : plan_.collectives) {
      if (const CollectiveRecord* const record = book_.find(planned.key)) {
        add(record->timing, 0.03, planned);
      }
    }
    std::ranges::stable_sort(candidates, std::greater<>(), &Candidate::doubt);
    progress_.begin("refinement", std::ssize(candidates));
    for (const Candidate& candidate : candidates) {
      if (!has_time()) {
        return;
      }
      if (const auto* key = std::get_if<KernelKey>(&candidate.what)) {
        measure_kernel(*key, {.time = most_per_key, .tolerance = 0.01, .stop = options_.stop});
      } else {
        measure_collective(std::get<PlannedCollective>(candidate.what),
                           {.time = most_per_key, .tolerance = 0.03, .stop = options_.stop});
      }
    }
  }

  // A question that a clock answers: only one rank's is asked.
  bool root_says(bool answer) {
    if (!ended_.empty()) {
      return true;
    }
    float says = is_root() && answer ? 1.0F : 0.0F;
    machine_.host_world.all_reduce(&says, &says, 1, DataType::fp32, ReduceOp::max);
    return says > 0.0F;
  }

  // Why nothing more is begun, on all ranks alike; empty while there is time.
  std::string end_reason() {
    if (!ended_.empty()) {
      return ended_;  // on busy cores asking all ranks again for each key that is left takes long
    }
    // The most urgent of all ranks: a clock is only asked on one of them.
    const bool is_late = is_root() && progress_.elapsed() >= options_.budget;
    float urgency = is_stopped() ? 2.0F : (is_late ? 1.0F : 0.0F);
    machine_.host_world.all_reduce(&urgency, &urgency, 1, DataType::fp32, ReduceOp::max);
    if (urgency > 0.0F) {
      ended_ = urgency > 1.0F ? std::string("interrupted") : std::string(out_of_time);
    }
    return ended_;
  }

  // Of the budget, by the clock of rank 0.
  Seconds time_left() {
    if (options_.budget == Seconds::infinite()) {
      return options_.budget;
    }
    auto left_s = is_root()
                      ? static_cast<float>((options_.budget - progress_.elapsed()).in(unit::second))
                      : std::numeric_limits<float>::lowest();
    machine_.host_world.all_reduce(&left_s, &left_s, 1, DataType::fp32, ReduceOp::max);
    return static_cast<double>(left_s) * unit::second;
  }

  bool has_time() { return end_reason().empty(); }

  [[nodiscard]] bool is_stopped() const { return options_.stop != nullptr && *options_.stop; }

  void skip(const std::string& key, const std::string& reason) {
    profile_.skipped.push_back(key + ": " + reason);
    progress_.skipped(key, reason);
  }

  // Whatever the start took of the budget, one kernel is measured: a profile of none is no answer.
  [[nodiscard]] bool is_first() const {
    return profile_.kernels.empty() && profile_.collectives.empty() && profile_.skipped.empty();
  }

  // In the second round a key that no longer works keeps the record of the first.
  void measure_kernel(const KernelKey& key, const ProbeLimits& limits) {
    const std::string ended = end_reason();
    if (!ended.empty() && !(ended == out_of_time && is_first())) {
      skip(text_of(key), ended);
      return;
    }
    const ProbeResult result =
        probe_kernel({machine_.device, machine_.host_world, arena_}, key, limits);
    if (const auto* reason = std::get_if<std::string>(&result)) {
      skip(text_of(key), *reason);
      return;
    }
    const auto& record = std::get<KernelRecord>(result);
    book_.keep(record);
    progress_.measured(to_json(record), text_of(key), record.timing);
  }

  void measure_collective(const PlannedCollective& planned, const ProbeLimits& limits) {
    if (const std::string reason = end_reason(); !reason.empty()) {
      skip(text_of(planned.key), reason);
      return;
    }
    constexpr double least = 2.0;  // the first, which is not counted, and one that is
    if (least * expected_time(planned.key, profile_) > time_left()) {
      leave_out(planned.key, std::string(out_of_time));
      return;
    }
    if (!groups_ || groups_of_ != std::pair(planned.layout, planned.group)) {
      groups_.reset();  // Frees the old ones before it makes new ones.
      groups_.emplace(machine_.data_world,
                      ProcessGrid(degrees_of(planned.layout), options_.rank_order),
                      planned.group);
      groups_of_ = {planned.layout, planned.group};
    }
    const Watched watched(machine_.watch, text_of(planned.key));
    ProbeLimits within = limits;
    within.left = time_left();
    const CollectiveResult result =
        probe_collective({machine_.device, machine_.host_world, machine_.watch},
                         planned,
                         *groups_,
                         within,
                         options_.what == MeasureOptions::What::collectives ? ProbeDepth::compared
                                                                            : ProbeDepth::priced);
    if (const auto* reason = std::get_if<std::string>(&result)) {
      refused_.insert(planned.key);
      leave_out(planned.key, *reason);
      return;
    }
    auto record = std::get<CollectiveRecord>(result);
    if (const CollectiveRecord* const earlier = book_.find(planned.key)) {
      if (record.timing.samples < earlier->timing.samples) {
        return;  // the budget ended meanwhile
      }
      complete(record, *earlier);
    }
    book_.keep(record);
    progress_.measured(to_json(record), text_of(planned.key), record.timing);
  }

  // What the budget ends for the second time was measured already.
  void leave_out(const CollectiveKey& key, const std::string& reason) {
    if (reason != out_of_time || book_.find(key) == nullptr) {
      skip(text_of(key), reason);
    }
  }

  const MeasureOptions& options_;
  const Machine& machine_;
  ProgressSinks sinks_;
  Progress progress_;
  OperandArena arena_;
  Profile profile_;
  MeasurementPlan plan_;
  RecordBook book_;
  std::set<CollectiveKey> refused_;
  std::string ended_;  ///< why nothing more is begun, on all ranks alike; empty before
  std::optional<LayerChain> layer_;             ///< measured by this run
  std::vector<std::vector<NoisePoint>> noise_;  ///< pieces, measured by this run
  std::string noise_complaint_;
  std::optional<ProbeGroups> groups_;  ///< of the latest collective; neighbours in the plan share
  std::pair<ParallelLayout, GroupKind> groups_of_;
};

}  // namespace

Profile measure(const MeasureOptions& options,
                const Machine& machine,
                const ProgressSinks& progress) {
  return Measurement(options, machine, progress).run();
}

}  // namespace forerun
