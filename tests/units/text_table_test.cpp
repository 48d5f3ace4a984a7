// Tables keep every cell, whatever room there is.
#include "units/text_table.hpp"

#include <sstream>

#include <gtest/gtest.h>

#include "units/text_width.hpp"

namespace forerun {
namespace {

std::string printed(const TextTable& table, std::optional<std::size_t> columns) {
  std::ostringstream out;
  set_line_limit(out, columns);
  table.print(out);
  return out.str();
}

TextTable sources() {
  TextTable table({{"source", Align::left}, {"rows"}, {"error\n%"}});
  table.add({"a cluster of the year 2021", "104", "9.6"});
  table.add({"another", "7", "-127.1"});
  return table;
}

TEST(TextTable, PutsNumbersToTheRight) {
  EXPECT_EQ(printed(sources(), std::nullopt),
            "source                      rows   error\n"
            "                                       %\n"
            "a cluster of the year 2021   104     9.6\n"
            "another                        7  -127.1\n");
}

TEST(TextTable, MovesColumnsTogetherBeforeItBreaksThem) {
  EXPECT_EQ(printed(sources(), 39),
            "source                     rows  error\n"
            "                                     %\n"
            "a cluster of the year 2021  104    9.6\n"
            "another                       7 -127.1\n");
}

TEST(TextTable, DoesNotWrapAWordThatIsTooLong) {
  TextTable table({{"", Align::left}, {"p5"}, {"p50"}});
  table.add({"learning_years_per_day", "4.42K", "12.2K"});
  EXPECT_EQ(printed(table, 32), "     p5    p50\nlearning_years_per_day\n  4.42K  12.2K\n");
}

TEST(TextTable, WrapsWordsWhereTheyDoNotFit) {
  EXPECT_EQ(printed(sources(), 36),
            "source                  rows   error\n"
            "                                   %\n"
            "a cluster of the year    104     9.6\n"
            "2021\n"
            "another                    7  -127.1\n");
}

TEST(TextTable, GivesWordsALineOfTheirOwnWhereTooLittleIsLeft) {
  EXPECT_EQ(printed(sources(), 30),
            "source\n"
            "  rows   error\n"
            "             %\n"
            "a cluster of the year 2021\n"
            "   104     9.6\n"
            "another\n"
            "     7  -127.1\n");
}

TEST(TextTable, ContinuesBelowWhereColumnsDoNotFit) {
  TextTable table({{"rank"}, {"0"}, {"1"}, {"2"}});
  table.add({"0", ".", "118M", "119M"});
  table.add({"1", "24us", ".", "120M"});
  EXPECT_EQ(printed(table, 16),
            "rank     0     1\n"
            "   0     .  118M\n"
            "   1  24us     .\n"
            "\n"
            "rank     2\n"
            "   0  119M\n"
            "   1  120M\n");
}

TEST(TextTable, WrapsItsLastColumnToo) {
  TextTable table({{""}, {"", Align::left}}, 2);
  table.add({"2.84 s", "reduce_scatter fp32 bytes=497903616 ranks=2"});
  EXPECT_EQ(printed(table, 36),
            "  2.84 s  reduce_scatter fp32\n"
            "          bytes=497903616 ranks=2\n");
}

TEST(TextTable, HasNoTitleLineWithoutTitles) {
  TextTable table({{""}, {""}});
  table.add({"1", "2"});
  EXPECT_EQ(printed(table, std::nullopt), "1  2\n");
}

}  // namespace
}  // namespace forerun
