// The CSV form of result documents.
#include "estimator/cli/csv.hpp"

#include <gtest/gtest.h>

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

TEST(Csv, FlattensObjectsAndPlainArrays) {
  const Json document = Json::parse(
      R"({"mfu": 0.41, "feasible": true, "run": {"days": 54, "cost_usd": null},
          "error_band_s": [1.5, 2.5]})");
  EXPECT_EQ(csv_text(document),
            "key,value\n"
            "mfu,0.41\n"
            "feasible,true\n"
            "run.days,54\n"
            "run.cost_usd,\n"
            "error_band_s.0,1.5\n"
            "error_band_s.1,2.5\n");
}

TEST(Csv, MakesATableOfAnArrayOfObjects) {
  const Json document = Json::parse(
      R"({"mape": 0.1, "runs": [{"layout": "tp=2", "parts": {"gemm_s": 1}},
                                {"layout": "tp=2,pp=2", "note": "a"}]})");
  EXPECT_EQ(csv_text(document),
            "key,value\n"
            "mape,0.1\n"
            "\n"
            "runs,layout,parts.gemm_s,note\n"
            "0,tp=2,1,\n"
            "1,\"tp=2,pp=2\",,a\n");
}

TEST(Csv, MakesATableOfItsOwnOfAnArrayWithinARow) {
  const Json document = Json::parse(R"({"rows": [{"id": 7, "parts": [{"s": 1}, {"s": 2}]}]})");
  EXPECT_EQ(csv_text(document),
            "key,value\n"
            "\n"
            "rows,id\n"
            "0,7\n"
            "\n"
            "rows.0.parts,s\n"
            "0,1\n"
            "1,2\n");
}

TEST(Csv, QuotesWhatWouldBreakALine) {
  const Json document = {{"note", "say \"no\"\nor yes"}};
  EXPECT_EQ(csv_text(document), "key,value\nnote,\"say \"\"no\"\"\nor yes\"\n");
}

TEST(Csv, KeepsAllDigits) {
  EXPECT_EQ(csv_text(Json{{"x", 0.1234567890123456}}), "key,value\nx,0.1234567890123456\n");
}

TEST(Csv, LeavesEmptyContainersEmpty) {
  EXPECT_EQ(csv_text(Json::parse(R"({"skipped": [], "notes": {}})")),
            "key,value\nskipped,\nnotes,\n");
}

}  // namespace
}  // namespace forerun
