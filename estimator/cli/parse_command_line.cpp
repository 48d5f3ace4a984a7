// Boost.Program_options splits argv; the option table checks and stores.
#include "estimator/cli/parse_command_line.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "estimator/cli/foreign_job.hpp"
#include "estimator/cli/help.hpp"
#include "estimator/cli/job_file.hpp"
#include "estimator/cli/manual.hpp"
#include "estimator/cli/option_table.hpp"
#include "estimator/cli/unknown_option.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"
#include "units/text_file.hpp"
#include "units/text_width.hpp"

namespace forerun {
namespace {

namespace po = boost::program_options;

using Words = std::vector<std::string>;

/// "-model": with a dash too few.
bool is_like_an_option(std::string_view word) {
  return word.size() > 1 && word.starts_with('-');
}

struct GivenOption {
  std::string name;  ///< without dashes
  std::string text;
};

bool asks_for_help(const Words& words) {
  return std::ranges::any_of(
      words, [](const std::string& word) { return word == "--help" || word == "-h"; });
}

Verb verb_from(const std::string& word) {
  const Words names = verb_names();
  if (word.starts_with('-')) {
    throw wrong_beginning(word);
  }
  const auto found = std::ranges::find(names, word);
  if (found == names.end()) {
    throw InputError(
        fmt::format("'{}'", word),
        fmt::format(
            "unknown verb (expected {}; nearest is {})", listed(names), nearest(word, names)));
  }
  return all_verbs()[static_cast<std::size_t>(found - names.begin())];
}

InputError value_missing(const std::string& flag, const std::vector<OptionRow>& table) {
  const auto row = std::ranges::find_if(
      table, [&](const OptionRow& candidate) { return "--" + candidate.name == flag; });
  return {flag,
          fmt::format("its value is missing (expected {})",
                      row == table.end() ? "FILE" : row->placeholder)};
}

/// Boost takes a known option for the value of the one before it: that value was forgotten.
GivenOption given_option(const po::option& option, const std::vector<OptionRow>& table) {
  const std::string text = option.value.empty() ? "true" : option.value.front();
  const bool stands_apart = option.original_tokens.size() > 1;
  if (stands_apart && text.starts_with("--")) {
    throw value_missing("--" + option.string_key, table);
  }
  return {option.string_key, text};
}

/// A word that stands alone is a value of the option before it, if that takes several, or else of
/// the verb's option for such words, if it has one.
void take_lone_word(std::vector<GivenOption>& given,
                    Verb verb,
                    const std::vector<OptionRow>& table) {
  if (!given.back().name.empty() || is_like_an_option(given.back().text)) {
    return;
  }
  const auto taker = std::ranges::find_if(
      table, [&](const OptionRow& row) { return row.takes_lone_words && takes(row, verb); });
  if (taker != table.end()) {
    given.back().name = taker->name;
  }
  if (given.size() < 2) {
    return;
  }
  const std::string& before = given[given.size() - 2].name;
  const auto row = std::ranges::find(table, before, &OptionRow::name);
  if (row != table.end() && row->takes_several) {
    given.back().name = before;
  }
}

std::vector<GivenOption> given_options(const Words& words,
                                       Verb verb,
                                       const std::vector<OptionRow>& table) {
  po::options_description description;
  description.add_options()("job", po::value<std::string>());
  for (const OptionRow& row : table) {
    if (takes(row, verb) && row.kind == OptionKind::flag) {
      description.add_options()(row.name.c_str(), "");
    } else if (takes(row, verb)) {
      description.add_options()(row.name.c_str(), po::value<std::string>());
    }
  }
  constexpr int style = po::command_line_style::allow_long |
                        po::command_line_style::long_allow_adjacent |
                        po::command_line_style::long_allow_next;
  std::vector<GivenOption> given;
  try {
    const po::parsed_options parsed =
        po::command_line_parser(words).options(description).style(style).run();
    for (const po::option& option : parsed.options) {
      given.push_back(given_option(option, table));
      take_lone_word(given, verb, table);
    }
  } catch (const po::unknown_option& error) {
    throw unknown_option(error.get_option_name(), verb, table);
  } catch (const po::invalid_command_line_syntax& error) {
    if (error.kind() == po::invalid_syntax::extra_parameter) {
      throw InputError(error.get_option_name(), "takes no value");
    }
    throw value_missing(error.get_option_name(), table);
  }
  return given;
}

const OptionRow& row_named(std::string_view name, const std::vector<OptionRow>& table) {
  return *std::ranges::find(table, name, &OptionRow::name);
}

/// The path after --job; checks that nothing stands alone and nothing single is given twice.
std::optional<std::string> checked_job(const std::vector<GivenOption>& given,
                                       Verb verb,
                                       const std::vector<OptionRow>& table) {
  std::optional<std::string> job;
  std::set<std::string_view> seen;
  for (const GivenOption& option : given) {
    if (option.name.empty() && is_like_an_option(option.text)) {
      throw unknown_option(option.text.substr(0, option.text.find('=')), verb, table);
    }
    if (option.name.empty()) {
      throw InputError(fmt::format("'{}'", option.text),
                       fmt::format("unexpected argument of '{}' (expected options like --model "
                                   "gpt2)",
                                   name_of(verb)));
    }
    const bool repeatable =
        option.name != "job" && row_named(option.name, table).kind == OptionKind::repeatable;
    if (!seen.insert(option.name).second && !repeatable) {
      throw InputError("--" + option.name, "given more than once (expected one)");
    }
    if (option.name == "job") {
      job = option.text;
    }
  }
  return job;
}

bool is_given(std::string_view name, const std::vector<GivenOption>& given) {
  return std::ranges::find(given, name, &GivenOption::name) != given.end();
}

// What a job file says of training means something else in serving: `--batch` of `capacity` counts
// sequences that a replica decodes at once, its `--layout` splits one replica.
bool is_of_training(const std::string& name) {
  return name == "batch" || name == "layout";
}

void apply_entries(Options& options,
                   const std::vector<JobFileEntry>& entries,
                   const std::vector<GivenOption>& given,
                   const std::vector<OptionRow>& table) {
  Options unused;
  unused.verb = options.verb;
  for (const JobFileEntry& entry : entries) {
    const OptionRow& row = row_named(entry.name, table);
    const bool is_meant = options.verb != Verb::capacity || !is_of_training(entry.name);
    if (!is_meant && !is_given(entry.name, given)) {
      options.job_notes.push_back(entry.value.where + " is of training: not taken");
    }
    const bool applies = is_meant && takes(row, options.verb) && !is_given(entry.name, given);
    row.assign(applies ? options : unused, entry.value);
  }
}

// A job file may be a stranger's: it names no file elsewhere to read or to write.
void check_places(const std::vector<JobFileEntry>& entries,
                  const std::string& job,
                  const std::vector<OptionRow>& table) {
  const std::filesystem::path folder = std::filesystem::path(job).parent_path();
  for (const JobFileEntry& entry : entries) {
    const bool is_file = row_named(entry.name, table).placeholder.find("FILE") != std::string::npos;
    if (is_file && !lies_inside(entry.value.text, folder) && !lies_inside(entry.value.text, "")) {
      throw InputError(entry.value.where,
                       fmt::format("'{}' is outside the folders of this file and of the call; give "
                                   "--{} on the command line",
                                   entry.value.text,
                                   entry.name));
    }
  }
}

// `plan` asks what would be best for the job, so how the file splits it does not bind.
constexpr auto chosen_by_plan = std::to_array<std::string_view>({"layout",
                                                                 "micro-batch",
                                                                 "recompute",
                                                                 "stage-layers",
                                                                 "schedule",
                                                                 "sp",
                                                                 "zero",
                                                                 "fsdp",
                                                                 "overlap"});

void apply_foreign(Options& options,
                   ForeignJob job,
                   const std::vector<GivenOption>& given,
                   const std::vector<OptionRow>& table) {
  if (options.verb == Verb::plan) {
    std::erase_if(job.entries, [](const JobFileEntry& entry) {
      return std::ranges::find(chosen_by_plan, entry.name) != chosen_by_plan.end();
    });
    job.keeps_gathered_weights = false;
    const Software& preset = *software_preset(job.software->preset);
    job.software->overlaps_gradient_reduce = preset.overlaps_gradient_reduce;
    job.software->overlaps_parameter_gather = preset.overlaps_parameter_gather;
    job.software->overlaps_tensor_backward = preset.overlaps_tensor_backward;
  }
  apply_entries(options, job.entries, given, table);
  if (job.model && !is_given("model", given)) {
    if (job.model->vocabulary == 0) {
      throw InputError(job.model->name,
                       "the size of the vocabulary is not stated: it is the tokenizer's (expected "
                       "vocab-size in the file, or --model)");
    }
    options.models = {job.model->name};
    options.stated_model = std::move(job.model);
  }
  // What is rehearsed is forerun's own step.
  if (job.software && !is_given("software", given) && options.verb != Verb::rehearse) {
    options.software = job.software;
  }
  if (job.blocks_launches && !options.launch_blocking) {
    options.launch_blocking = true;
  }
  options.keeps_gathered_weights =
      job.keeps_gathered_weights && !is_given("zero", given) && !is_given("fsdp", given);
  std::ranges::move(job.notes, std::back_inserter(options.job_notes));
  if (!job.unread.empty()) {
    options.job_notes.push_back("not understood, or without effect on cost: " +
                                fmt::format("{}", fmt::join(job.unread, ", ")));
  }
}

void apply_job_file(Options& options,
                    const std::string& path,
                    const std::vector<GivenOption>& given,
                    const std::vector<OptionRow>& table) {
  const std::string text =
      text_of_file(path, largest::config, "a TOML file, Megatron-LM's arguments or a NeMo YAML");
  const JobFormat format = job_format_of(path, text);
  if (format == JobFormat::ours) {
    const std::vector<JobFileEntry> entries = read_job_text(text, path, table);
    check_places(entries, path, table);
    apply_entries(options, entries, given, table);
  } else {
    const auto devices = std::ranges::find(given, "devices", &GivenOption::name);
    const auto count = devices != given.end() ? parse_whole(devices->text) : std::nullopt;
    apply_foreign(options, read_foreign_job(format, text, path, count.value_or(0)), given, table);
  }
}

void require(bool fulfilled, Verb verb, std::string_view problem) {
  if (!fulfilled) {
    throw InputError(std::string(name_of(verb)), problem);
  }
}

void check_overlap(const Options& options) {
  if (options.launch_blocking.value_or(false) && options.overlap == Overlap::on) {
    throw InputError(
        "--overlap",
        "on contradicts a host that waits for every kernel (expected --overlap off, or "
        "--launch-blocking off)");
  }
}

/// What a verb cannot do without, and what contradicts itself.
void check_together(const Options& options) {
  const Verb verb = options.verb;
  const bool answers_alone = verb == Verb::estimate || verb == Verb::plan || verb == Verb::capacity;
  const bool runs_job = verb == Verb::measure || verb == Verb::rehearse || answers_alone;
  const bool needs_no_model =
      options.comm_only || (options.kernels_only && !options.kernels.empty());
  require(!options.comm_only || !options.kernels_only,
          verb,
          "--comm-only contradicts --kernels-only (expected one of them)");
  require(!runs_job || !options.models.empty() || needs_no_model,
          verb,
          "--model is missing (expected one like gpt2)");
  require(!answers_alone || options.cluster.has_value(),
          verb,
          "--cluster is missing (expected a catalog name, a cluster .toml or a profile .json)");
  const bool wants_one_model = answers_alone || verb == Verb::forecast;
  require(!wants_one_model || options.models.size() <= 1,
          verb,
          "--model is given more than once (expected one; measure and rehearse take several)");
  check_overlap(options);
  require(options.compared.empty() || options.compared.size() == 2,
          verb,
          "--compare takes two values, once (expected --compare OLD.json NEW.json)");
  require(verb != Verb::report || !options.results.empty(),
          verb,
          "no result is named (expected files like estimate.json)");
  if (verb == Verb::forecast) {
    const bool asks_of_data = options.backtest.has_value() || options.fitted_table.has_value();
    require(options.cluster.has_value() || options.year.has_value() || asks_of_data,
            verb,
            "nothing to forecast from (expected --year N, or --cluster FILE with --days N)");
    require(options.cluster.has_value() == options.training_time.has_value(),
            verb,
            "--cluster and --days go together (expected both, or --year N alone)");
  }
}

/// What the name of the result's file asks for. That of `import` and, but for --decode, of
/// `measure` is a profile, always JSON, beside which --format is for standard output; that of
/// `report` is a page.
std::optional<Format> format_of_file(const Options& options) {
  const bool is_result = (options.verb != Verb::measure || options.decode) &&
                         options.verb != Verb::import && options.verb != Verb::report;
  if (!options.out || !is_result) {
    return std::nullopt;
  }
  if (options.out->ends_with(".json")) {
    return Format::json;
  }
  return options.out->ends_with(".csv") ? std::optional(Format::csv) : std::nullopt;
}

Options options_from(const Words& words, Verb verb) {
  const std::vector<OptionRow> table = option_table();
  const std::vector<GivenOption> given = given_options(words, verb, table);
  Options options;
  options.verb = verb;
  if (const auto job = checked_job(given, verb, table)) {
    apply_job_file(options, *job, given, table);
  }
  if (is_given("quiet", given) && is_given("verbose", given)) {
    throw InputError("--quiet", "contradicts --verbose (expected one of them)");
  }
  if (is_given("tokens", given) && is_given("steps", given)) {
    throw InputError("--steps", "contradicts --tokens (expected one of them)");
  }
  for (const GivenOption& option : given) {
    if (option.name != "job") {
      row_named(option.name, table).assign(options, {"--" + option.name, option.text});
    }
  }
  if (!is_given("format", given)) {
    options.format = format_of_file(options).value_or(options.format);
  }
  check_together(options);
  return options;
}

/// `show topology FILE` becomes `show --topology FILE`, and `--compare A B` two of --compare: the
/// only words that stand alone.
struct Rewritten {
  Words words;
  std::optional<std::string> topology_of;
};

Rewritten rewrite_show(const Words& words) {
  Rewritten rewritten;
  std::size_t i = 0;
  if (!words.empty() && words.front() == "topology") {
    if (words.size() < 2 || words[1].starts_with('-')) {
      throw InputError("show topology", "its profile is missing (expected one like profile.json)");
    }
    rewritten.topology_of = words[1];
    i = 2;
  }
  for (; i < words.size(); ++i) {
    rewritten.words.push_back(words[i]);
    if (words[i] != "--compare") {
      continue;
    }
    if (i + 2 >= words.size() || words[i + 1].starts_with("--") || words[i + 2].starts_with("--")) {
      throw InputError("--compare",
                       "needs two values (expected --compare OLD.json NEW.json, or --compare "
                       "PROFILE.json catalog)");
    }
    rewritten.words.insert(rewritten.words.end(), {words[i + 1], "--compare", words[i + 2]});
    i += 2;
  }
  return rewritten;
}

HelpRequest completion(const Words& words) {
  if (words.size() == 2 && words[1] == "bash") {
    return {bash_completion(option_table())};
  }
  if (words.size() == 2 && words[1] == "zsh") {
    return {zsh_completion(option_table())};
  }
  throw InputError("forerun completion", "the shell is missing or unknown (expected bash or zsh)");
}

HelpRequest manual(const Words& words) {
  if (words.size() > 2) {
    throw InputError("forerun manual", "takes one verb at most");
  }
  return {manual_page(words.size() == 2 ? std::optional(verb_from(words[1])) : std::nullopt,
                      option_table())};
}

/// As the terminal has it, within what reads well.
std::size_t help_width() {
  return std::min(columns_of_standard_output().value_or(usual_help_width), usual_help_width);
}

}  // namespace

std::variant<Options, HelpRequest> parse_command_line(int argc, const char* const* argv) {
  const Words words(argv + std::min(argc, 1), argv + argc);
  if (words.empty()) {
    throw InputError(
        "command line",
        fmt::format("no verb (expected {}; forerun --help tells more)", listed(verb_names())));
  }
  if (words.front() == "--help" || words.front() == "-h") {
    return HelpRequest{overview_help(help_width())};
  }
  if (words.front() == "--version") {
    return HelpRequest{version_line()};
  }
  if (words.front() == "completion") {
    return completion(words);
  }
  if (words.front() == "manual") {
    return manual(words);
  }
  const Verb verb = verb_from(words.front());
  if (asks_for_help(words)) {
    return HelpRequest{verb_help(verb, option_table(), help_width())};
  }
  const Words rest(words.begin() + 1, words.end());
  if (verb != Verb::show) {
    return options_from(rest, verb);
  }
  const Rewritten rewritten = rewrite_show(rest);
  Options options = options_from(rewritten.words, verb);
  options.topology_of = rewritten.topology_of;
  return options;
}

}  // namespace forerun
