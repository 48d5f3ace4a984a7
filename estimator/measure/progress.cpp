#include "estimator/measure/progress.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <ostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "units/quantity_text.hpp"
#include "units/text_width.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

constexpr double seconds_between_sparse_lines = 10.0;
constexpr std::int64_t bar_width = 30;

double seconds_between(std::chrono::steady_clock::time_point from,
                       std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

Progress::Progress(const ProgressSinks& sinks, Seconds budget, Voice voice)
    : sinks_(sinks), budget_(budget), speaks_(voice == Voice::speaks) {}

Seconds Progress::elapsed() const {
  return seconds_between(start_, Clock::now()) * unit::second;
}

void Progress::begin(std::string name, std::int64_t keys) {
  end_phase();
  phase_ = std::move(name);
  done_ = 0;
  passed_ = 0;
  total_ = keys;
  log({{"event", "phase"}, {"phase", phase_}, {"keys", keys}});
  const std::string line = keys > 0 ? fmt::format("{}: {} keys", phase_, keys) : phase_;
  if (speaks_ && sinks_.style != ProgressStyle::bar) {
    sinks_.text << fmt::format("measure  {}\n", line) << std::flush;
    told_ = Clock::now();
  } else {
    tell(line);
  }
}

void Progress::end_phase() {
  if (phase_.empty()) {
    return;  // what came before the first phase is its
  }
  const auto now = Clock::now();
  phases_.emplace_back(phase_, seconds_between(phase_start_, now) * unit::second);
  phase_start_ = now;
}

void Progress::measured(const Json& record, const std::string& key, const Timing& timing) {
  ++done_;
  Json event{{"event", "measured"}, {"phase", phase_}, {"done", done_}, {"keys", total_}};
  event["expected_rest_s"] = std::isfinite(expected_rest_s()) ? Json(expected_rest_s()) : nullptr;
  event["record"] = record;
  log(event);
  tell(fmt::format("{:3d}/{}  {:>9} +-{:4.1f} % n={:<3d}  {}",
                   done_,
                   total_,
                   text_of(timing.median),
                   50.0 * ((timing.high - timing.low) / timing.median),
                   timing.samples,
                   key));
}

void Progress::skipped(const std::string& key, const std::string& reason) {
  ++done_;
  log({{"event", "skipped"}, {"phase", phase_}, {"key", key}, {"reason", reason}});
  tell(fmt::format("{:3d}/{}  skipped: {}: {}", done_, total_, key, reason));
}

void Progress::note(const std::string& sentence) {
  log({{"event", "warning"}, {"phase", phase_}, {"text", sentence}});
  if (speaks_) {
    sinks_.text << (has_bar_ ? "\r\033[K" : "") << "warning: " << sentence << "\n" << std::flush;
  }
}

// What is left of the phase at its pace so far, and no more than the budget has.
double Progress::expected_rest_s() const {
  const double left = std::max(0.0, (budget_ - elapsed()).in(unit::second));
  if (done_ == passed_ || total_ < done_) {
    return left;
  }
  const double pace =
      seconds_between(phase_start_, Clock::now()) / static_cast<double>(done_ - passed_);
  return std::min(left, pace * static_cast<double>(total_ - done_));
}

// ", 34 keys/min" of this phase; nothing before its first key.
std::string Progress::rate_text() const {
  constexpr double seconds_per_minute = 60.0;
  const double elapsed = seconds_between(phase_start_, Clock::now());
  if (done_ == passed_ || elapsed <= 0.0) {
    return {};
  }
  const double rate = static_cast<double>(done_ - passed_) / elapsed;
  return rate >= 1.0 ? fmt::format(", {} keys/s", count_text(rate))
                     : fmt::format(", {} keys/min", count_text(seconds_per_minute * rate));
}

std::string Progress::rest_text() const {
  const double rest = expected_rest_s();
  const std::string budget = std::isfinite(budget_.in(unit::second))
                                 ? fmt::format(" of {:.0f} s at most", budget_.in(unit::second))
                                 : std::string();
  const std::string phase =
      std::isfinite(rest) ? fmt::format(", {} ends in {:.0f} s", phase_, rest) : std::string();
  return fmt::format("[{:.0f} s{}{}{}]", elapsed().in(unit::second), budget, rate_text(), phase);
}

void Progress::tell(const std::string& line) {
  if (!speaks_) {
    return;
  }
  if (sinks_.style == ProgressStyle::bar) {
    const std::int64_t filled = total_ > 0 ? std::min(bar_width, bar_width * done_ / total_) : 0;
    const std::string whole = fmt::format("|{:{}}| {}{} {}",
                                          std::string(static_cast<std::size_t>(filled), '='),
                                          bar_width,
                                          phase_,
                                          total_ > 0 ? fmt::format(" {}/{}", done_, total_) : "",
                                          rest_text());
    // A line that wraps is not written over.
    const std::size_t columns = columns_of_standard_error().value_or(whole.size());
    sinks_.text << "\r\033[K" << cut_to(whole, columns) << std::flush;
    has_bar_ = true;
    return;
  }
  if (sinks_.style == ProgressStyle::sparse &&
      seconds_between(told_, Clock::now()) < seconds_between_sparse_lines) {
    return;
  }
  told_ = Clock::now();
  sinks_.text << fmt::format("measure {}  {}\n", line, rest_text()) << std::flush;
}

void Progress::log(const Json& event) const {
  if (!speaks_ || sinks_.json == nullptr) {
    return;
  }
  Json whole{{"elapsed_s", elapsed().in(unit::second)}};
  whole.update(event);
  *sinks_.json << whole.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
}

void Progress::finish(const std::vector<std::string>& skipped) {
  end_phase();
  phase_.clear();
  // "KEY: REASON"; a reason may hold colons, a key does not.
  std::map<std::string, std::int64_t> reasons;
  for (const std::string& text : skipped) {
    const std::size_t colon = text.find(": ");
    ++reasons[colon == std::string::npos ? text : text.substr(colon + 2)];
  }
  Json phases = Json::object();
  std::string line;
  for (const auto& [name, time] : phases_) {
    phases[name] = phases.value(name, 0.0) + time.in(unit::second);
    line += fmt::format("{}{} {:.1f} s", line.empty() ? "" : ", ", name, time.in(unit::second));
  }
  log({{"event", "end"}, {"phases_s", phases}, {"skipped", reasons}});
  if (!speaks_) {
    return;
  }
  sinks_.text << (has_bar_ ? "\r\033[K" : "")
              << fmt::format("measured in {:.1f} s: {}\n", elapsed().in(unit::second), line);
  for (const auto& [reason, count] : reasons) {
    sinks_.text << fmt::format("skipped {} keys: {}\n", count, reason);
  }
  sinks_.text << std::flush;
}

}  // namespace forerun
