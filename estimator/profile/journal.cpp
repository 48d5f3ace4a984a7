#include "estimator/profile/journal.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "estimator/profile/profile_json.hpp"
#include "units/input_error.hpp"
#include "units/text_file.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* continues_key = "continues_profile";

// Less the umask.
constexpr mode_t for_everybody = 0666;

[[noreturn]] void fail(const std::string& path, const char* doing) {
  throw std::runtime_error(path + ": cannot " + doing + ": " + std::strerror(errno));
}

// Closes when it goes.
class OpenFile {
 public:
  OpenFile(const std::string& path, int flags)
      : file_(::open(path.c_str(), flags | O_CREAT | O_CLOEXEC, for_everybody)) {
    if (file_ < 0) {
      fail(path, "open for writing");
    }
  }

  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  OpenFile(OpenFile&&) = delete;
  OpenFile& operator=(OpenFile&&) = delete;

  ~OpenFile() {
    if (file_ >= 0) {
      ::close(file_);
    }
  }

  [[nodiscard]] int get() const { return file_; }

  [[nodiscard]] int release() { return std::exchange(file_, -1); }

 private:
  int file_;
};

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

// A file system without locks (ENOLCK, EOPNOTSUPP) gives none, and the run goes on.
bool is_taken(int file, int waiting) {
  while (::flock(file, LOCK_EX | waiting) != 0) {
    if (errno != EINTR) {
      return errno == EWOULDBLOCK;
    }
  }
  return false;
}

// Whether the name still means the file that was opened: another run may have renamed or removed it
// before this one had the lock.
bool is_still(int file, const std::string& path) {
  struct stat opened {};

  struct stat named {};

  return ::fstat(file, &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
         opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

// The whole lines of a regular file; what follows the last line break was cut off by a kill, and
// appending must not join it.
std::string keep_whole_lines(int file, const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) {
    return {};
  }
  std::string text = text_of_file(path, largest::journal, "the journal of a measurement");
  const std::size_t whole = text.rfind('\n') + 1;  // npos + 1 is 0
  if (whole < text.size()) {
    text.resize(whole);
    if (::ftruncate(file, static_cast<off_t>(whole)) != 0) {
      fail(path, "cut off an unfinished line");
    }
  }
  return text;
}

void check_machine(const Json& found, const Json& wanted, const std::string& path) {
  for (const auto& [key, value] : wanted.items()) {
    const Json other = found.is_object() ? found.value(key, Json()) : Json();
    if (other != value) {
      std::string problem = path;
      problem.append(" was measured with ").append(key).append(" ");
      problem.append(other.dump(-1, ' ', false, Json::error_handler_t::replace));
      problem.append(", this run has ").append(value.dump()).append(" (choose another --out)");
      throw InputError("--resume", problem);
    }
  }
}

Json parsed_line(std::string_view line, const std::string& path) {
  check_json_shape(line, path);
  return Json::parse(line, nullptr, false);
}

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

void add_journal(std::string_view text,
                 const std::string& path,
                 const Json& machine,
                 Profile& profile) {
  check_machine(parsed_line(take_line(text), path), machine, path);
  while (!text.empty()) {
    const Json record = parsed_line(take_line(text), path);
    if (record.is_discarded()) {
      continue;  // Cut off by a kill.
    }
    try {
      add_record(record, profile);
    } catch (const Json::exception& error) {
      throw InputError("--resume",
                       path + " holds a line that is no record of a measurement: " + error.what());
    }
  }
}

void flush_folder(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const int file =
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file >= 0) {
    ::fsync(file);  // Not every file system can.
    ::close(file);
  }
}

// A device or a pipe, also where a link like /dev/stdout leads to whatever that is: a file renamed
// over it would take its place.
bool is_no_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_other(path, ignored) ||
         std::filesystem::read_symlink(path, ignored).string().starts_with("/proc/");
}

}  // namespace

Journal::Journal(std::string path, Start start) : path_(std::move(path)) {
  while (true) {
    OpenFile file(path_, O_RDWR | O_APPEND);
    if (is_taken(file.get(), LOCK_NB)) {
      throw std::runtime_error(path_ +
                               ": another run of forerun is writing it (wait for its end, or "
                               "choose another --out)");
    }
    if (!is_still(file.get(), path_)) {
      continue;  // That run has just ended.
    }
    if (start == Start::resume) {
      earlier_ = keep_whole_lines(file.get(), path_);
    } else if (::ftruncate(file.get(), 0) != 0 && errno != EINVAL) {
      fail(path_, "empty");
    }
    file_ = file.release();
    return;
  }
}

Journal::~Journal() {
  ::close(file_);
}

void Journal::append(const Json& record) {
  write_all(file_, record.dump() + "\n", path_);
}

bool continues_profile(std::string_view journal) {
  const Json head = parsed_line(take_line(journal), "journal");
  return head.is_object() && head.value(continues_key, Json()) == true;
}

Json journal_head(const Json& machine, bool continues) {
  Json head = machine;
  if (continues) {
    head[continues_key] = true;
  }
  return head;
}

void resume_records(const EarlierRun& earlier,
                    const std::string& profile_path,
                    const Json& machine,
                    Profile& profile) {
  if (!earlier.profile.empty() && (earlier.journal.empty() || continues_profile(earlier.journal))) {
    const Profile finished = read_profile_text(earlier.profile, profile_path);
    check_machine({{"device", finished.device.name},
                   {"cores_per_device", finished.device.cores},
                   {"ranks", finished.ranks},
                   {"ranks_per_node", finished.ranks_per_node}},
                  machine,
                  profile_path);
    profile.jobs = finished.jobs;
    profile.kernels = finished.kernels;
    profile.collectives = finished.collectives;
    profile.overlap = finished.overlap;
    profile.topology = finished.topology;
    profile.layer_factor = finished.layer_factor;
    profile.noise = finished.noise;
  }
  if (!earlier.journal.empty()) {
    add_journal(earlier.journal, profile_path + ".journal", machine, profile);
  }
}

void write_atomically(const std::string& path, const std::string& text) {
  if (is_no_file(path)) {
    write_all(OpenFile(path, O_WRONLY).get(), text, path);
    return;
  }
  const std::string partial = path + ".partial";
  while (true) {
    // Two runs with one --out come one after the other.
    const OpenFile file(partial, O_WRONLY | O_NOFOLLOW);
    static_cast<void>(is_taken(file.get(), 0));
    if (!is_still(file.get(), partial)) {
      continue;
    }
    try {
      if (::ftruncate(file.get(), 0) != 0 && errno != EINVAL) {  // a pipe has no length
        fail(partial, "empty");
      }
      write_all(file.get(), text, partial);
    } catch (...) {
      ::unlink(partial.c_str());
      throw;
    }
    if (std::rename(partial.c_str(), path.c_str()) != 0) {
      const int reason = errno;
      ::unlink(partial.c_str());
      errno = reason;
      fail(path, "rename the finished file");
    }
    flush_folder(path);
    return;
  }
}

}  // namespace forerun
