// The spellings of what is offloaded.
#include "jobs/offload.hpp"

#include <set>

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(Offload, IsSpelledAsItIsRead) {
  const auto all = every_offload();
  EXPECT_EQ(all.size(), 8U);
  EXPECT_EQ(text_of(all.front()), "none");
  std::set<std::string> texts;
  for (const Offload& offload : all) {
    EXPECT_EQ(offload_from(text_of(offload)), offload);
    texts.insert(text_of(offload));
  }
  EXPECT_EQ(texts.size(), 8U);
  EXPECT_EQ(text_of({true, false, true}), "activations,weights");
}

TEST(Offload, RefusesOtherTexts) {
  for (const char* text : {"", "all", "activations+weights", "weights,", "none,weights", ","}) {
    EXPECT_FALSE(offload_from(text)) << text;
  }
}

}  // namespace
}  // namespace forerun
