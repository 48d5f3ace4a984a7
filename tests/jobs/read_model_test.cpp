// Files that are not what they should be, and where a model is looked for.
#include "jobs/read_model.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/jobs/input_error_text.hpp"

namespace forerun {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view tiny_llama = R"({
  "model_type": "llama",
  "hidden_size": 8,
  "intermediate_size": 16,
  "num_hidden_layers": 2,
  "num_attention_heads": 4,
  "vocab_size": 100
})";

std::string replaced(std::string_view from, std::string_view to) {
  std::string text(tiny_llama);
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string error_of(const std::string& text) {
  return error_text([&] { (void)read_model_text(text, "config.json"); });
}

class ReadModelFile : public ::testing::Test {
 protected:
  ReadModelFile()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                ("read_model_" +
                 std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()))) {
    std::filesystem::create_directories(folder_);
  }

  ~ReadModelFile() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string write(const std::string& name, std::string_view text) const {
    const auto path = folder_ / name;
    std::ofstream(path) << text;
    return path.string();
  }

  std::filesystem::path folder_;
};

TEST(ReadModelText, ReadsASmallConfig) {
  const ModelShape model = read_model_text(tiny_llama, "config.json");
  EXPECT_EQ(model.name, "config.json");
  EXPECT_EQ(model.source, "config.json");
  EXPECT_EQ(model.hidden, 8);
}

TEST(ReadModelText, IgnoresFieldsItDoesNotKnow) {
  const std::string text =
      replaced("\"hidden_size\"", R"("rope_scaling": {"hidden_size": 7}, "hidden_size")");
  EXPECT_EQ(read_model_text(text, "config.json").hidden, 8);
}

TEST(ReadModelText, SaysThatAFileIsEmpty) {
  EXPECT_EQ(error_of(""), "config.json: the file is empty; expected a Hugging Face config.json");
  EXPECT_EQ(error_of(" \n\t\n"),
            "config.json: the file is empty; expected a Hugging Face config.json");
}

TEST(ReadModelText, GivesLineAndColumnOfMalformedJson) {
  // The comma after 8 is gone: the parser stumbles over the quote in column 3 of line 4, and has
  // read that word to its end in column 21.
  EXPECT_THAT(error_of(replaced("8,", "8")), StartsWith("config.json:4:21: not valid JSON: "));
}

TEST(ReadModelText, GivesTheEndOfATruncatedFile) {
  EXPECT_THAT(
      error_of("{\n  \"model_type\": \"llama\",\n"),
      AllOf(StartsWith("config.json:3:1: not valid JSON: "), HasSubstr("unexpected end of input")));
}

TEST(ReadModelText, RefusesANumberBeyondAllBounds) {
  EXPECT_THAT(error_of(replaced("\"hidden_size\": 8", "\"hidden_size\": 1e999")),
              StartsWith("config.json: not valid JSON: number overflow"));
}

TEST(ReadModelText, RefusesJsonThatIsNotAnObject) {
  EXPECT_EQ(error_of("[1, 2]"),
            "config.json: the file holds a JSON array; expected an object with the fields of a "
            "Hugging Face config.json");
}

TEST(ReadModelText, NamesAMissingField) {
  EXPECT_EQ(error_of(replaced("\"num_hidden_layers\": 2,", "")),
            "config.json: the field 'num_hidden_layers' is missing; expected a whole number from 1 "
            "to 1000000000");
}

TEST(ReadModelText, NamesAMissingModelType) {
  EXPECT_EQ(error_of("{}"),
            "config.json: the field 'model_type' is missing; expected a text in quotes");
}

TEST(ReadModelText, GivesLineAndFieldOfAWrongType) {
  EXPECT_EQ(error_of(replaced("\"hidden_size\": 8", "\"hidden_size\": \"8\"")),
            "config.json:3: hidden_size is \"8\"; expected a whole number from 1 to 1000000000");
}

TEST(ReadModelText, RefusesAFractionalSize) {
  EXPECT_EQ(
      error_of(replaced("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2.5")),
      "config.json:5: num_hidden_layers is 2.5; expected a whole number from 1 to 1000000000");
}

TEST(ReadModelText, RefusesANegativeSize) {
  EXPECT_EQ(error_of(replaced("\"vocab_size\": 100", "\"vocab_size\": -100")),
            "config.json:7: vocab_size is -100; expected a whole number from 1 to 1000000000");
}

TEST(ReadModelText, RefusesASizeOfZero) {
  EXPECT_EQ(
      error_of(replaced("\"num_attention_heads\": 4", "\"num_attention_heads\": 0")),
      "config.json:6: num_attention_heads is 0; expected a whole number from 1 to 1000000000");
}

TEST(ReadModelText, RefusesASizeBeyond64Bits) {
  EXPECT_EQ(error_of(replaced("\"hidden_size\": 8", "\"hidden_size\": 18446744073709551615")),
            "config.json:3: hidden_size is 18446744073709551615; expected a whole number from 1 to "
            "1000000000");
}

TEST(ReadModelText, RefusesNullForASizeThatMustBeThere) {
  EXPECT_EQ(error_of(replaced("\"hidden_size\": 8", "\"hidden_size\": null")),
            "config.json:3: hidden_size is null; expected a whole number from 1 to 1000000000");
}

TEST(ReadModelText, CutsALongWrongValueShort) {
  EXPECT_EQ(
      error_of(replaced("\"hidden_size\": 8", "\"hidden_size\": \"" + std::string(90, 'x') + "\"")),
      "config.json:3: hidden_size is \"" + std::string(39, 'x') +
          "...; expected a whole number from 1 to 1000000000");
}

TEST(ReadModelText, RefusesAFlagThatIsANumber) {
  EXPECT_EQ(error_of(replaced("\"vocab_size\"", "\"attention_bias\": 1, \"vocab_size\"")),
            "config.json:7: attention_bias is 1; expected true or false");
}

TEST(ReadModelText, RefusesSizesThatAreTooLargeTogether) {
  std::string text = replaced("\"hidden_size\": 8", "\"hidden_size\": 1000000000");
  text.replace(text.find("16"), 2, "1000000000");
  EXPECT_EQ(error_of(text), "config.json:2: the sizes together give more than 1e17 parameters");
}

TEST(ReadModelText, ListsTheFamiliesForAnUnknownModelType) {
  EXPECT_THAT(error_of(replaced("\"llama\"", "\"lama\"")),
              AllOf(StartsWith("config.json:2: model_type 'lama' is not known; expected bamba, "
                               "bloom, deepseek_v2, "),
                    HasSubstr(" qwen3_moe or qwen3_next; the nearest is 'llama'")));
}

TEST(ReadModel, OffersTheNearestNameOfTheCatalog) {
  EXPECT_EQ(error_text([] { (void)read_model("llama3-8b"); }),
            "--model: 'llama3-8b' is neither a model of the catalog nor a file or folder; the "
            "nearest model of the catalog is 'llama-3-8b'");
}

TEST_F(ReadModelFile, ReadsAFile) {
  const std::string path = write("tiny.json", tiny_llama);
  const ModelShape model = read_model(path);
  EXPECT_EQ(model.name, path);
  EXPECT_EQ(model.source, path);
  EXPECT_EQ(model.vocabulary, 100);
}

TEST_F(ReadModelFile, ReadsTheConfigOfAFolder) {
  const std::string path = write("config.json", tiny_llama);
  const ModelShape model = read_model(folder_.string());
  EXPECT_EQ(model.name, folder_.string());
  EXPECT_EQ(model.source, path);
}

TEST_F(ReadModelFile, RefusesAFolderWithoutConfig) {
  EXPECT_EQ(error_text([&] { (void)read_model(folder_.string()); }),
            folder_.string() + ": the folder holds no config.json");
}

TEST_F(ReadModelFile, NamesTheFileOfAFolderInErrors) {
  const std::string path =
      write("config.json", replaced("\"hidden_size\": 8", "\"hidden_size\": []"));
  EXPECT_EQ(error_text([&] { (void)read_model(folder_.string()); }),
            path + ":3: hidden_size is []; expected a whole number from 1 to 1000000000");
}

TEST_F(ReadModelFile, RefusesWeightsInsteadOfAConfig) {
  const std::string path = write("model.safetensors", "x");
  std::filesystem::resize_file(path, (std::uintmax_t{16} << 20) + 1);
  EXPECT_EQ(
      error_text([&] { (void)read_model(path); }),
      path + ": the file is larger than 16 MiB, the most that is read; expected a config.json");
}

}  // namespace
}  // namespace forerun
