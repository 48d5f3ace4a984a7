// The journal of a running measurement: one JSON object a line, on disk before the next key starts.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "estimator/profile/profile.hpp"

namespace forerun {

/// Appends records; each is flushed to the disk. Throws std::runtime_error naming the file when a
/// write fails (a full disk): what was appended before stays.
class Journal {
 public:
  /// `head` is the first line of a new journal: what the records belong to.
  Journal(std::string path, const nlohmann::ordered_json& head);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  Journal(Journal&&) = delete;
  Journal& operator=(Journal&&) = delete;
  ~Journal();

  void append(const nlohmann::ordered_json& record);

 private:
  std::string path_;
  int file_ = -1;
};

/// Records of an earlier run whose head equals `head`: from the journal, else from the finished
/// profile at `profile_path`. A last line that was cut off is dropped. Throws InputError when the
/// files belong to another device, rank count or binding.
void resume_records(const std::string& profile_path,
                    const std::string& journal_path,
                    const nlohmann::ordered_json& head,
                    Profile& profile);

/// Writes the whole text beside `path` and renames it over it. Throws std::runtime_error; `path` is
/// then as it was.
void write_atomically(const std::string& path, const std::string& text);

}  // namespace forerun
