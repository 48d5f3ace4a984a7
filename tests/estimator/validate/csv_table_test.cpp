// CSV as RFC 4180 has it, and errors that say where.
#include "estimator/validate/csv_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/estimator/validate/written_file.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

TEST(CsvTable, ReadsQuotesBlanksAndBothLineEndings) {
  const WrittenFile file("t.csv", "id,note,x\r\na,\"one, \"\"two\"\"\nthree\",1.5\nb,,\n");
  const CsvTable table = CsvTable::read(file.path());
  ASSERT_EQ(table.rows(), 2U);
  EXPECT_EQ(table.text(0, "note"), "one, \"two\"\nthree");
  EXPECT_EQ(table.needed_number(0, "x"), 1.5);
  EXPECT_EQ(table.number(1, "x"), std::nullopt);
  EXPECT_TRUE(table.place(1).ends_with("t.csv:4"));  // the quoted line break counts
  EXPECT_TRUE(table.has("note"));
  EXPECT_FALSE(table.has("notes"));
}

void expect_complaint(const std::string& text, const char* complaint, auto use) {
  const WrittenFile file("t.csv", text);
  try {
    use(CsvTable::read(file.path()));
    ADD_FAILURE() << "read: " << text;
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(complaint));
  }
}

TEST(CsvTable, SaysWhereItIsWrong) {
  const auto nothing = [](const CsvTable&) {};
  expect_complaint("a,b\n1,2\n1\n", "t.csv:3: has 1 fields (expected 2", nothing);
  expect_complaint("a,b\n\"1,2\n", "t.csv:2: a quote is opened and not closed", nothing);
  const auto number = [](const CsvTable& table) { (void)table.needed_number(0, "b"); };
  expect_complaint("a,b\n1,x\n", "t.csv:2: column 'b': 'x' (expected a number)", number);
  expect_complaint("a,b\n1,nan\n", "column 'b': 'nan'", number);
  expect_complaint("a,b\n1,\n", "column 'b': '' (expected a number)", number);
  expect_complaint("time,byte\n1,1\n", "has no column 'b' (nearest is 'byte')", number);
  const auto count = [](const CsvTable& table) { (void)table.needed_count(0, "b"); };
  expect_complaint("a,b\n1,1.5\n", "expected a whole number", count);
  expect_complaint("a,b\n1,1e300\n", "expected a whole number", count);
}

TEST(CsvTable, RefusesWhatIsNotThere) {
  EXPECT_THROW((void)CsvTable::read("/nonexistent.csv"), InputError);
  EXPECT_THROW((void)CsvTable::read("/"), InputError);
}

}  // namespace
}  // namespace forerun
