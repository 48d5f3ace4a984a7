// Text of --help, --version and `forerun completion bash`.
#include "estimator/cli/help.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "estimator/profile/build_info.hpp"
#include "estimator/profile/build_parts.hpp"
#include "units/text_width.hpp"

namespace forerun {
namespace {

using Examples = std::array<std::string_view, 2>;

Examples examples(Verb verb) {
  switch (verb) {
    case Verb::measure:
      return {
          "mpirun -np 2 forerun measure --model gpt2 --layout \"tp=2;pp=2;dp=2\" "
          "--time-budget 60s --out profile.json",
          "forerun measure --kernels-only --kernel \"gemm fp32 m=64 n=64 k=64 nn\" "
          "--out kernel.json"};
    case Verb::rehearse:
      return {"mpirun -np 2 forerun rehearse --model gpt2 --cluster profile.json --layout dp=2",
              "mpirun -np 2 forerun rehearse --model gpt2 --cluster profile.json --layout "
              "\"tp=2;pp=2\" --steps 3 --format json --out rehearsal.json"};
    case Verb::estimate:
      return {
          "forerun estimate --model llama-3.1-405b --cluster dgx-h100 --devices 16384 "
          "--layout tp=8,pp=16,vp=8,dp=128 --batch 2048 --seq 8192",
          "forerun estimate --model llama-3-8b --cluster dgx-h100 --devices 8 --layout tp=2 "
          "--batch 64 --tokens 1T --format json --out estimate.json"};
    case Verb::plan:
      return {
          "forerun plan --model llama-3.1-405b --cluster dgx-h100 --devices 16384 --batch "
          "2048 --seq 8192 --tokens 15T",
          "forerun plan --model llama-3-8b --cluster dgx-h100 --devices 16 --batch 64 --top 3"};
    case Verb::capacity:
      return {
          "forerun capacity --model llama-3-70b --cluster dgx-h100 --devices 64 --precision "
          "fp8 --ttft 500ms --tpot 50ms",
          "forerun capacity --model llama-3-8b --cluster dgx-h100 --devices 8"};
    case Verb::forecast:
      return {"forerun forecast --year 2030 --scenario steinhardt-2023",
              "forerun forecast --year 2028 --scenario epoch-trend --sensitivity --samples 10000"};
    case Verb::validate:
      return {"forerun validate --kernels measurements/",
              "forerun validate --table training_runs.csv --format json --out validation.json"};
    case Verb::report:
      return {"forerun report estimate.json --out report.html",
              "forerun report profile.json rehearsal.json validation.json"};
    case Verb::show:
      return {"forerun show --model gpt2", "forerun show --cluster dgx-h100"};
    case Verb::import:
      return {"forerun import --nccl-tests all_reduce_perf.log --out nccl.json",
              "forerun import --merge profile.json kernel.json --out both.json"};
  }
  return {};
}

std::string paragraph(std::string_view text, std::size_t width) {
  return wrapped(text, 0, width) + "\n";
}

/// Choices that are together wider than the page go on below, after a bar.
std::string broken_at_bars(std::string_view choices, std::size_t width) {
  std::string text;
  std::size_t column = 2;
  while (!choices.empty()) {
    const std::size_t bar = choices.find('|');
    const std::string_view piece = choices.substr(0, bar == std::string_view::npos ? bar : bar + 1);
    if (column + piece.size() > width && !text.empty()) {
      text += "\n      ";
      column = 6;
    }
    text += piece;
    column += piece.size();
    choices.remove_prefix(piece.size());
  }
  return text;
}

/// Two columns, the left one `left_width` wide; what is longer has a line of its own.
std::string entry(std::string_view left,
                  std::string_view right,
                  std::size_t left_width,
                  std::size_t width) {
  const std::string text = wrapped(right, left_width + 4, width);
  if (left.size() > left_width) {
    return fmt::format("  {}\n{:{}}{}\n", broken_at_bars(left, width), "", left_width + 4, text);
  }
  return fmt::format("  {:<{}}  {}\n", left, left_width, text);
}

struct HelpLine {
  std::string left;
  std::string right;
};

std::vector<HelpLine> option_lines(Verb verb, std::span<const OptionRow> table) {
  std::vector<HelpLine> lines;
  for (const OptionRow& row : table) {
    if (takes(row, verb)) {
      const std::string space = row.placeholder.empty() ? "" : " ";
      const std::string last =
          row.default_text.empty() ? "" : fmt::format(" (default: {})", row.default_text);
      lines.push_back({"--" + row.name + space + row.placeholder, row.help + last});
    }
  }
  lines.push_back(
      {"--job FILE", "options from a TOML file, as layout = \"tp=8\"; a flag beats it"});
  lines.push_back({"--help", "this text"});
  return lines;
}

/// A command broken between its options as a shell reads on, so that it runs as printed.
std::string shell_lines(std::string_view command, std::size_t width) {
  constexpr std::string_view more = " \\";
  std::string text;
  std::string line = "  ";
  while (!command.empty()) {
    const std::size_t end = std::min(command.find(" --", 1), command.size());
    if (line.find_first_not_of(' ') != std::string::npos &&
        line.size() + end + more.size() > width) {
      text += line.append(more) + "\n";
      line = "     ";
    }
    line += command.substr(0, end);
    command.remove_prefix(end);
  }
  return text + line + "\n";
}

std::vector<std::string> flags_of(Verb verb, std::span<const OptionRow> table) {
  std::vector<std::string> flags;
  for (const OptionRow& row : table) {
    if (takes(row, verb)) {
      flags.push_back("--" + row.name);
    }
  }
  flags.insert(flags.end(), {"--job", "--help"});
  return flags;
}

}  // namespace

std::string overview_help(std::size_t width) {
  std::string text = paragraph(
      "forerun predicts what a training run costs, from costs measured on the cluster at hand.",
      width);
  text += "\nUsage: forerun VERB [--option value]...\n\nVerbs:\n";
  for (const Verb verb : all_verbs()) {
    text += entry(name_of(verb), purpose_of(verb), 10, width);
  }
  text += "\nAlso:\n";
  text += entry("VERB --help", "the options of one verb", 19, width);
  text +=
      entry("completion bash|zsh", "a script for: source <(forerun completion bash)", 19, width);
  text += entry("manual [VERB]", "a page for man: forerun manual | man -l -", 19, width);
  text += entry("--version", "version, revision, compilers and libraries", 19, width);
  text += "\n" + paragraph(
                     "Exit status: 0 answered, 1 failed, 2 wrong input, 3 nothing that was "
                     "asked for fits.",
                     width);
  text += paragraph(
      "Tables fit the terminal, or COLUMNS where it is set; without it, into a pipe or "
      "a file, a row is a line.",
      width);
  return text;
}

std::string verb_help(Verb verb, std::span<const OptionRow> table, std::size_t width) {
  const std::vector<HelpLine> lines = option_lines(verb, table);
  std::size_t left_width = 0;
  for (const HelpLine& line : lines) {
    left_width = std::max(left_width, line.left.size());
  }
  left_width = std::min(left_width, 2 * width / 5);
  std::string text =
      paragraph(fmt::format("forerun {}: {}.", name_of(verb), purpose_of(verb)), width) +
      "\nOptions:\n";
  for (const HelpLine& line : lines) {
    text += entry(line.left, line.right, left_width, width);
  }
  text += "\nExamples:\n";
  for (const std::string_view example : examples(verb)) {
    text += shell_lines(example, width);
  }
  text += "\nCounts take K, M, B, T (15T), times s, min, h, d (60s).\n";
  return text;
}

std::vector<std::string_view> examples_of(Verb verb) {
  const Examples both = examples(verb);
  return {both.begin(), both.end()};
}

std::string version_line() {
  return std::string(version_text()) + "\n" + build_parts_text();
}

std::string bash_completion(std::span<const OptionRow> table) {
  std::string script =
      "_forerun() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} words=\n"
      "  case ${COMP_WORDS[COMP_CWORD-1]} in\n";
  for (const OptionRow& row : table) {
    if (!row.words.empty()) {
      script += fmt::format("    --{}) words='{}' ;;\n", row.name, fmt::join(row.words, " "));
    } else if (row.names != nullptr) {
      // Where none begins as the word does, files are offered.
      script += fmt::format("    --{}) words='{}' ;;\n", row.name, fmt::join(row.names(), " "));
    } else if (row.kind != OptionKind::flag) {
      script += fmt::format("    --{}) return ;;\n", row.name);
    }
  }
  script +=
      "    --job) return ;;\n"
      "    *) case ${COMP_WORDS[1]} in\n";
  std::vector<std::string_view> verbs;
  for (const Verb verb : all_verbs()) {
    verbs.push_back(name_of(verb));
    script += fmt::format(
        "      {}) words='{}' ;;\n", name_of(verb), fmt::join(flags_of(verb, table), " "));
  }
  script += fmt::format(
      "      completion) words='bash zsh' ;;\n"
      "    esac ;;\n"
      "  esac\n"
      "  if ((COMP_CWORD == 1)); then words='{} completion manual --help --version'; fi\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      "}}\n"
      "complete -o default -F _forerun forerun\n",
      fmt::join(verbs, " "));
  return script;
}

}  // namespace forerun
