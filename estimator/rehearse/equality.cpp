#include "estimator/rehearse/equality.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "comm/serial/serial_communicator.hpp"

namespace forerun {
namespace {

struct TensorError {
  double relative = 0.0;
  std::string name;
};

// Squared difference and squared size of one row of a shard against the reference's row.
struct Squares {
  double difference = 0.0;
  double size = 0.0;
};

class ShardComparison {
 public:
  ShardComparison(const ReferenceStep& reference, const Job& job, const WeightPart& part)
      : reference_(reference), job_(job), part_(part) {
    for (const WeightSpec& spec : reference.weights.specs) {
      whole_[spec.id] = &spec;
    }
  }

  [[nodiscard]] Squares compare(const WeightSpec& spec,
                                const std::vector<float>& gradients,
                                const std::vector<bool>& valid) const {
    const WeightSpec& whole = *whole_.at(spec.id);
    const ShardPlace place = shard_place(spec, job_, part_);
    Squares squares;
    for (const RowBlock& block : place.rows) {
      for (std::int64_t i = 0; i < block.count; ++i) {
        const std::int64_t row = block.global_first + i;
        const std::int64_t at = spec.offset + (block.local_first + i) * spec.columns;
        const std::int64_t from = whole.offset + row * whole.columns + place.first_column;
        for (std::int64_t j = 0; j < spec.columns; ++j) {
          if (!valid[static_cast<std::size_t>(at + j)]) {
            continue;
          }
          // Rows of padding vocabulary exist on some splits only; their gradient is zero.
          const double expected =
              row < whole.rows
                  ? static_cast<double>(reference_.gradients[static_cast<std::size_t>(from + j)])
                  : 0.0;
          const double difference =
              static_cast<double>(gradients[static_cast<std::size_t>(at + j)]) - expected;
          squares.difference += difference * difference;
          squares.size += expected * expected;
        }
      }
    }
    return squares;
  }

  // Root of the mean square of the whole tensor's gradient: what a small shard is measured against.
  [[nodiscard]] double mean_square(TensorId id) const {
    const WeightSpec& whole = *whole_.at(id);
    double sum = 0.0;
    for (std::int64_t i = 0; i < whole.rows * whole.columns; ++i) {
      const auto value =
          static_cast<double>(reference_.gradients[static_cast<std::size_t>(whole.offset + i)]);
      sum += value * value;
    }
    return sum / static_cast<double>(whole.rows * whole.columns);
  }

 private:
  const ReferenceStep& reference_;
  const Job& job_;
  WeightPart part_;
  std::map<TensorId, const WeightSpec*> whole_;
};

std::string name_text(TensorId id) {
  return fmt::format(
      "{}{}", weight_name(id.name), id.layer >= 0 ? fmt::format(" of layer {}", id.layer) : "");
}

TensorError worst_of(Communicator& world, const TensorError& mine) {
  TensorError worst;
  for (const std::string& text :
       world.all_gather_text(fmt::format("{} {}", mine.relative, mine.name))) {
    std::istringstream stream(text);
    TensorError other;
    std::string number;
    stream >> number;
    other.relative = std::stod(number);
    std::getline(stream >> std::ws, other.name);
    // A NaN is the worst of all and must not be lost in a comparison.
    if (std::isnan(other.relative) || other.relative >= worst.relative) {
      worst = other;
    }
    if (std::isnan(worst.relative)) {
      break;
    }
  }
  return worst;
}

// A gather of updated weights that moved nothing, or the wrong thing, leaves replicas different.
bool replicas_agree(const Executor& executor, Communicator& world) {
  const WeightPart& own = executor.weight_part();
  const TensorStore& store = executor.store();
  const auto sums = store.weight_checksums();
  const auto texts = world.all_gather_text(fmt::format("{} 0 {} 0 {}\n{} 1 {} {} {}",
                                                       executor.work().stage,
                                                       own.tensor,
                                                       sums.dense,
                                                       executor.work().stage,
                                                       own.expert,
                                                       own.expert_tensor,
                                                       sums.experts));
  std::map<std::array<std::int64_t, 4>, std::uint64_t> first;
  return std::ranges::all_of(texts, [&](const std::string& text) {
    std::istringstream stream(text);
    std::array<std::int64_t, 4> part{};
    std::uint64_t checksum = 0;
    while (stream >> part[0] >> part[1] >> part[2] >> part[3] >> checksum) {
      if (first.emplace(part, checksum).first->second != checksum) {
        return false;
      }
    }
    return true;
  });
}

bool near(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance * std::abs(b);
}

}  // namespace

double equality_tolerance(const Job& job, ExpertChoice choice) {
  if (job.recipe.precision == Precision::fp32) {
    return 1e-5;
  }
  constexpr double of_rounding = 3e-2;
  const bool is_unsplit = job.layout.tensor == 1 && job.layout.context == 1;
  if (!job.model.moe || choice == ExpertChoice::stated || is_unsplit) {
    return of_rounding;
  }
  constexpr double resolution = 0x1p-8;  // of bf16
  constexpr double most = 0.4;
  const double flipped = static_cast<double>(job.model.moe->experts) * resolution;
  return std::min(most, of_rounding + std::sqrt(2.0 * flipped));
}

double loss_tolerance(Precision precision) {
  return precision == Precision::fp32 ? 1e-5 : 1e-3;
}

double mean_loss(double loss_sum, const Job& job, Communicator& world) {
  double sum = 0.0;
  for (const std::string& text : world.all_gather_text(fmt::format("{}", loss_sum))) {
    sum += std::stod(text);
  }
  // Every tensor rank of the last stage counted the same tokens.
  return sum /
         static_cast<double>(job.layout.tensor * job.recipe.global_batch * job.recipe.sequence);
}

Job unsplit(Job job) {
  job.layout = {};
  job.recipe.schedule.reset();
  job.recipe.stage_split = {};
  RecomputePolicy& recompute = job.recipe.recompute;
  if (!recompute.by_stage.empty()) {
    recompute = {Recompute::block, {}, std::ranges::max(recompute.by_stage)};
  }
  return job;
}

ReferenceStep reference_step(const Job& job,
                             Device& device,
                             std::uint64_t seed,
                             ExpertChoice choice) {
  const Job whole = unsplit(job);
  SerialCommunicator world;
  GridCommunicators groups(world, whole.layout, megatron_order, experts_of(job.model));
  Executor executor(whole, {1}, device, groups, {.choice = choice});
  executor.initialise(seed);
  ReferenceStep reference;
  reference.weights = executor.store().weights();
  const auto first =
      executor.run_step(0, [&] { reference.gradients = executor.store().gradients(); });
  reference.first_loss = mean_loss(first.loss_sum, whole, world);
  reference.second_loss = mean_loss(executor.run_step(1).loss_sum, whole, world);
  return reference;
}

EqualityReport compare_with(const ReferenceStep& reference,
                            const Job& job,
                            Executor& executor,
                            Communicator& world,
                            std::uint64_t seed) {
  EqualityReport report;
  report.tolerance = equality_tolerance(job, executor.choice());
  report.reference_first_loss = reference.first_loss;
  report.reference_second_loss = reference.second_loss;
  executor.initialise(seed);
  std::vector<float> gradients;
  const auto first = executor.run_step(0, [&] { gradients = executor.store().gradients(); });
  report.first_loss = mean_loss(first.loss_sum, job, world);
  report.second_loss = mean_loss(executor.run_step(1).loss_sum, job, world);

  executor.settle();
  report.replicas_agree = replicas_agree(executor, world);
  const double losses = loss_tolerance(job.recipe.precision);
  const TensorStore& store = executor.store();
  const ShardComparison shards(reference, job, executor.weight_part());
  TensorError worst;
  std::vector<bool> valid(gradients.size(), false);
  for (const FlatRange& run : store.reduced()) {
    std::fill_n(valid.begin() + run.first, run.elements, true);
  }
  for (const WeightSpec& spec : store.weights().specs) {
    const Squares squares = shards.compare(spec, gradients, valid);
    const auto count = static_cast<double>(spec.rows * spec.columns);
    const double size = std::max(squares.size, shards.mean_square(spec.id) * count);
    const double relative =
        size > 0.0 ? std::sqrt(squares.difference / size) : std::sqrt(squares.difference);
    if (std::isnan(relative) || relative >= worst.relative) {
      worst = {relative, name_text(spec.id)};
      if (std::isnan(relative)) {
        break;
      }
    }
  }
  worst = worst_of(world, worst);
  report.worst_gradient_error = worst.relative;
  report.worst_tensor = worst.name;

  // Written so that a NaN anywhere is a difference.
  report.equal = near(report.first_loss, report.reference_first_loss, losses) &&
                 near(report.second_loss, report.reference_second_loss, losses) &&
                 report.worst_gradient_error <= report.tolerance && report.replicas_agree;
  return report;
}

}  // namespace forerun
