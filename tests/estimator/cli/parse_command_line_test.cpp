// What the parser accepts, and the sentence with which it refuses.
#include "estimator/cli/parse_command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/estimator/cli/parse.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> estimate_with(std::vector<std::string> more) {
  std::vector<std::string> words{"estimate", "--model", "gpt2", "--cluster", "c.toml"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(CommandLine, ReadsTheEstimateOfA405BModel) {
  const Options options = options_of({"estimate",
                                      "--model",
                                      "llama-3.1-405b",
                                      "--cluster",
                                      "dgx-h100",
                                      "--devices",
                                      "16384",
                                      "--layout",
                                      "tp=8,pp=16,vp=8,dp=128",
                                      "--batch",
                                      "2K",
                                      "--micro-batch",
                                      "1",
                                      "--seq",
                                      "8192",
                                      "--tokens",
                                      "15.6T"});
  EXPECT_EQ(options.verb, Verb::estimate);
  EXPECT_THAT(options.models, ElementsAre("llama-3.1-405b"));
  EXPECT_EQ(options.cluster, "dgx-h100");
  EXPECT_EQ(options.devices, 16384);
  EXPECT_EQ(options.layout, "tp=8,pp=16,vp=8,dp=128");
  EXPECT_EQ(options.batch, 2000);  // K is decimal
  EXPECT_EQ(options.micro_batch, 1);
  EXPECT_EQ(options.sequence, 8192);
  EXPECT_DOUBLE_EQ(options.tokens.value(), 15.6e12);
}

TEST(CommandLine, TakesTheFormatFromTheFilesName) {
  EXPECT_EQ(options_of(estimate_with({"--out", "step.json"})).format, Format::json);
  EXPECT_EQ(options_of(estimate_with({"--out", "step.csv"})).format, Format::csv);
  EXPECT_EQ(options_of(estimate_with({"--out", "step.txt"})).format, Format::table);
  EXPECT_EQ(options_of(estimate_with({"--out", "step.json", "--format", "table"})).format,
            Format::table);
  // Its --out is a profile; --format is for what it prints.
  EXPECT_EQ(options_of({"measure", "--model", "gpt2", "--out", "profile.json"}).format,
            Format::table);
}

TEST(CommandLine, ReadsEveryChoiceOfTheRecipe) {
  const Options options = options_of(estimate_with({"--precision=fp16",
                                                    "--recompute=full",
                                                    "--schedule=gpipe",
                                                    "--sp=off",
                                                    "--zero=0",
                                                    "--overlap=off",
                                                    "--format=csv"}));
  EXPECT_EQ(options.precision, Precision::fp16);
  EXPECT_EQ(options.recompute->kind, Recompute::full);
  EXPECT_EQ(options.schedule, Schedule::gpipe);
  EXPECT_EQ(options.sequence_parallel, SequenceParallel::off);
  EXPECT_EQ(options.zero, ZeroStage::none);
  EXPECT_EQ(options.overlap, Overlap::off);
  EXPECT_EQ(options.format, Format::csv);
}

TEST(CommandLine, ReadsWhatIsOffloadedAsOneOrForPlanAsASet) {
  const Offload both{false, true, true};
  EXPECT_FALSE(options_of(estimate_with({})).offload);
  EXPECT_EQ(options_of(estimate_with({"--offload=optimizer,weights"})).offload, both);
  const auto set = [](const char* text) {
    return options_of({"plan",
                       "--model",
                       "gpt2",
                       "--cluster",
                       "dgx-a100",
                       "--devices",
                       "8",
                       "--batch",
                       "8",
                       "--offload",
                       text})
        .offload_set;
  };
  EXPECT_THAT(set("none|optimizer,weights|none"), ElementsAre(Offload{}, both));
  EXPECT_EQ(set("any"), every_offload());
}

TEST(CommandLine, ReadsWhatMeasureTakes) {
  const Options options = options_of({"measure",
                                      "--model",
                                      "gpt2",
                                      "--model",
                                      "other.json",
                                      "--layout",
                                      "tp=2;pp=2;dp=2",
                                      "--time-budget",
                                      "2min",
                                      "--resume",
                                      "--device",
                                      "host",
                                      "--out",
                                      "profile.json"});
  EXPECT_THAT(options.models, ElementsAre("gpt2", "other.json"));
  EXPECT_EQ(options.layout, "tp=2;pp=2;dp=2");
  EXPECT_DOUBLE_EQ(options.time_budget.value().in(unit::second), 120.0);
  EXPECT_TRUE(options.resume);
  EXPECT_EQ(options.device, DeviceKind::host);
  EXPECT_EQ(options.out, "profile.json");
}

TEST(CommandLine, ReadsWhatForecastTakes) {
  const Options options = options_of({"forecast",
                                      "--year",
                                      "2030.5",
                                      "--scenario",
                                      "reference",
                                      "--samples",
                                      "1M",
                                      "--seed",
                                      "18446744073709551615"});
  EXPECT_DOUBLE_EQ(options.year.value(), 2030.5);
  EXPECT_EQ(options.scenario, "reference");
  EXPECT_EQ(options.samples, 1'000'000);
  EXPECT_EQ(options.seed, 18446744073709551615U);
}

TEST(CommandLine, ReadsDaysAsATime) {
  const Options options =
      options_of({"forecast", "--cluster", "p.json", "--devices", "2", "--days", "30"});
  EXPECT_DOUBLE_EQ(options.training_time.value().in(unit::hour), 720.0);
}

TEST(CommandLine, ReadsTheRunInStepsFromADayAndAtAPrice) {
  const Options options = options_of(estimate_with({"--steps",
                                                    "100K",
                                                    "--start",
                                                    "2027-01-31",
                                                    "--price",
                                                    "2.5",
                                                    "--spares",
                                                    "0",
                                                    "--pauses",
                                                    "0%"}));
  EXPECT_EQ(options.run.steps, 100'000.0);
  EXPECT_EQ(options.run.start, std::chrono::sys_days(std::chrono::year(2027) / 1 / 31));
  EXPECT_EQ(options.price, 2.5 * unit::dollar);
  EXPECT_EQ(options.run.spare_nodes, 0);
  EXPECT_EQ(options.run.pauses, 0.0);
  EXPECT_THAT(complaint_about(estimate_with({"--steps", "5", "--tokens", "1T"})),
              HasSubstr("--steps: contradicts --tokens"));
  for (const char* day : {"2027-02-30", "31.1.2027", "2027-1-31", "soon"}) {
    EXPECT_THAT(complaint_about(estimate_with({"--start", day})), HasSubstr("is not a date"))
        << day;
  }
}

TEST(CommandLine, LeavesAbsentWhatTheUserDidNotSay) {
  const Options options = options_of(estimate_with({}));
  EXPECT_FALSE(options.devices.has_value());
  EXPECT_FALSE(options.batch.has_value());
  EXPECT_FALSE(options.precision.has_value());
  EXPECT_FALSE(options.schedule.has_value());
  EXPECT_FALSE(options.strict);
  EXPECT_EQ(options.verbosity, Verbosity::normal);
}

TEST(CommandLine, NamesTheNearestOptionForAMisspeltOne) {
  EXPECT_EQ(complaint_about(estimate_with({"--precison", "bf16"})),
            "--precison: unknown option of 'estimate' (did you mean --precision?)");
}

TEST(CommandLine, NamesTheNearestOptionThoughAnotherVerbTakesIt) {
  EXPECT_EQ(complaint_about({"report", "profile.json", "--sceed", "7"}),
            "--sceed: unknown option of 'report' (did you mean --seed, of 'measure', 'rehearse' or "
            "'forecast', or --help?)");
}

TEST(CommandLine, DoesNotGuessAbbreviations) {
  EXPECT_EQ(complaint_about(estimate_with({"--prec", "bf16"})),
            "--prec: unknown option of 'estimate' (did you mean --precision?)");
}

TEST(CommandLine, SaysWhichVerbTakesAnOptionThatThisOneDoesNot) {
  EXPECT_EQ(complaint_about(estimate_with({"--time-budget", "60s"})),
            "--time-budget: not an option of 'estimate' (it belongs to 'measure' or 'rehearse')");
}

TEST(CommandLine, SaysWhatAWholeNumberLooksLike) {
  EXPECT_EQ(complaint_about(estimate_with({"--batch", "2k"})),
            "--batch: '2k' is not a whole number of at least 1 (expected one like 2048 or 2K)");
}

TEST(CommandLine, RefusesZeroAndNegativeCounts) {
  EXPECT_THAT(complaint_about(estimate_with({"--batch", "0"})), HasSubstr("'0' is not a whole"));
  EXPECT_THAT(complaint_about(estimate_with({"--batch", "-3"})), HasSubstr("'-3' is not a whole"));
}

TEST(CommandLine, RefusesATimeWithoutItsUnit) {
  EXPECT_EQ(complaint_about({"measure", "--model", "gpt2", "--time-budget", "60"}),
            "--time-budget: '60' is not a time above 0 (expected one like 60s, 10min or 2h)");
}

TEST(CommandLine, TrainsInNoFormatOfWeightsAlone) {
  EXPECT_EQ(complaint_about(estimate_with({"--precision", "int8"})),
            "--precision: 'int8' is not one of its values (expected bf16, fp16, fp32, fp8, mxfp8 "
            "or nvfp4; nearest is fp8)");
}

TEST(CommandLine, ListsTheWordsThatAnOptionTakes) {
  EXPECT_EQ(complaint_about(estimate_with({"--schedule", "1f1"})),
            "--schedule: '1f1' is not one of its values (expected gpipe, 1f1b, "
            "interleaved, breadth-first, zb-h1, zb-h2, zb-v, dualpipe or dualpipe-v; nearest is "
            "1f1b)");
}

TEST(CommandLine, RefusesAnOptionGivenTwice) {
  EXPECT_EQ(complaint_about(estimate_with({"--batch", "1", "--batch", "2"})),
            "--batch: given more than once (expected one)");
}

TEST(CommandLine, RefusesAMissingValue) {
  EXPECT_EQ(complaint_about(estimate_with({"--batch"})),
            "--batch: its value is missing (expected N)");
}

TEST(CommandLine, DoesNotTakeTheNextOptionForAValue) {
  EXPECT_EQ(complaint_about(estimate_with({"--batch", "--seq", "8"})),
            "--batch: its value is missing (expected N)");
}

TEST(CommandLine, RefusesAValueForAFlag) {
  EXPECT_EQ(complaint_about(estimate_with({"--strict=yes"})), "--strict: takes no value");
}

TEST(CommandLine, RefusesAnEmptyValue) {
  EXPECT_EQ(complaint_about(estimate_with({"--out", ""})), "--out: the value is empty");
}

TEST(CommandLine, RefusesStrayArguments) {
  EXPECT_EQ(complaint_about(estimate_with({"gpt2"})),
            "'gpt2': unexpected argument of 'estimate' (expected options like --model gpt2)");
}

TEST(CommandLine, RefusesQuietWithVerbose) {
  EXPECT_EQ(complaint_about(estimate_with({"--quiet", "--verbose"})),
            "--quiet: contradicts --verbose (expected one of them)");
}

TEST(CommandLine, TakesSeveralProfilesAfterMerge) {
  const Options options = options_of({"import", "--merge", "a.json", "b.json", "--out", "c.json"});
  EXPECT_EQ(options.merged_profiles, (std::vector<std::string>{"a.json", "b.json"}));
  EXPECT_EQ(options.out, "c.json");
  EXPECT_EQ(options_of({"import", "--merge", "a", "--merge", "b"}).merged_profiles,
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(complaint_about({"import", "a.json"}),
            "'a.json': unexpected argument of 'import' (expected options like --model gpt2)");
}

TEST(CommandLine, NamesTheNearestVerb) {
  EXPECT_EQ(
      complaint_about({"estimat"}),
      "'estimat': unknown verb (expected measure, rehearse, estimate, plan, capacity, forecast, "
      "validate, report, show or "
      "import; nearest is estimate)");
}

TEST(CommandLine, TakesTheResultsOfAReportWithoutAnOption) {
  EXPECT_EQ(complaint_about({"report", "a.json", "--out", "r.html", "b.json"}), "accepted");
  EXPECT_THAT(complaint_about({"report", "--out", "r.html"}), HasSubstr("no result is named"));
  EXPECT_THAT(complaint_about({"report", "a.json", "--format", "csv"}),
              HasSubstr("not an option of 'report'"));
}

TEST(CommandLine, WantsAVerb) {
  EXPECT_THAT(complaint_about({}), HasSubstr("no verb"));
}

TEST(CommandLine, WantsTheVerbFirst) {
  EXPECT_THAT(complaint_about({"--model", "gpt2", "estimate"}), HasSubstr("the verb comes first"));
}

TEST(CommandLine, SuggestsWhatAWrongBeginningMeant) {
  EXPECT_THAT(complaint_about({"--verison"}), HasSubstr("did you mean --version?"));
  EXPECT_THAT(complaint_about({"-v"}), HasSubstr("did you mean --version?"));
  EXPECT_THAT(complaint_about({"-help"}), HasSubstr("did you mean --help?"));
  EXPECT_THAT(complaint_about({"--modle", "gpt2"}), HasSubstr("as in forerun estimate --model)"));
}

// The last two letters of each changed places: what a hurried hand writes.
TEST(CommandLine, SuggestsTheOptionThatWasMeantForEveryVerb) {
  for (const Verb verb : all_verbs()) {
    for (const OptionRow& row : option_table()) {
      if (!takes(row, verb) || row.name.size() < 4) {
        continue;
      }
      std::string flag = "--" + row.name;
      std::swap(flag[flag.size() - 1], flag[flag.size() - 2]);
      if (flag == "--" + row.name) {
        continue;
      }
      EXPECT_THAT(complaint_about({std::string(name_of(verb)), flag, "1"}),
                  HasSubstr("(did you mean --" + row.name + "?)"));
    }
  }
}

TEST(CommandLine, KnowsAnOptionWithOneDash) {
  EXPECT_THAT(complaint_about({"estimate", "-model", "gpt2"}),
              HasSubstr("-model: unknown option of 'estimate' (did you mean --model?)"));
  EXPECT_THAT(complaint_about({"report", "-out", "page.html"}), HasSubstr("did you mean --out?"));
}

TEST(CommandLine, WantsAModelToEstimate) {
  EXPECT_EQ(complaint_about({"estimate", "--cluster", "dgx-h100"}),
            "estimate: --model is missing (expected one like gpt2)");
}

TEST(CommandLine, WantsAClusterToEstimate) {
  EXPECT_THAT(complaint_about({"estimate", "--model", "gpt2"}), HasSubstr("--cluster is missing"));
}

TEST(CommandLine, WantsOneModelToEstimate) {
  EXPECT_THAT(complaint_about(estimate_with({"--model", "b"})), HasSubstr("more than once"));
}

TEST(CommandLine, WantsSomethingToForecastFrom) {
  EXPECT_THAT(complaint_about({"forecast"}), HasSubstr("nothing to forecast from"));
  EXPECT_THAT(complaint_about({"forecast", "--cluster", "p.json"}), HasSubstr("go together"));
}

TEST(CommandLine, ShowsWithoutBeingToldWhat) {
  EXPECT_EQ(options_of({"show"}).verb, Verb::show);
}

TEST(ParseCommandLine, TakesTheTopologyOfAProfile) {
  const Options options = options_of({"show", "topology", "p.json", "--format", "json"});
  EXPECT_EQ(options.topology_of, "p.json");
  EXPECT_EQ(options.format, Format::json);
  EXPECT_THROW((void)options_of({"show", "topology"}), InputError);
  EXPECT_THROW((void)options_of({"show", "topology", "--format", "json"}), InputError);
  EXPECT_THROW((void)options_of({"show", "topologie", "p.json"}), InputError);
}

TEST(ParseCommandLine, TakesTwoProfilesToCompare) {
  const Options options =
      options_of({"show", "--compare", "a.json", "b.json", "--tolerance", "2%"});
  EXPECT_EQ(options.compared, (std::vector<std::string>{"a.json", "b.json"}));
  EXPECT_DOUBLE_EQ(options.tolerance, 0.02);
  EXPECT_DOUBLE_EQ(options_of({"show", "--tolerance", "0.1"}).tolerance, 0.1);
  EXPECT_THROW((void)options_of({"show", "--compare", "a.json"}), InputError);
  EXPECT_THROW((void)options_of({"show", "--compare", "a.json", "--quiet"}), InputError);
  EXPECT_THROW((void)options_of({"show", "--tolerance", "-5%"}), InputError);
}

}  // namespace
}  // namespace forerun
