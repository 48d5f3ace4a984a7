// The event simulation: laws over random costs, and a second, slower simulator.
#include "estimator/step/pipeline_simulation.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <stdexcept>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/estimator/step/pipeline_cases.hpp"

namespace forerun {
namespace {

constexpr auto exchanges = std::to_array<Exchange>({Exchange::blocking, Exchange::overlapped});

double serial_sum(const PipelineProgram& program,
                  const PipelineCosts& costs,
                  std::span<const StageTimes> times) {
  Seconds sum;
  for (const StageTimes& stage : times) {
    sum += stage.busy;
  }
  for (const PipelineStep& step : program.steps) {
    const auto boundary = [&](std::uint16_t channel) {  // of a message that left by the channel
      const std::int64_t stage = channel / 3;
      const bool is_next = channel % 3 == 0;
      const std::int64_t p = program.shape.stages;
      return costs.messages[static_cast<std::size_t>(is_next ? stage : (stage - 1 + p) % p)];
    };
    sum += step.out_channel % 3 == 2 ? Seconds() : boundary(step.out_channel);
  }
  return sum.in(unit::second);
}

// The first micro-batch down and back up, without waiting for anything.
double one_micro_batch(Schedule schedule, const PipelineShape& shape, const PipelineCosts& costs) {
  const ChunkPlacement placement = placement_of(schedule);
  Seconds sum;
  std::optional<ChunkSeat> seat = ChunkSeat{0, 0};
  while (seat) {
    const auto& passes =
        costs.passes[static_cast<std::size_t>(seat->stage * shape.chunks + seat->local)];
    sum += passes.forward + passes.recompute + passes.backward_input;
    seat = next_seat(placement, shape.stages, shape.chunks, *seat);
  }
  return sum.in(unit::second);
}

struct Case {
  Schedule schedule;
  PipelineShape shape;
  PipelineCosts costs;
};

template <typename Check>
void for_random_cases(int per_schedule, Check check) {
  std::mt19937 random(7);
  for (const Schedule schedule : all_schedules) {
    for (const Exchange exchange : exchanges) {
      for (int i = 0; i < per_schedule; ++i) {
        const PipelineShape shape = random_shape(schedule, random);
        SCOPED_TRACE(described(schedule, shape));
        check(Case{schedule, shape, random_costs(shape, exchange, random)});
      }
    }
  }
}

TEST(PipelineSimulation, StaysBetweenItsBounds) {
  for_random_cases(25, [](const Case& c) {
    const PipelineProgram program = pipeline_program(c.schedule, c.shape);
    PipelineScratch scratch;
    const auto times = simulate_pipeline(program, c.costs, scratch);
    const double makespan = makespan_of(times).in(unit::second);
    for (const StageTimes& stage : times) {
      EXPECT_LE(stage.busy.in(unit::second), (stage.end - stage.start).in(unit::second) + 1e-9);
    }
    EXPECT_GE(makespan, one_micro_batch(c.schedule, c.shape, c.costs) - 1e-9);
    EXPECT_LE(makespan, serial_sum(program, c.costs, times) + 1e-9);
  });
}

TEST(PipelineSimulation, MoreCostIsNeverFaster) {
  std::mt19937 random(11);
  for_random_cases(10, [&](const Case& c) {
    const auto before = simulate_pipeline(c.schedule, c.shape, c.costs);
    PipelineCosts dearer = c.costs;
    std::uniform_int_distribution<std::size_t> seat(0, c.costs.passes.size() - 1);
    dearer.passes[seat(random)].forward += 0.5 * unit::second;
    dearer.passes[seat(random)].recompute += 0.5 * unit::second;
    dearer.passes[seat(random)].backward_input += 0.5 * unit::second;
    dearer.passes[seat(random)].backward_weight += 0.5 * unit::second;
    dearer.messages[random() % dearer.messages.size()] += 0.5 * unit::second;
    const auto after = simulate_pipeline(c.schedule, c.shape, dearer);
    for (std::size_t stage = 0; stage < before.size(); ++stage) {
      EXPECT_GE(after[stage].end.in(unit::second), before[stage].end.in(unit::second)-1e-9);
    }
  });
}

TEST(PipelineSimulation, ScalesWithItsCosts) {
  for_random_cases(3, [](const Case& c) {
    PipelineCosts doubled = c.costs;
    for (PassCosts& passes : doubled.passes) {
      for (Seconds PassCosts::*part : {&PassCosts::forward,
                                       &PassCosts::recompute,
                                       &PassCosts::backward_input,
                                       &PassCosts::backward_weight,
                                       &PassCosts::forward_exchange,
                                       &PassCosts::backward_exchange}) {
        passes.*part *= 2.0;
      }
    }
    for (Seconds& message : doubled.messages) {
      message *= 2.0;
    }
    EXPECT_NEAR(makespan_of(simulate_pipeline(c.schedule, c.shape, doubled)) /
                    makespan_of(simulate_pipeline(c.schedule, c.shape, c.costs)),
                2.0,
                1e-12);
  });
}

// Written from the rules alone: runs whatever may start, in any order, until all has run. Without
// pairs and for messages that never wait for one another.
class PlainSimulator {
 public:
  explicit PlainSimulator(const Case& c) : case_(c), placement_(placement_of(c.schedule)) {
    for (std::int64_t stage = 0; stage < c.shape.stages; ++stage) {
      programs_.push_back(stage_program(c.schedule, c.shape, stage));
    }
    ends_.resize(programs_.size());
    next_.resize(programs_.size());
  }

  std::vector<double> run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t stage = programs_.size(); stage-- > 0;) {
        while (next_[stage] < programs_[stage].size() && runs(stage)) {
          moved = true;
        }
      }
    }
    return ends_;
  }

 private:
  using Key = std::tuple<bool, std::int64_t, std::int64_t, std::int64_t>;  // forward, seat, m

  bool runs(std::size_t stage) {
    const PipelineOp& op = programs_[stage][next_[stage]];
    const ChunkSeat seat{static_cast<std::int64_t>(stage), op.chunk};
    const bool forward = op.pass == Pass::forward;
    double start = ends_[stage];
    if (op.pass != Pass::backward_weight) {
      const auto from =
          forward ? previous_seat(placement_, case_.shape.stages, case_.shape.chunks, seat)
                  : next_seat(placement_, case_.shape.stages, case_.shape.chunks, seat);
      if (from) {
        const auto found = done_.find({forward, from->stage, from->local, op.micro_batch});
        if (found == done_.end()) {
          return false;
        }
        const double travel = from->stage == seat.stage ? 0.0 : message(from->stage, seat.stage);
        start = case_.costs.exchange == Exchange::blocking
                    ? std::max(start, found->second) + travel
                    : std::max(start, found->second + travel);
      }
    }
    const auto& passes =
        case_.costs.passes[static_cast<std::size_t>(seat.stage * case_.shape.chunks + seat.local)];
    ends_[stage] = start + duration_of(passes, op.pass).in(unit::second);
    if (op.pass != Pass::backward_weight) {
      done_[{forward, seat.stage, seat.local, op.micro_batch}] = ends_[stage];
    }
    ++next_[stage];
    return true;
  }

  [[nodiscard]] double message(std::int64_t a, std::int64_t b) const {
    const bool is_wrap = std::abs(a - b) > 1;
    return case_.costs.messages[static_cast<std::size_t>(is_wrap ? std::max(a, b) : std::min(a, b))]
        .in(unit::second);
  }

  const Case& case_;
  ChunkPlacement placement_;
  std::vector<std::vector<PipelineOp>> programs_;
  std::map<Key, double> done_;
  std::vector<double> ends_;
  std::vector<std::size_t> next_;
};

TEST(PipelineSimulation, AgreesWithASecondSimulator) {
  for_random_cases(25, [](Case c) {
    if (c.schedule == Schedule::dualpipe || c.schedule == Schedule::dualpipe_v) {
      return;
    }
    if (c.costs.exchange == Exchange::overlapped) {
      for (Seconds& message : c.costs.messages) {  // below 0.03, where every pass takes 0.1
        message *= 0.01;
      }
    }
    const auto expected = PlainSimulator(c).run();
    const auto times = simulate_pipeline(c.schedule, c.shape, c.costs);
    for (std::size_t stage = 0; stage < expected.size(); ++stage) {
      EXPECT_NEAR(times[stage].end.in(unit::second), expected[stage], 1e-9);
    }
  });
}

TEST(PipelineSimulation, ManyAtOnceAreWhatEachIsAlone) {
  std::mt19937 random(3);
  for (const Schedule schedule : all_schedules) {
    for (const Exchange exchange : exchanges) {
      const PipelineShape shape = random_shape(schedule, random);
      const PipelineProgram program = pipeline_program(schedule, shape);
      std::vector<PipelineCosts> jobs;
      for (int i = 0; i < 11; ++i) {
        jobs.push_back(random_costs(shape, exchange, random));
      }
      PipelineScratch scratch;
      const auto together = simulate_pipelines(program, jobs, scratch);
      const std::vector<StageTimes> all(together.begin(), together.end());
      ASSERT_EQ(std::ssize(all), 11 * shape.stages);
      for (std::size_t job = 0; job < jobs.size(); ++job) {
        const auto alone = simulate_pipeline(program, jobs[job], scratch);
        for (std::size_t stage = 0; stage < alone.size(); ++stage) {
          const StageTimes& here = all[job * alone.size() + stage];
          EXPECT_EQ(here.start, alone[stage].start);
          EXPECT_EQ(here.end, alone[stage].end);
          EXPECT_EQ(here.busy, alone[stage].busy);
        }
      }
    }
  }
}

TEST(PipelineSimulation, OneStageHasNoBubbleAndNoMessages) {
  const PipelineShape shape{1, 1, 8};
  const auto costs = equal_costs(shape, {}, 1.0, Exchange::blocking);
  EXPECT_NEAR(makespan_of(simulate_pipeline(Schedule::one_f_one_b, shape, costs)).in(unit::second),
              24.0,
              1e-9);
}

TEST(PipelineSimulation, UnevenStagesStayUnderTheClosedBound) {
  // Slowest stage alone, and that plus one fill of the pipeline (modelling notes, section 4).
  PipelineCosts costs = equal_costs({4, 1, 8}, {});
  const double factor[] = {1.0, 3.0, 2.0, 1.5};
  for (std::size_t stage = 0; stage < 4; ++stage) {
    costs.passes[stage].forward *= factor[stage];
    costs.passes[stage].backward_input *= factor[stage];
    costs.passes[stage].backward_weight *= factor[stage];
  }
  const double last =
      makespan_of(simulate_pipeline(Schedule::one_f_one_b, {4, 1, 8}, costs)).in(unit::second);
  EXPECT_GE(last, 8 * 9.0);
  EXPECT_LE(last, 3.0 * 7.5 + 7 * 9.0 + 1e-9);
}

TEST(PipelineSimulation, EachBoundaryHasItsOwnMessage) {
  // Two micro-batches, two stages of F = 1, B = 2, by hand. Messages of 0.5: the first forward
  // arrives at 1.5 and its backward ends at 4.5, back at 5, until 7; the second forward arrives at
  // 2.5, runs 4.5 to 5.5, its backward to 7.5, back at 8, until 10.
  PipelineCosts costs = equal_costs({2, 1, 2}, {});
  costs.messages = {0.5 * unit::second, 100.0 * unit::second};
  EXPECT_NEAR(
      makespan_of(simulate_pipeline(Schedule::one_f_one_b, {2, 1, 2}, costs)).in(unit::second),
      10.0,
      1e-12);
}

TEST(PipelineSimulation, ASlowWireCarriesOneMessageAtATime) {
  // gpipe, three forwards of 1 on two stages, messages of 2: they arrive at 3, 5 and 7; the last
  // forward ends at 8, then three backwards of 2 whose gradients take 2 each: 16, and the last
  // backward of stage 0 ends at 18.
  const auto costs = equal_costs({2, 1, 3}, {}, 2.0);
  EXPECT_NEAR(makespan_of(simulate_pipeline(Schedule::gpipe, {2, 1, 3}, costs)).in(unit::second),
              18.0,
              1e-12);
}

std::string failure_of(const std::vector<std::vector<PipelineOp>>& programs) {
  try {
    (void)pipeline_program(ChunkPlacement::looping, {2, 1, 1}, programs);
  } catch (const std::logic_error& error) {
    return error.what();
  }
  return "none";
}

TEST(PipelineProgram, NamesTheOperationOfADeadlock) {
  const PipelineOp forward{Pass::forward, 0, 0, Pairing::alone};
  const PipelineOp backward{Pass::backward, 0, 0, Pairing::alone};
  EXPECT_EQ(failure_of({{forward, backward}, {forward, backward}}), "none");
  EXPECT_EQ(failure_of({{forward, backward}, {backward, forward}}),
            "pipeline schedule: stage 0: backward of micro-batch 0, chunk 0 waits for what never "
            "comes");
  EXPECT_EQ(failure_of({{forward, forward, backward}, {forward, backward}}),
            "pipeline schedule: stage 0: forward of micro-batch 0, chunk 0 runs twice");
  EXPECT_EQ(failure_of({{forward}, {forward, backward}}),
            "pipeline schedule: stage 0: backward input of micro-batch 0, chunk 0 never runs");
}

TEST(PipelineSimulation, RefusesCostsOfAnotherShape) {
  EXPECT_THROW((void)simulate_pipeline(Schedule::gpipe, {4, 1, 2}, equal_costs({3, 1, 2}, {})),
               std::logic_error);
}

}  // namespace
}  // namespace forerun
