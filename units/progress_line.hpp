// One line on a terminal that is written over while long work goes on.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>
#include <string_view>

namespace forerun {

/// Whether standard error is a terminal on which a line can be written over.
[[nodiscard]] bool standard_error_takes_progress();

/// "|=====     | plan 38 %, 152K layouts/s, 12 s left", once the work has taken a second; taken
/// away in the end.
class ProgressLine {
 public:
  using Clock = std::chrono::steady_clock;

  /// Silent where `out` is null. `name` is of the work, `things` of what is counted.
  ProgressLine(std::ostream* out, std::string name, std::string things);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ProgressLine(ProgressLine&&) = delete;
  ProgressLine& operator=(ProgressLine&&) = delete;
  ~ProgressLine();

  /// `share` of the work is done (of 1), and `count` things with it.
  void show(double share, double count) { show(share, count, Clock::now()); }

  void show(double share, double count, Clock::time_point now);

  [[nodiscard]] Clock::time_point start() const { return start_; }

 private:
  std::ostream* out_;
  std::string name_;
  std::string things_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
  bool has_line_ = false;
};

}  // namespace forerun
