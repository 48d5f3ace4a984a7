// Limits on the texts of strangers.
#include "units/text_file.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/input_error.hpp"

namespace forerun {
namespace {

template <typename Call>
std::string refusal_of(Call call) {
  try {
    (void)call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "taken";
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

std::string json_refusal(const std::string& text) {
  return refusal_of([&] {
    check_json_shape(text, "x.json");
    return 0;
  });
}

std::string toml_refusal(const std::string& text) {
  return refusal_of([&] {
    check_toml_keys(text, "x.toml");
    return 0;
  });
}

TEST(TextOfFile, EndsAtItsLimitWhateverTheFileIs) {
  EXPECT_THAT(refusal_of([] { return text_of_file("/dev/zero", largest::mebibyte, "a table"); }),
              testing::StrEq("/dev/zero: the file is larger than 1 MiB, the most that is read; "
                             "expected a table"));
}

TEST(TextOfFile, IsRefusedForAFolderAndForNothing) {
  EXPECT_EQ(refusal_of([] { return text_of_file("/tmp", largest::config, "a TOML file"); }),
            "/tmp: cannot be read (expected a TOML file)");
  EXPECT_EQ(refusal_of([] { return text_of_file("/nowhere/x", largest::config, "a TOML file"); }),
            "/nowhere/x: cannot be read (expected a TOML file)");
}

TEST(JsonShape, IsAtMostSixtyFourDeep) {
  EXPECT_EQ(json_refusal(repeated("[", 64) + repeated("]", 64)), "taken");
  EXPECT_EQ(json_refusal("\n" + repeated("[", 65)),
            "x.json:2: values lie more than 64 deep in one another");
  EXPECT_EQ(json_refusal("[\"" + repeated("[", 65) + "\"]"), "taken");  // inside a string
  EXPECT_EQ(json_refusal(repeated("[],", 1000)), "taken");
}

TEST(JsonShape, HasAtMostTenThousandFieldsInAnObject) {
  EXPECT_EQ(json_refusal("{" + repeated("\"a\":1,", 10'000) + "}"), "taken");
  EXPECT_EQ(json_refusal("{" + repeated("\"a\":1,", 10'001) + "}"),
            "x.json:1: an object has more than 10000 fields");
  EXPECT_EQ(json_refusal("[" + repeated("{\"a\":1},", 10'001) + "]"), "taken");
}

TEST(JsonShape, HasNamesOfAtMost256Bytes) {
  EXPECT_THAT(json_refusal("{\"" + repeated("a", 300) + "\": 1}"),
              testing::HasSubstr("more than 256 bytes"));
  EXPECT_EQ(json_refusal("{\"a\": \"" + repeated("a", 300) + "\"}"), "taken");
}

TEST(TomlKeys, HaveAtMostSixtyFourParts) {
  EXPECT_EQ(toml_refusal("a" + repeated(".a", 63) + " = 1"), "taken");
  EXPECT_EQ(toml_refusal("x = 1\n[a" + repeated(".a", 64) + "]"),
            "x.toml:2: a key has more than 64 parts");
  EXPECT_EQ(toml_refusal("# " + repeated(".", 100)), "taken");
  EXPECT_EQ(toml_refusal("x = [" + repeated("1.5, ", 100) + "]"), "taken");
}

}  // namespace
}  // namespace forerun
