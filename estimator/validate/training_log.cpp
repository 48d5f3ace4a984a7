#include "estimator/validate/training_log.hpp"

#include <algorithm>
#include <charconv>

#include "units/input_error.hpp"
#include "units/text_file.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// "\x1b[31m": what terminals turn into colours.
std::string without_colours(std::string_view line) {
  std::string plain;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b' && i + 1 < line.size() && line[i + 1] == '[') {
      i = std::min(line.find('m', i), line.size());
    } else if (line[i] != '\r') {
      plain += line[i];
    }
  }
  return plain;
}

// Beyond it is no number that a training run prints; NaN and infinities are none either.
constexpr double largest_number = 1e15;

// The number behind `label`, blanks and thousands' commas left out.
std::optional<double> number_after(std::string_view line, std::string_view label) {
  const std::size_t at = line.find(label);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view rest = line.substr(at + label.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" ("), rest.size()));
  std::string digits;
  for (const char c : rest.substr(0, 40)) {
    if (c != ',') {
      digits += c;
    }
  }
  double number = 0.0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool is_sane = error == std::errc() && number >= 0.0 && number <= largest_number;
  return is_sane ? std::optional(number) : std::nullopt;
}

void keep_most(std::optional<Bytes>& most, std::optional<double> amount, Bytes unit) {
  if (amount && (!most || *amount * unit > *most)) {
    most = *amount * unit;
  }
}

std::int64_t as_whole(double number) {
  return static_cast<std::int64_t>(number);
}

bool add_megatron(std::string_view line, TrainingLog& log) {
  const auto time = number_after(line, "elapsed time per iteration (ms):");
  const auto number = number_after(line, "iteration ");
  if (!number || !time || *time == 0.0) {
    return false;
  }
  LogIteration one;
  one.number = as_whole(*number);
  one.time = *time * unit::millisecond;
  one.tflops = number_after(line, "throughput per GPU (TFLOP/s/GPU):");
  if (const auto batch = number_after(line, "global batch size:")) {
    one.batch = as_whole(*batch);
  }
  log.iterations.push_back(one);
  return true;
}

bool add_torchtitan(std::string_view line, TrainingLog& log) {
  const auto rate = number_after(line, " tps:");
  const auto number = number_after(line, "step:");
  if (!number || !rate || *rate == 0.0 || line.find("validate step:") != std::string_view::npos) {
    return false;
  }
  LogIteration one;
  one.number = as_whole(*number);
  one.tokens_per_second = rate;
  one.tflops = number_after(line, "tflops:");
  log.format = LogFormat::torchtitan;
  log.iterations.push_back(one);
  keep_most(log.most_reserved, number_after(line, "memory:"), 1.0 * unit::gibibyte);
  return true;
}

// "    forward-backward ......: (6513.45, 6513.93)": the last number is that of the slowest rank.
void add_timer(std::string_view line,
               std::map<std::string, std::pair<double, std::int64_t>>& sums) {
  const std::size_t dots = line.find(" ..");
  const std::size_t colon = line.find("..: ");
  if (!line.starts_with("    ") || dots == std::string_view::npos ||
      colon == std::string_view::npos) {
    return;
  }
  const std::size_t comma = line.rfind(',');
  const auto time = comma == std::string_view::npos ? number_after(line, "..: ")
                                                    : number_after(line.substr(comma), ", ");
  if (time) {
    auto& [sum, count] = sums[std::string(line.substr(4, dots - 4))];
    sum += *time;
    ++count;
  }
}

void add_memory(std::string_view line, TrainingLog& log) {
  if (line.find("memory (MB)") != std::string_view::npos) {
    keep_most(log.most_allocated, number_after(line, "max allocated:"), 1.0 * unit::mebibyte);
    keep_most(log.most_reserved, number_after(line, "max reserved:"), 1.0 * unit::mebibyte);
  }
}

}  // namespace

std::string_view name_of(LogFormat format) {
  return format == LogFormat::megatron ? "megatron" : "torchtitan";
}

TrainingLog read_training_log_text(std::string_view text, const std::string& where) {
  TrainingLog log;
  std::map<std::string, std::pair<double, std::int64_t>> sums;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line = without_colours(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!add_megatron(line, log) && !add_torchtitan(line, log)) {
      add_memory(line, log);
      add_timer(line, sums);
    }
  }
  if (log.iterations.empty()) {
    throw InputError(where,
                     "holds no iteration of Megatron-LM or torchtitan (expected lines with "
                     "'elapsed time per iteration (ms):', or with 'step:' and 'tps:')");
  }
  for (const auto& [name, sum] : sums) {
    log.timers[name] = sum.first / static_cast<double>(sum.second) * unit::millisecond;
  }
  return log;
}

TrainingLog read_training_log(const std::string& path) {
  return read_training_log_text(
      text_of_file(path, largest::training_log, "the log of a training run"), path);
}

}  // namespace forerun
