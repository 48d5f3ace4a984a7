// The journal of a running measurement: one JSON object a line, on disk before the next key starts.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "estimator/profile/profile.hpp"

namespace forerun {

/// Appends records; each is flushed to the disk. Throws std::runtime_error naming the file when a
/// write fails (a full disk): what was appended before stays.
class Journal {
 public:
  enum class Start { afresh, resume };

  /// Takes the journal for this run alone, until it is destroyed: throws std::runtime_error where
  /// another run writes it. `afresh` empties it; `resume` keeps its whole lines and drops one that
  /// was cut off.
  Journal(std::string path, Start start);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  Journal(Journal&&) = delete;
  Journal& operator=(Journal&&) = delete;
  ~Journal();

  /// The lines that were found; empty for a new journal, which begins with a head: what the records
  /// belong to.
  [[nodiscard]] const std::string& earlier() const { return earlier_; }

  void append(const nlohmann::ordered_json& record);

 private:
  std::string path_;
  std::string earlier_;
  int file_ = -1;
};

/// What an interrupted or finished measurement left on disk.
struct EarlierRun {
  std::string journal;  ///< its text; empty: none
  std::string profile;  ///< text of the finished profile; empty: none
};

/// Whether a journal of this text goes on from the finished profile beside it, which then holds the
/// records before its own.
[[nodiscard]] bool continues_profile(std::string_view journal);

/// The head of a new journal; `continues` as above.
[[nodiscard]] nlohmann::ordered_json journal_head(const nlohmann::ordered_json& machine,
                                                  bool continues);

/// Adds the records of an earlier run on `machine` ({"device": ..., "ranks": ...}): those of the
/// finished profile where there is no journal, or one that continues it; then those of the journal.
/// A line that was cut off is dropped. `profile_path` names both in messages. Throws InputError
/// when they belong to another device, rank count or binding.
void resume_records(const EarlierRun& earlier,
                    const std::string& profile_path,
                    const nlohmann::ordered_json& machine,
                    Profile& profile);

/// Writes the whole text beside `path`, flushes it to the disk and renames it over `path`; a device
/// or a pipe is written to and stays what it is. Throws std::runtime_error; `path` is then as it
/// was.
void write_atomically(const std::string& path, const std::string& text);

}  // namespace forerun
