// Results are told apart, long lists are cut and say so, and data never becomes markup.
#include "estimator/report/report.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "estimator/report/collective_fits.hpp"
#include "estimator/report/page_data.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;
using testing::Not;

std::string results_folder() {
  return std::string(FORERUN_SOURCE_DIR) + "/tests/estimator/report/results/";
}

/// A file of this text in the test's own folder.
std::string written(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + name;
  std::ofstream(path) << text;
  return path;
}

std::string complaint_about(const std::string& path) {
  try {
    return "read as " + std::string(name_of(read_result(path).kind));
  } catch (const InputError& error) {
    return error.what();
  }
}

/// A plan of so many layouts, each a microsecond slower than the one before.
ResultFile plan_of(std::size_t count) {
  Json layouts = Json::array();
  for (std::size_t i = 0; i < count; ++i) {
    Json layout = Json::object();
    layout["layout"] = {{"tp", 1}, {"dp", 8}};
    layout["step_time_s"] = 1.0 + 1e-6 * static_cast<double>(i);
    layout["memory_peak_bytes"] = 1e9;
    layouts.push_back(std::move(layout));
  }
  Json document = Json::object();
  document["enumerated"] = count;
  document["pareto"] = Json::array();
  document["pareto"].push_back(layouts.front());
  document["layouts"] = std::move(layouts);
  return {"plan.json", ResultKind::plan, std::move(document)};
}

TEST(ReadResult, KnowsWhichVerbWroteIt) {
  EXPECT_EQ(complaint_about(results_folder() + "profile.json"), "read as profile");
  EXPECT_EQ(complaint_about(results_folder() + "rehearsal.json"), "read as rehearsal");
  EXPECT_EQ(complaint_about(written("trace.json", R"({"traceEvents": []})")), "read as trace");
}

TEST(ReadResult, NamesTheFileWithoutItsFolders) {
  EXPECT_EQ(read_result(results_folder() + "profile.json").name, "profile.json");
}

TEST(ReadResult, FilesOfOneNameAreToldApartByTheirFolders) {
  const std::vector<std::string> paths{
      "a/run/profile.json", "b/run/profile.json", "plan.json", "./plan.json", "run/step.json"};
  EXPECT_THAT(distinct_names(paths),
              testing::ElementsAre("a/run/profile.json",
                                   "b/run/profile.json",
                                   "plan.json (1)",
                                   "plan.json (2)",
                                   "step.json"));
}

TEST(ReadResult, SaysWhatIsWrongWithAFile) {
  EXPECT_THAT(complaint_about("/nowhere/a.json"), HasSubstr("/nowhere/a.json: cannot be read"));
  EXPECT_THAT(complaint_about(results_folder()), HasSubstr("cannot be read"));
  EXPECT_THAT(complaint_about(written("cut.json", "{\"runs\": [")), HasSubstr("not valid JSON"));
  EXPECT_THAT(complaint_about(written("other.json", "{\"models\": []}")),
              HasSubstr("no result that report shows"));
  EXPECT_THAT(complaint_about("/dev/zero"), HasSubstr("larger than 512 MiB"));
  EXPECT_THAT(complaint_about(written("deep.json", std::string(100'000, '['))),
              HasSubstr("deep.json:1: values lie more than 64 deep"));
  EXPECT_THAT(complaint_about(written("list.json", "[1, 2]")), HasSubstr("no result"));
  EXPECT_THAT(complaint_about(written("new.json", R"({"schema_version": 2, "runs": []})")),
              HasSubstr("has schema_version 2 (this build reads 1)"));
}

TEST(PageData, KeepsEveryNumberOfAShortList) {
  const Json data = page_data({plan_of(3)});
  const Json& layouts = data["results"][0]["document"]["layouts"];
  EXPECT_EQ(layouts["total"], 3);
  ASSERT_EQ(layouts["rows"].size(), 3);
  const auto names = layouts["columns"].get<std::vector<std::string>>();
  const auto column = std::ranges::find(names, "step_time_s") - names.begin();
  EXPECT_EQ(layouts["rows"][2][static_cast<std::size_t>(column)], 1.0 + 2e-6);
  EXPECT_TRUE(data["results"][0]["document"]["cloud"].is_null());
}

TEST(PageData, CutsALongListToItsBestAndSamplesTheRest) {
  const Json data = page_data({plan_of(100'000)});
  const Json& document = data["results"][0]["document"];
  EXPECT_EQ(document["layouts"]["total"], 100'000);
  EXPECT_EQ(document["layouts"]["rows"].size(), 3'000);
  // Every seventh.
  EXPECT_EQ(document["cloud"].size(), 14'286);
  EXPECT_EQ(document["cloud"][1][0], 1.0 + 7e-6);
}

/// A record of this many bytes over two ranks, whose bus bandwidth is its size over its time.
Json collective(double bytes, double seconds) {
  return {
      {"key",
       "all_reduce fp32 bytes=" + std::to_string(static_cast<std::int64_t>(bytes)) + " ranks=2"},
      {"median_s", seconds},
      {"busbw_bytes_per_s", bytes / seconds}};
}

TEST(PageData, KeepsLessOfEachOfManyLongLists) {
  std::vector<ResultFile> plans(6, plan_of(20'000));
  const Json data = page_data(std::move(plans));
  const auto kept = data["results"][0]["document"]["layouts"]["rows"].size();
  EXPECT_LT(kept, 3'000);
  EXPECT_GT(kept, 500);
  EXPECT_EQ(data["results"][5]["document"]["layouts"]["rows"].size(), kept);
  EXPECT_LT(data.dump().size(), 3'200'000);
}

TEST(CollectiveFits, FindsLatencyAndRateOfAGroup) {
  Json list = Json::array();
  for (const double bytes : {1e3, 1e5, 1e7, 1e9}) {
    list.push_back(collective(bytes, 10e-6 + bytes / 100e9));
  }
  const Json fits = collective_fits(list);
  ASSERT_EQ(fits.size(), 1);
  EXPECT_EQ(fits[0]["curve"], "all_reduce fp32 ranks=2");
  EXPECT_EQ(fits[0]["sizes"], 4);
  EXPECT_NEAR(fits[0]["latency_s"].get<double>(), 10e-6, 1e-9);
  EXPECT_NEAR(fits[0]["seconds_per_byte"].get<double>(), 1e-11, 1e-14);
  EXPECT_NEAR(fits[0]["error"].get<double>(), 0.0, 1e-6);
}

TEST(CollectiveFits, LeavesOutWhatHasTooFewSizes) {
  EXPECT_EQ(collective_fits({collective(1e3, 1.0), collective(1e4, 2.0)}), Json::array());
  EXPECT_EQ(collective_fits(Json::array()), Json::array());
}

TEST(Report, HoldsNamesAsDataOnly) {
  if (page_template().empty()) {
    GTEST_SKIP() << "this build has no page: " << page_missing_because();
  }
  ResultFile plan = plan_of(1);
  plan.name = "</script><script>alert(1)</script><!--";
  const std::string page = report_page({plan});
  EXPECT_THAT(page, Not(HasSubstr("alert(1)</script>")));
  EXPECT_THAT(page, HasSubstr("\\u003c/script>\\u003cscript>alert(1)"));
}

TEST(Report, ForbidsEveryLoadFromOutside) {
  if (page_template().empty()) {
    GTEST_SKIP() << "this build has no page: " << page_missing_because();
  }
  const std::string page = report_page({plan_of(1)});
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, Not(HasSubstr("script-src 'unsafe-inline'")));
  EXPECT_THAT(page, Not(testing::ContainsRegex("<(script|link|img)[^>]* (src|href)=.?https?:")));
}

TEST(Report, StaysUnderFourMegabytesWithAHundredThousandLayouts) {
  if (page_template().empty()) {
    GTEST_SKIP() << "this build has no page: " << page_missing_because();
  }
  EXPECT_LT(report_page({plan_of(100'000)}).size(), 4'000'000);
}

TEST(Report, SaysWhyThereIsNoPage) {
  if (!page_template().empty()) {
    GTEST_SKIP() << "this build has a page";
  }
  EXPECT_THROW((void)report_page({plan_of(1)}), std::runtime_error);
  EXPECT_FALSE(page_missing_because().empty());
}

}  // namespace
}  // namespace forerun
