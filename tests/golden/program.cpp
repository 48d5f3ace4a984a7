#include "tests/golden/program.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace forerun {

namespace fs = std::filesystem;

const char* const tiny_llama =
    R"({"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
"num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 1000, "max_position_embeddings": 64})";

namespace {

std::string text_of_file(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

Outcome run_program(const std::string& arguments, const fs::path& folder, int ranks) {
  const std::string launcher = ranks > 0 ? "mpirun -np " + std::to_string(ranks) + " " : "";
  const std::string command = "cd '" + folder.string() + "' && " + launcher + FORERUN_BIN_DIR +
                              "/forerun " + arguments + " > out.txt 2> log.txt";
  const int raw = std::system(command.c_str());
  return {WIFEXITED(raw) ? WEXITSTATUS(raw) : -1,
          text_of_file(folder / "out.txt"),
          text_of_file(folder / "log.txt")};
}

TestFolder::TestFolder() {
  const auto* const test = testing::UnitTest::GetInstance()->current_test_info();
  std::string name =
      "forerun_" + std::to_string(::getpid()) + "_" + test->test_suite_name() + "_" + test->name();
  std::ranges::replace(name, '/', '_');  // of a parameterised test
  path_ = fs::temp_directory_path() / name;
  fs::create_directories(path_);
}

TestFolder::~TestFolder() {
  fs::remove_all(path_);
}

void TestFolder::write(const std::string& name, const std::string& text) const {
  std::ofstream(path_ / name) << text;
}

std::string TestFolder::read(const std::string& name) const {
  return text_of_file(path_ / name);
}

}  // namespace forerun
