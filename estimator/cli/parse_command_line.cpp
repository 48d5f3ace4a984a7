// Boost.Program_options splits argv; the option table checks and stores.
#include "estimator/cli/parse_command_line.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "estimator/cli/help.hpp"
#include "estimator/cli/job_file.hpp"
#include "estimator/cli/option_table.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

namespace po = boost::program_options;

using Words = std::vector<std::string>;

struct GivenOption {
  std::string name;  ///< without dashes
  std::string text;
};

bool asks_for_help(const Words& words) {
  return std::ranges::any_of(
      words, [](const std::string& word) { return word == "--help" || word == "-h"; });
}

Words verb_names() {
  Words names;
  std::ranges::transform(
      all_verbs(), std::back_inserter(names), [](Verb verb) { return std::string(name_of(verb)); });
  return names;
}

Verb verb_from(const std::string& word) {
  const Words names = verb_names();
  if (word.starts_with('-')) {
    throw InputError(
        word,
        fmt::format(
            "the verb comes first (expected {}, as in forerun estimate {})", listed(names), word));
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

/// What was probably meant: the option that `flag` abbreviates, or else the nearest one.
std::string suggestion(const std::string& flag, const Words& flags) {
  const auto longer = std::ranges::find_if(
      flags, [&](const std::string& candidate) { return candidate.starts_with(flag); });
  return longer == flags.end() ? nearest(flag, flags) : *longer;
}

/// Why `flag`, which this verb does not take, is wrong.
InputError not_taken(const std::string& flag, Verb verb, const std::vector<OptionRow>& table) {
  const auto known =
      std::ranges::find_if(table, [&](const OptionRow& row) { return "--" + row.name == flag; });
  if (known != table.end()) {
    Words takers;
    std::ranges::transform(known->verbs, std::back_inserter(takers), [](Verb taker) {
      return "'" + std::string(name_of(taker)) + "'";
    });
    return {flag,
            fmt::format("not an option of '{}' (it belongs to {})", name_of(verb), listed(takers))};
  }
  Words flags{"--job", "--help"};
  for (const OptionRow& row : table) {
    if (takes(row, verb)) {
      flags.push_back("--" + row.name);
    }
  }
  return {flag,
          fmt::format(
              "unknown option of '{}' (did you mean {}?)", name_of(verb), suggestion(flag, flags))};
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
    }
  } catch (const po::unknown_option& error) {
    throw not_taken(error.get_option_name(), verb, table);
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

void apply_job_file(Options& options,
                    const std::string& path,
                    const std::vector<GivenOption>& given,
                    const std::vector<OptionRow>& table) {
  Options unused;
  for (const JobFileEntry& entry : read_job_file(path, table)) {
    const OptionRow& row = row_named(entry.name, table);
    const bool beaten = std::ranges::find(given, entry.name, &GivenOption::name) != given.end();
    const bool applies = takes(row, options.verb) && !beaten;
    row.assign(applies ? options : unused, entry.value);
  }
}

void require(bool fulfilled, Verb verb, std::string_view problem) {
  if (!fulfilled) {
    throw InputError(std::string(name_of(verb)), problem);
  }
}

/// What a verb cannot do without, and what contradicts itself.
void check_together(const Options& options) {
  const Verb verb = options.verb;
  const bool runs_job = verb == Verb::measure || verb == Verb::rehearse || verb == Verb::estimate;
  const bool names_kernels = options.kernels_only && !options.kernels.empty();
  require(!runs_job || !options.models.empty() || names_kernels,
          verb,
          "--model is missing (expected one like gpt2)");
  require((verb != Verb::rehearse && verb != Verb::estimate) || options.cluster.has_value(),
          verb,
          "--cluster is missing (expected a catalog name, a cluster .toml or a profile .json)");
  const bool wants_one_model = verb == Verb::estimate || verb == Verb::forecast;
  require(!wants_one_model || options.models.size() <= 1,
          verb,
          "--model is given more than once (expected one; measure and rehearse take several)");
  if (verb == Verb::forecast) {
    require(options.cluster.has_value() || options.year.has_value(),
            verb,
            "nothing to forecast from (expected --year N, or --cluster FILE with --days N)");
    require(options.cluster.has_value() == options.training_time.has_value(),
            verb,
            "--cluster and --days go together (expected both, or --year N alone)");
  }
}

Options options_from(const Words& words, Verb verb) {
  const std::vector<OptionRow> table = option_table();
  const std::vector<GivenOption> given = given_options(words, verb, table);
  Options options;
  options.verb = verb;
  if (const auto job = checked_job(given, verb, table)) {
    apply_job_file(options, *job, given, table);
  }
  const auto has = [&](std::string_view name) {
    return std::ranges::find(given, name, &GivenOption::name) != given.end();
  };
  if (has("quiet") && has("verbose")) {
    throw InputError("--quiet", "contradicts --verbose (expected one of them)");
  }
  for (const GivenOption& option : given) {
    if (option.name != "job") {
      row_named(option.name, table).assign(options, {"--" + option.name, option.text});
    }
  }
  check_together(options);
  return options;
}

HelpRequest completion(const Words& words) {
  if (words.size() != 2 || words[1] != "bash") {
    throw InputError("forerun completion", "the shell is missing or unknown (expected bash)");
  }
  return {bash_completion(option_table())};
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
    return HelpRequest{overview_help()};
  }
  if (words.front() == "--version") {
    return HelpRequest{version_line()};
  }
  if (words.front() == "completion") {
    return completion(words);
  }
  const Verb verb = verb_from(words.front());
  if (asks_for_help(words)) {
    return HelpRequest{verb_help(verb, option_table())};
  }
  return options_from(Words(words.begin() + 1, words.end()), verb);
}

}  // namespace forerun
