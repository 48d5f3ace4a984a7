#include "estimator/estimate/trace_json.hpp"

#include <cmath>
#include <set>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

const char* name_of(Stream stream) {
  switch (stream) {
    case Stream::compute:
      return "compute";
    case Stream::send_next:
      return "pipeline messages to the next stage";
    case Stream::send_previous:
      return "pipeline messages to the previous stage";
    case Stream::receive:
      return "pipeline messages received";
    case Stream::data_parallel:
      return "data-parallel";
    case Stream::host_link:
      return "host link";
  }
  return "";
}

const char* letter_of(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return "F";
    case Pass::backward:
      return "B";
    case Pass::backward_input:
      return "I";
    case Pass::backward_weight:
      return "W";
  }
  return "";
}

std::string name_of(const PipelineOp& op, const PipelineShape& shape) {
  std::string name = letter_of(op.pass) + std::to_string(op.micro_batch);
  return shape.chunks > 1 ? name + "." + std::to_string(op.chunk) : name;
}

std::string name_of(const TimelineSlice& slice, const PipelineShape& shape) {
  switch (slice.activity) {
    case Activity::pass:
      return slice.partner ? name_of(slice.op, shape) + " + " + name_of(*slice.partner, shape)
                           : name_of(slice.op, shape);
    case Activity::message:
      return (slice.stream == Stream::receive ? "receive " : "send ") + name_of(slice.op, shape);
    case Activity::tensor_parallel:
      return "tensor-parallel gradients";
    case Activity::data_parallel:
      return "data-parallel, not hidden";
    case Activity::optimizer:
      return "optimizer";
    case Activity::offload:
      return "offload, not hidden";
  }
  return "";
}

std::string_view category_of(const TimelineSlice& slice) {
  switch (slice.activity) {
    case Activity::message:
      return "message";
    case Activity::tensor_parallel:
    case Activity::data_parallel:
    case Activity::optimizer:
      return "tail";
    case Activity::offload:
      return "offload";
    case Activity::pass:
      break;
  }
  if (slice.partner) {
    return "forward and backward";
  }
  return name_of(slice.op.pass);
}

double nanoseconds(Seconds time) {
  return std::round(time.in(unit::second)*1e9);
}

// Viewers take process 0 for the idle task.
std::int64_t process_of(std::int64_t stage) {
  return stage + 1;
}

int thread_of(Stream stream) {
  return static_cast<int>(stream) + 1;
}

Json metadata(const char* what, std::int64_t process, int thread, Json args) {
  return {
      {"name", what}, {"ph", "M"}, {"pid", process}, {"tid", thread}, {"args", std::move(args)}};
}

void add_names(std::span<const TimelineSlice> slices, Json& events) {
  std::set<std::int64_t> stages;
  std::set<std::pair<std::int64_t, Stream>> rows;
  for (const TimelineSlice& slice : slices) {
    stages.insert(slice.stage);
    rows.emplace(slice.stage, slice.stream);
  }
  for (const std::int64_t stage : stages) {
    const std::int64_t process = process_of(stage);
    events.push_back(
        metadata("process_name", process, 0, {{"name", "stage " + std::to_string(stage)}}));
    events.push_back(metadata("process_sort_index", process, 0, {{"sort_index", stage}}));
  }
  for (const auto& [stage, stream] : rows) {
    const int thread = thread_of(stream);
    events.push_back(
        metadata("thread_name", process_of(stage), thread, {{"name", name_of(stream)}}));
    events.push_back(
        metadata("thread_sort_index", process_of(stage), thread, {{"sort_index", thread}}));
  }
}

Json event_of(const TimelineSlice& slice, const PipelineShape& shape) {
  const double start = nanoseconds(slice.start);
  const double end = nanoseconds(slice.end);
  Json event = {{"name", name_of(slice, shape)},
                {"cat", category_of(slice)},
                {"ph", "X"},
                {"pid", process_of(slice.stage)},
                {"tid", thread_of(slice.stream)},
                {"ts", start / 1e3},
                {"dur", (end - start) / 1e3}};
  if (slice.activity == Activity::pass || slice.activity == Activity::message) {
    event["args"] = {{"micro_batch", slice.op.micro_batch}, {"chunk", slice.op.chunk}};
  }
  return event;
}

}  // namespace

Json trace_json(std::span<const TimelineSlice> slices, const PipelineShape& shape) {
  Json events = Json::array();
  add_names(slices, events);
  for (const TimelineSlice& slice : slices) {
    events.push_back(event_of(slice, shape));
  }
  return {{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}};
}

}  // namespace forerun
