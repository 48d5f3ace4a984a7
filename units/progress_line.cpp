#include "units/progress_line.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ostream>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "units/quantity_text.hpp"
#include "units/text_width.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr int bar_width = 24;
constexpr double seconds_before = 1.0;
constexpr double seconds_between = 0.2;
constexpr double least_share = 0.01;  // less tells nothing of the rest

}  // namespace

bool standard_error_takes_progress() {
  const char* const terminal = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): no thread yet
  return ::isatty(STDERR_FILENO) != 0 && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

ProgressLine::ProgressLine(std::ostream* out, std::string name, std::string things)
    : out_(out), name_(std::move(name)), things_(std::move(things)) {}

ProgressLine::~ProgressLine() {
  if (has_line_) {
    *out_ << "\r\033[K" << std::flush;
  }
}

void ProgressLine::show(double share, double count, Clock::time_point now) {
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double since = std::chrono::duration<double>(now - shown_).count();
  if (out_ == nullptr || elapsed < seconds_before || since < seconds_between ||
      share < least_share) {
    return;
  }
  shown_ = now;
  has_line_ = true;
  const double done = std::clamp(share, 0.0, 1.0);
  const auto filled = static_cast<std::size_t>(std::floor(done * bar_width));
  const std::string line = fmt::format("|{:{}}| {} {:.0f} %, {} {}/s, {} left",
                                       std::string(filled, '='),
                                       bar_width,
                                       name_,
                                       100.0 * done,
                                       count_text(count / elapsed),
                                       things_,
                                       text_of(elapsed * (1.0 - done) / done * unit::second));
  // A line that wraps is not written over.
  *out_ << "\r\033[K" << cut_to(line, columns_of_standard_error().value_or(line.size()))
        << std::flush;
}

}  // namespace forerun
