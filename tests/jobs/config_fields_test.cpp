// Nested fields, lists and numbers of a config.json.
#include "jobs/config_fields.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/jobs/input_error_text.hpp"

namespace forerun {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ConfigFields& fields() {
  static const ConfigFields read(R"({
  "text_config": {
    "hidden_size": 8,
    "layers": null
  },
  "hidden_size": 9,
  "types": ["a", "b"],
  "numbers": [3, 1],
  "mixed": ["a", 1],
  "none": [],
  "part": 0.25,
  "whole": 2,
  "negative": -0.5,
  "absent": null
})",
                                 "config.json");
  return read;
}

TEST(ConfigFields, OfAnInnerObjectStandApart) {
  EXPECT_EQ(fields().size("hidden_size"), 9);
  EXPECT_EQ(fields().inside("text_config").size("hidden_size"), 8);
}

TEST(ConfigFields, OfAnInnerObjectAreNamedWithItsName) {
  const ConfigFields inner = fields().inside("text_config");
  EXPECT_EQ(error_text([&] { (void)inner.size("vocab_size"); }),
            "config.json: the field 'text_config.vocab_size' is missing; expected a whole number "
            "from 1 to 1000000000");
  EXPECT_EQ(error_text([&] { (void)inner.size("layers"); }),
            "config.json:4: text_config.layers is null; expected a whole number from 1 to "
            "1000000000");
}

TEST(ConfigFields, OfAnObjectThatIsNotThereAreNone) {
  EXPECT_FALSE(fields().inside("vision_config").has("hidden_size"));
  EXPECT_EQ(error_text([] { (void)fields().inside("part"); }),
            "config.json:11: part is 0.25; expected an object");
}

TEST(ConfigFields, ReadLists) {
  EXPECT_THAT(fields().words("types"), ElementsAre("a", "b"));
  EXPECT_THAT(fields().whole_numbers("numbers"), ElementsAre(3, 1));
  EXPECT_THAT(fields().words("none"), IsEmpty());
  EXPECT_THAT(fields().words("absent"), IsEmpty());
  EXPECT_THAT(fields().words("nowhere"), IsEmpty());
  EXPECT_EQ(error_text([] { (void)fields().whole_numbers("mixed"); }),
            "config.json:9: mixed is [\"a\",1]; expected a list of whole numbers");
}

TEST(ConfigFields, ReadNumbers) {
  EXPECT_EQ(fields().nullable_number("part", 1.0), 0.25);
  EXPECT_EQ(fields().nullable_number("whole", 1.0), 2.0);
  EXPECT_EQ(fields().nullable_number("nowhere", 1.0), 1.0);
  EXPECT_EQ(fields().nullable_number("absent", 1.0), std::nullopt);
  EXPECT_EQ(error_text([] { (void)fields().nullable_number("negative", 1.0); }),
            "config.json:13: negative is -0.5; expected a number above 0");
}

}  // namespace
}  // namespace forerun
