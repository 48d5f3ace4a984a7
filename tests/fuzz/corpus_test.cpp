// The texts that the fuzz targets start from, and those that once broke a reader.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "tests/fuzz/readers.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class Corpus : public testing::TestWithParam<Reader> {};

// Whole, and cut in the middle: nothing but a refusal comes of it, and what holds does.
TEST_P(Corpus, IsReadOrRefused) {
  const Reader reader = GetParam();
  std::size_t texts = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(FORERUN_SOURCE_DIR) / "tests" / "fuzz" /
                                                  "corpus" / reader.name)) {
    SCOPED_TRACE(entry.path().filename());
    const std::string text = text_of(entry.path());
    reader.take(text);
    reader.take(text.substr(0, text.size() / 2));
    ++texts;
  }
  EXPECT_GE(texts, 2U);
}

// A byte changed, a piece cut out, doubled, or put in from elsewhere in the text.
std::string mutated(std::string text, std::mt19937_64& random) {
  const auto below = [&](std::size_t end) { return end == 0 ? 0 : random() % end; };
  for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
    const std::size_t at = below(text.size());
    const std::size_t length = below(std::min<std::size_t>(text.size() - at, 64));
    constexpr std::string_view telling = "0123456789-+.eE\"'{}[]=,:;|\n \\#";
    switch (below(4)) {
      case 0:
        text.insert(at, 1, telling[below(telling.size())]);
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(below(text.size()), text.substr(at, length));
        break;
      default:
        text[at] = static_cast<char>(random());
    }
    if (text.empty()) {
      text = "0";
    }
  }
  return text;
}

// Without clang's libFuzzer the same laws meet less clever texts, the same ones in every run.
TEST_P(Corpus, MutatedIsReadOrRefused) {
  constexpr int mutations = 200;
  const Reader reader = GetParam();
  std::mt19937_64 random(1);
  for (const auto& entry : fs::directory_iterator(fs::path(FORERUN_SOURCE_DIR) / "tests" / "fuzz" /
                                                  "corpus" / reader.name)) {
    const std::string text = text_of(entry.path());
    for (int i = 0; !text.empty() && i < mutations; ++i) {
      reader.take(mutated(text, random));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Readers, Corpus, testing::ValuesIn(readers()), [](const auto& reader) {
  return std::string(reader.param.name);
});

}  // namespace
}  // namespace forerun
