#include "estimator/cli/foreign_job.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "units/input_error.hpp"

namespace forerun {
namespace {

// A line that is not a comment, blanks in front left out.
std::string_view first_line(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    if (!line.empty() && (!line.starts_with('#') || line.starts_with("#!"))) {
      return line;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

bool has_line_starting(std::string_view text, std::string_view start) {
  return text.starts_with(start) || text.find("\n" + std::string(start)) != std::string_view::npos;
}

bool is_torchtitan(std::string_view text) {
  return std::ranges::any_of(
      std::vector<std::string_view>{"[training]", "[parallelism]", "[model]"},
      [&](std::string_view table) { return has_line_starting(text, table); });
}

}  // namespace

JobFormat job_format_of(std::string_view path, std::string_view text) {
  if (path.ends_with(".yaml") || path.ends_with(".yml")) {
    return JobFormat::nemo;
  }
  if (is_torchtitan(text)) {
    return JobFormat::torchtitan;
  }
  const std::string_view line = first_line(text);
  const bool is_script = path.ends_with(".sh") || path.ends_with(".sbatch") ||
                         line.starts_with("#!") || line.starts_with("--");
  return is_script && !path.ends_with(".toml") ? JobFormat::megatron : JobFormat::ours;
}

namespace {

std::int64_t data_of(const StatedJob& stated, std::int64_t replica, const std::string& where) {
  if (stated.data > 0 || stated.devices == 0) {
    return stated.data;
  }
  if (stated.devices % replica != 0) {
    throw InputError(
        where, fmt::format("{} devices are no multiple of tp*cp*pp = {}", stated.devices, replica));
  }
  return stated.devices / replica;
}

std::string layout_of(const StatedJob& stated) {
  std::string layout;
  const auto add_degree = [&](const char* name, std::int64_t degree, std::int64_t least) {
    if (degree >= least) {
      layout += fmt::format("{}{}={}", layout.empty() ? "" : ",", name, degree);
    }
  };
  add_degree("tp", stated.tensor, 2);
  add_degree("cp", stated.context, 2);
  add_degree("pp", stated.pipeline, 2);
  add_degree("vp", stated.virtual_pipeline, 2);
  add_degree("ep", stated.expert, 2);
  add_degree("etp", stated.expert_tensor, 2);
  add_degree("dp", stated.data, 1);
  return layout;
}

}  // namespace

void add_stated(StatedJob stated, const std::string& where, ForeignJob& job) {
  const std::int64_t replica = product_of({stated.tensor, stated.context, stated.pipeline}, where);
  stated.data = data_of(stated, replica, where);
  if (stated.batch == 0) {
    stated.batch = product_of({stated.data, stated.micro_batch}, where);
  }
  const auto add = [&](const char* name, const std::string& text) {
    job.entries.push_back({name, {where + ": " + name, text}});
  };
  const auto add_number = [&](const char* name, std::int64_t number) {
    if (number > 0) {
      add(name, std::to_string(number));
    }
  };
  if (const std::string layout = layout_of(stated); !layout.empty()) {
    add("layout", layout);
  }
  add_number("devices", product_of({stated.data, replica}, where));
  add_number("micro-batch", stated.micro_batch);
  add_number("batch", stated.batch);
  add_number("seq", stated.sequence);
  const double samples =
      stated.steps > 0.0 ? stated.steps * static_cast<double>(stated.batch) : stated.samples;
  if (samples > 0.0 && stated.sequence > 0) {
    add("tokens", fmt::format("{:.0f}", samples * static_cast<double>(stated.sequence)));
  }
}

ForeignJob read_foreign_job(JobFormat format,
                            std::string_view text,
                            const std::string& where,
                            std::int64_t devices) {
  switch (format) {
    case JobFormat::megatron:
      return read_megatron_job(text, where, devices);
    case JobFormat::torchtitan:
      return read_torchtitan_job(text, where, devices);
    case JobFormat::nemo:
      return read_nemo_job(text, where);
    case JobFormat::ours:
      break;
  }
  return {};
}

}  // namespace forerun
