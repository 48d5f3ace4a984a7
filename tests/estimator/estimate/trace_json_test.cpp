// The Chrome trace: its structure, and rows that add up.
#include "estimator/estimate/trace_json.hpp"

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "estimator/estimate/estimate.hpp"
#include "jobs/read_model.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::pair<int, int>;  // process, thread

StepEstimate step_of(Schedule schedule, std::int64_t chunks, std::int64_t micro_batches) {
  Job job;
  job.model = read_model("gpt2-xl");
  job.recipe.sequence = 1024;
  job.recipe.global_batch = 2 * micro_batches;
  job.recipe.schedule = schedule;
  job.layout = {.tensor = 1, .pipeline = 4, .virtual_pipeline = chunks, .data = 2};
  EstimateRequest request;
  request.job = job;
  request.hardware = sized_for(read_hardware("dgx-h100"), world_size(job.layout));
  return estimate_job(request).step;
}

Json trace_of(const StepEstimate& step) {
  return trace_json(step_timeline(step.pipeline), step.pipeline.shape);
}

// Slices by row as (start, end) in whole nanoseconds.
std::map<Row, std::vector<std::pair<long, long>>> rows_of(const Json& trace) {
  std::map<Row, std::vector<std::pair<long, long>>> rows;
  for (const Json& event : trace["traceEvents"]) {
    if (event["ph"] == "X") {
      const long start = std::lround(event["ts"].get<double>() * 1e3);
      rows[{event["pid"].get<int>(), event["tid"].get<int>()}].emplace_back(
          start, start + std::lround(event["dur"].get<double>() * 1e3));
    }
  }
  return rows;
}

TEST(TraceJson, NamesEveryRow) {
  const Json trace = trace_of(step_of(Schedule::one_f_one_b, 1, 8));
  std::map<Row, std::string> names;
  std::set<int> processes;
  for (const Json& event : trace["traceEvents"]) {
    if (event["ph"] == "M" && event["name"] == "thread_name") {
      names[{event["pid"].get<int>(), event["tid"].get<int>()}] = event["args"]["name"];
    }
    if (event["ph"] == "M" && event["name"] == "process_name") {
      processes.insert(event["pid"].get<int>());
    }
  }
  EXPECT_EQ(processes.size(), 4U);
  for (const auto& [row, slices] : rows_of(trace)) {
    EXPECT_TRUE(names.contains(row));
    EXPECT_TRUE(processes.contains(row.first));
  }
  EXPECT_EQ(names.at({1, 1}), "compute");
}

TEST(TraceJson, HoldsCompleteEventsInMicroseconds) {
  const StepEstimate step = step_of(Schedule::one_f_one_b, 1, 8);
  const Json trace = trace_of(step);
  EXPECT_EQ(trace["displayTimeUnit"], "ms");
  double end = 0.0;
  for (const Json& event : trace["traceEvents"]) {
    EXPECT_TRUE(event["ph"] == "X" || event["ph"] == "M");
    if (event["ph"] == "X") {
      EXPECT_FALSE(event["name"].get<std::string>().empty());
      EXPECT_GT(event["dur"].get<double>(), 0.0);
      end = std::max(end, event["ts"].get<double>() + event["dur"].get<double>());
    }
  }
  EXPECT_NEAR(end * 1e-6 / total_of(step.breakdown).in(unit::second), 1.0, 1e-6);
}

TEST(TraceJson, RowsNeverOverlapAndComputeAddsUp) {
  const struct {
    Schedule schedule;
    std::int64_t chunks;
  } cases[] = {{Schedule::gpipe, 1},
               {Schedule::one_f_one_b, 1},
               {Schedule::interleaved, 3},
               {Schedule::breadth_first, 2},
               {Schedule::zb_h1, 1},
               {Schedule::zb_h2, 1},
               {Schedule::zb_v, 2},
               {Schedule::dualpipe_v, 2}};

  for (const auto& [schedule, chunks] : cases) {
    const StepEstimate step = step_of(schedule, chunks, 8);
    const auto times = simulate_pipeline(schedule, step.pipeline.shape, step.pipeline.costs);
    for (const auto& [row, slices] : rows_of(trace_of(step))) {
      long busy = 0;
      for (std::size_t i = 0; i < slices.size(); ++i) {
        busy += slices[i].second - slices[i].first;
        if (i > 0) {
          EXPECT_LE(slices[i - 1].second, slices[i].first) << name_of(schedule);
        }
      }
      if (row.second == 1) {  // compute
        const auto stage = static_cast<std::size_t>(row.first - 1);
        Seconds expected = times[stage].busy;
        for (const TailPart& part : step.pipeline.tails[stage]) {
          expected += part.activity == Activity::data_parallel ? Seconds() : part.time;
        }
        // Each end is rounded to a nanosecond.
        EXPECT_NEAR(static_cast<double>(busy),
                    expected.in(unit::second)*1e9,
                    static_cast<double>(slices.size()) + 1.0)
            << name_of(schedule);
      }
    }
  }
}

std::set<std::string> names_in(const Json& trace) {
  std::set<std::string> names;
  for (const Json& event : trace["traceEvents"]) {
    names.insert(event["name"].get<std::string>());
  }
  return names;
}

TEST(TraceJson, NamesPassesMicroBatchesAndChunks) {
  const auto plain = names_in(trace_of(step_of(Schedule::one_f_one_b, 1, 8)));
  for (const char* name : {"F0", "F7", "B7", "receive F3", "optimizer"}) {
    EXPECT_TRUE(plain.contains(name)) << name;
  }
  const auto folded = names_in(trace_of(step_of(Schedule::zb_v, 2, 8)));
  for (const char* name : {"F0.1", "I3.0", "W7.1", "send F3.0", "send I3.1"}) {
    EXPECT_TRUE(folded.contains(name)) << name;
  }
  const auto paired = names_in(trace_of(step_of(Schedule::dualpipe_v, 2, 8)));
  // Stage 0 of 4: seven forwards of chunk 0, one of chunk 1, three input parts of chunk 1, each
  // with a forward; then the first pair.
  EXPECT_TRUE(paired.contains("F7.0 + B3.1"));
}

}  // namespace
}  // namespace forerun
