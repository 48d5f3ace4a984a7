// Lines are broken where words end, keep their words, and stand under what they continue.
#include "units/text_width.hpp"

#include <cstdlib>
#include <sstream>

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(ColumnsIn, CountsSignsAndNotBytes) {
  EXPECT_EQ(columns_in("plain"), 5U);
  EXPECT_EQ(columns_in("██▌µ"), 4U);
}

TEST(CutTo, MarksWhatIsMissing) {
  EXPECT_EQ(cut_to("seven letters", 5), "seve~");
  EXPECT_EQ(cut_to("seven", 5), "seven");
  EXPECT_EQ(cut_to("µµµµ", 3), "µµ~");
}

TEST(BrokenTo, LeavesAShortLineAsItIs) {
  EXPECT_EQ(broken_to("a  b   c", 8), "a  b   c");
}

TEST(BrokenTo, BreaksAtTheLastSpaceThatFits) {
  EXPECT_EQ(broken_to("note: one two three", 13), "note: one two\n    three");
  EXPECT_EQ(broken_to("note: one two three", 12), "note: one\n    two\n    three");
}

TEST(BrokenTo, GoesOnUnderTheSecondColumn) {
  EXPECT_EQ(broken_to("run    one two three", 16), "run    one two\n       three");
}

TEST(BrokenTo, GoesOnBesideTheIndent) {
  EXPECT_EQ(broken_to("  memory of one stage", 14), "  memory of\n      one\n      stage");
}

TEST(BrokenTo, KeepsALongWordWhole) {
  EXPECT_EQ(broken_to("see /a/path/of/many/parts now", 10),
            "see\n    /a/path/of/many/parts\n    now");
}

TEST(Wrapped, IndentsAllLinesButTheFirst) {
  EXPECT_EQ(wrapped("one two three", 2, 9), "one two\n  three");
}

TEST(FittedStream, BreaksLinesAndKeepsWhatIsVerbatim) {
  std::ostringstream sink;
  {
    FittedStream out(sink, 12);
    out << "one two three four\n";
    {
      const Verbatim copied(out);
      out << "torchrun --nnodes 2 \\\n";
    }
    out << "five six seven eight";
  }
  EXPECT_EQ(sink.str(),
            "one two\n    three\n    four\ntorchrun --nnodes 2 \\\nfive six\n    seven\n    eight");
}

TEST(FittedStream, PassesOnWholeLinesWithoutALimit) {
  std::ostringstream sink;
  FittedStream(sink, std::nullopt) << "one two three four five six seven eight nine ten\n";
  EXPECT_EQ(sink.str(), "one two three four five six seven eight nine ten\n");
}

TEST(Columns, AreThoseThatTheEnvironmentStates) {
  ::setenv("COLUMNS", "123", 1);
  EXPECT_EQ(columns_of_standard_output(), 123U);
  ::setenv("COLUMNS", "7", 1);
  EXPECT_EQ(columns_of_standard_output(), 40U);  // less cannot be read
  ::unsetenv("COLUMNS");
}

}  // namespace
}  // namespace forerun
