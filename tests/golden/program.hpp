// Runs the program as a user would: arguments in, exit status and both streams out.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace forerun {

struct Outcome {
  int status = -1;
  std::string out;
  std::string log;
};

/// `arguments` as in a shell; run in `folder`. `ranks` 0: without mpirun.
[[nodiscard]] Outcome run_program(const std::string& arguments,
                                  const std::filesystem::path& folder,
                                  int ranks = 0);

/// A folder of its own for a test, removed with it.
class TestFolder {
 public:
  TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  TestFolder(TestFolder&&) = delete;
  TestFolder& operator=(TestFolder&&) = delete;
  ~TestFolder();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  void write(const std::string& name, const std::string& text) const;
  [[nodiscard]] std::string read(const std::string& name) const;

 private:
  std::filesystem::path path_;
};

/// Whether the program runs under sanitizers: they take the address space and the first place among
/// libraries for themselves, and several times as long.
#ifdef FORERUN_SANITIZED
inline constexpr bool is_sanitized = true;
#else
inline constexpr bool is_sanitized = false;
#endif

/// A config.json that is small enough to train on a CPU in milliseconds.
extern const char* const tiny_llama;

}  // namespace forerun
