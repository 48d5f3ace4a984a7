// What a measurement has found so far, in the profile and on disk.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "comm/communicator.hpp"
#include "estimator/measure/measure.hpp"
#include "estimator/profile/journal.hpp"

namespace forerun {

/// The records of a profile by their keys, each in the journal of rank 0 before the next is begun.
/// All refer to `profile`, which must outlive the book. Collective over `world`: open and finish.
class RecordBook {
 public:
  RecordBook(Communicator& world, std::string profile_path, Profile& profile);

  /// Begins the journal, and with `resume` adds what an earlier run left. Throws as `agree` does.
  void open(MeasureOptions::Start start);

  [[nodiscard]] const KernelRecord* find(const KernelKey& key) const;
  [[nodiscard]] const CollectiveRecord* find(const CollectiveKey& key) const;

  /// A later record of a key takes the place of an earlier one.
  void keep(const KernelRecord& record);
  void keep(const CollectiveRecord& record);

  /// A line of the journal that is no record of a key.
  void append(const nlohmann::ordered_json& line);

  /// Writes the profile and removes the journal.
  void finish();

 private:
  [[nodiscard]] bool is_root() const { return world_.rank() == 0; }

  [[nodiscard]] std::string journal_path() const { return path_ + ".journal"; }

  EarlierRun begin(MeasureOptions::Start start, const nlohmann::ordered_json& machine);

  Communicator& world_;
  std::string path_;
  Profile& profile_;
  std::optional<Journal> journal_;
  std::map<KernelKey, std::size_t> kernels_;  ///< where its record stands in the profile
  std::map<CollectiveKey, std::size_t> collectives_;
};

}  // namespace forerun
