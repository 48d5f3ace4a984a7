// What a running measurement says of itself: to people in lines or a bar, to programs in JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "estimator/profile/profile.hpp"

namespace forerun {

/// `every`: a line a key, with what remains; `sparse`: a line a phase and one every ten seconds,
/// for the log of a batch job; `bar`: one line that is written over, for a terminal.
enum class ProgressStyle { every, sparse, bar };

struct ProgressSinks {
  std::ostream& text;
  std::ostream* json = nullptr;  ///< one object a line; schema in jobs/README.md
  ProgressStyle style = ProgressStyle::sparse;
};

/// Times the phases of a measurement and tells them. A silent one (of a rank other than 0) times
/// only.
class Progress {
 public:
  enum class Voice { speaks, silent };

  Progress(const ProgressSinks& sinks, Seconds budget, Voice voice);

  /// The phase before ends. `keys`: how many it measures, 0 where it is not known.
  void begin(std::string name, std::int64_t keys);
  void measured(const nlohmann::ordered_json& record, const std::string& key, const Timing& timing);
  void skipped(const std::string& key, const std::string& reason);

  /// A key that an earlier run measured, or that is told elsewhere.
  void passed() {
    ++done_;
    ++passed_;
  }

  void note(const std::string& sentence);
  /// Ends the last phase and writes the summary: time per phase, keys by reason for which they were
  /// left out.
  void finish(const std::vector<std::string>& skipped);

  [[nodiscard]] Seconds elapsed() const;

  /// In order, without the present one; a phase that came twice stands twice.
  [[nodiscard]] const std::vector<std::pair<std::string, Seconds>>& phases() const {
    return phases_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void end_phase();
  void tell(const std::string& line);
  void log(const nlohmann::ordered_json& event) const;
  [[nodiscard]] std::string rest_text() const;
  [[nodiscard]] std::string rate_text() const;
  [[nodiscard]] double expected_rest_s() const;

  ProgressSinks sinks_;
  Seconds budget_;
  bool speaks_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point phase_start_ = start_;
  Clock::time_point told_ = start_;
  std::string phase_;
  std::int64_t done_ = 0;
  std::int64_t passed_ = 0;  ///< of those done, without time of this run
  std::int64_t total_ = 0;
  bool has_bar_ = false;
  std::vector<std::pair<std::string, Seconds>> phases_;
};

}  // namespace forerun
