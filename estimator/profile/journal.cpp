#include "estimator/profile/journal.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "estimator/profile/profile_json.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void fail(const std::string& path, const char* doing) {
  throw std::runtime_error(path + ": cannot " + doing + ": " + std::strerror(errno));
}

void write_all(int file, const std::string& text, const std::string& path) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(file, text.data() + done, text.size() - done);
    if (count < 0 && errno != EINTR) {
      fail(path, "write");
    }
    done += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  if (::fsync(file) != 0 && errno != EINVAL) {
    fail(path, "flush to disk");
  }
}

// A journal that a kill cut off ends in half a line; appending must not join it.
void drop_torn_line(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!text.empty() && text.back() != '\n') {
    const std::size_t end = text.rfind('\n');
    std::filesystem::resize_file(path, end == std::string::npos ? 0 : end + 1);
  }
}

void check_head(const Json& found, const Json& wanted, const std::string& path) {
  for (const auto& [key, value] : wanted.items()) {
    if (found.value(key, Json()) != value) {
      std::string problem = path;
      problem.append(" was measured with ").append(key).append(" ");
      problem.append(found.value(key, Json()).dump()).append(", this run has ");
      problem.append(value.dump()).append(" (choose another --out)");
      throw InputError("--resume", problem);
    }
  }
}

}  // namespace

Journal::Journal(std::string path, const Json& head) : path_(std::move(path)) {
  if (std::filesystem::is_regular_file(path_)) {
    drop_torn_line(path_);
  }
  const bool is_empty =
      !std::filesystem::is_regular_file(path_) || std::filesystem::file_size(path_) == 0;
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file_ < 0) {
    fail(path_, "open for writing");
  }
  if (is_empty) {
    append(head);
  }
}

Journal::~Journal() {
  if (file_ >= 0) {
    ::close(file_);
  }
}

void Journal::append(const Json& record) {
  write_all(file_, record.dump() + "\n", path_);
}

void resume_records(const std::string& profile_path,
                    const std::string& journal_path,
                    const Json& head,
                    Profile& profile) {
  std::ifstream journal;
  if (std::filesystem::is_regular_file(journal_path)) {
    journal.open(journal_path);
  }
  std::string line;
  bool is_head = true;
  while (journal.is_open() && std::getline(journal, line)) {
    const Json record = Json::parse(line, nullptr, false);
    if (record.is_discarded()) {
      continue;  // The line that was being written when the run was killed.
    }
    if (is_head) {
      check_head(record, head, journal_path);
      is_head = false;
    } else {
      add_record(record, profile);
    }
  }
  if (is_head && std::filesystem::exists(profile_path)) {
    const Profile earlier = read_profile(profile_path);
    check_head({{"device", earlier.device.name},
                {"cores_per_device", earlier.device.cores},
                {"ranks", earlier.ranks},
                {"ranks_per_node", earlier.ranks_per_node}},
               head,
               profile_path);
    profile.jobs = earlier.jobs;
    profile.kernels = earlier.kernels;
    profile.collectives = earlier.collectives;
  }
}

void write_atomically(const std::string& path, const std::string& text) {
  const std::string partial = path + ".partial";
  const int file = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) {
    fail(partial, "open for writing");
  }
  try {
    write_all(file, text, partial);
  } catch (...) {
    ::close(file);
    ::unlink(partial.c_str());
    throw;
  }
  ::close(file);
  if (std::rename(partial.c_str(), path.c_str()) != 0) {
    fail(path, "rename the finished file");
  }
}

}  // namespace forerun
