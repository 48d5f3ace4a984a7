#include "estimator/measure/record_book.hpp"

#include <filesystem>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "estimator/measure/complaint.hpp"
#include "estimator/profile/profile_json.hpp"
#include "units/text_file.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

template <typename Record, typename Index>
void put(const Record& record, Index& index, std::vector<Record>& records) {
  const auto [found, is_new] = index.emplace(record.key, records.size());
  if (is_new) {
    records.push_back(record);
  } else {
    records[found->second] = record;
  }
}

template <typename Key, typename Index, typename Record>
const Record* record_of(const Key& key, const Index& index, const std::vector<Record>& records) {
  const auto found = index.find(key);
  return found == index.end() ? nullptr : &records[found->second];
}

}  // namespace

RecordBook::RecordBook(Communicator& world, std::string profile_path, Profile& profile)
    : world_(world), path_(std::move(profile_path)), profile_(profile) {}

// Rank 0 reads what there is for all: other nodes may see an older state of the files.
void RecordBook::open(MeasureOptions::Start start) {
  const Json machine{{"device", profile_.device.name},
                     {"cores_per_device", profile_.device.cores},
                     {"ranks", profile_.ranks},
                     {"ranks_per_node", profile_.ranks_per_node}};
  EarlierRun earlier;
  agree(world_, [&] {
    if (is_root()) {
      earlier = begin(start, machine);
    }
  });
  earlier.journal = world_.all_gather_text(earlier.journal).front();
  earlier.profile = world_.all_gather_text(earlier.profile).front();
  resume_records(earlier, path_, machine, profile_);
  // An interrupted refinement leaves two records of a key: the later one counts.
  for (const KernelRecord& record : std::exchange(profile_.kernels, {})) {
    put(record, kernels_, profile_.kernels);
  }
  for (const CollectiveRecord& record : std::exchange(profile_.collectives, {})) {
    put(record, collectives_, profile_.collectives);
  }
}

EarlierRun RecordBook::begin(MeasureOptions::Start start, const Json& machine) {
  const bool resumes = start == MeasureOptions::Start::resume;
  journal_.emplace(journal_path(), resumes ? Journal::Start::resume : Journal::Start::afresh);
  EarlierRun earlier;
  earlier.journal = journal_->earlier();
  if (resumes && std::filesystem::exists(path_)) {
    earlier.profile = text_of_file(path_, largest::profile, "a profile");
  }
  if (earlier.journal.empty()) {
    journal_->append(journal_head(machine, !earlier.profile.empty()));
  }
  return earlier;
}

const KernelRecord* RecordBook::find(const KernelKey& key) const {
  return record_of(key, kernels_, profile_.kernels);
}

const CollectiveRecord* RecordBook::find(const CollectiveKey& key) const {
  return record_of(key, collectives_, profile_.collectives);
}

void RecordBook::keep(const KernelRecord& record) {
  put(record, kernels_, profile_.kernels);
  append(to_json(record));
}

void RecordBook::keep(const CollectiveRecord& record) {
  put(record, collectives_, profile_.collectives);
  append(to_json(record));
}

void RecordBook::append(const Json& line) {
  if (is_root()) {
    journal_->append(line);
  }
}

void RecordBook::finish() {
  agree(world_, [&] {
    if (is_root()) {
      write_atomically(path_, to_json(profile_).dump(1) + "\n");
    }
  });
  if (is_root()) {
    // The lock goes last: nobody finds the journal of a finished profile.
    std::filesystem::remove(journal_path());
    journal_.reset();
  }
  world_.barrier();
}

}  // namespace forerun
