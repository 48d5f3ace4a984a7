#include "estimator/cli/shell_words.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "estimator/cli/shell_variables.hpp"
#include "units/input_error.hpp"
#include "units/text_file.hpp"

namespace forerun {
namespace {

using Texts = std::vector<std::string>;

// Where NAME= or NAME+= ends; 0: the word is no assignment.
std::size_t assignment_end(std::string_view word) {
  std::size_t end = 0;
  while (end < word.size() && is_shell_name(word[end])) {
    ++end;
  }
  if (end == 0 || std::isdigit(static_cast<unsigned char>(word.front())) != 0) {
    return 0;
  }
  if (word.substr(end).starts_with("=")) {
    return end + 1;
  }
  return word.substr(end).starts_with("+=") ? end + 2 : 0;
}

class ShellReader {
 public:
  ShellReader(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  ShellReading read() {
    while (at_ < text_.size()) {
      step();
    }
    end_statement();
    return std::move(reading_);
  }

 private:
  [[nodiscard]] char here(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  [[nodiscard]] bool is_before(std::string_view what) const {
    return text_.substr(at_).starts_with(what);
  }

  void advance(std::size_t count = 1) {
    for (; count > 0 && at_ < text_.size(); --count, ++at_) {
      line_ += text_[at_] == '\n' ? 1 : 0;
    }
  }

  // Blanks and continued lines.
  bool skip_blank() {
    if (here() == ' ' || here() == '\t' || here() == '\r') {
      advance();
      return true;
    }
    if (here() == '\\' && (here(1) == '\n' || (here(1) == '\r' && here(2) == '\n'))) {
      advance(here(1) == '\n' ? 2 : 3);
      return true;
    }
    return false;
  }

  bool skip_end_of_word() {
    const bool is_here = ends_word(here());
    advance(is_here ? 1 : 0);
    return is_here;
  }

  void skip_comment() {
    while (at_ < text_.size() && here() != '\n') {
      advance();
    }
  }

  void step() {
    if (skip_blank()) {
      return;
    }
    const char c = here();
    if (c == '#') {
      skip_comment();
    } else if (c == '\n' || c == ';' || c == '&' || c == '|' || c == '(' || c == ')') {
      advance();
      end_statement();
    } else if (c == '<' || c == '>') {
      advance();
    } else {
      take_word(statement_);
    }
  }

  // An array's words up to its closing parenthesis. None lies in another.
  void take_array(const std::string& target) {
    advance();
    std::vector<ShellWord> words;
    is_in_array_ = true;
    while (at_ < text_.size() && here() != ')') {
      if (here() == '#') {
        skip_comment();
      } else if (!skip_blank() && !skip_end_of_word()) {
        take_word(words);
      }
    }
    is_in_array_ = false;
    advance();
    Texts values;
    std::ranges::transform(words, std::back_inserter(values), &ShellWord::text);
    if (depth_ == 0) {
      variables_.assign(target, values, true);
    }
  }

  void take_word(std::vector<ShellWord>& words) {
    word_ = {};
    has_word_ = false;
    into_ = &words;
    bool is_assignment = false;
    bool had_equals = false;
    while (at_ < text_.size() && !ends_word(here())) {
      take_piece(is_assignment);
      if (!had_equals && word_.ends_with('=')) {
        had_equals = true;
        is_assignment = assignment_end(word_) == word_.size();
        if (is_assignment && here() == '(' && !is_in_array_) {
          const std::string target = word_;
          take_array(target);
          return;
        }
      }
    }
    finish_word();
  }

  static bool ends_word(char c) {
    return is_shell_space(c) || c == ';' || c == '&' || c == '|' || c == '(' || c == ')' ||
           c == '<' || c == '>';
  }

  void finish_word() {
    if (has_word_) {
      into_->push_back({word_, line_});
    }
    word_.clear();
    has_word_ = false;
  }

  void add(std::string_view text) {
    word_ += text;
    has_word_ = true;
  }

  void take_piece(bool is_assignment) {
    const char c = here();
    if (c == '\'') {
      const std::size_t end = std::min(text_.find('\'', at_ + 1), text_.size());
      add(text_.substr(at_ + 1, end - at_ - 1));
      advance(end - at_ + 1);
    } else if (c == '"') {
      take_quoted();
    } else if (c == '\\') {
      advance();
      if (here() != '\n') {
        add(text_.substr(at_, 1));
      }
      advance();
    } else if (c == '$') {
      take_expansion(is_assignment);
    } else {
      add(text_.substr(at_, 1));
      advance();
    }
  }

  void take_quoted() {
    advance();
    has_word_ = true;
    while (at_ < text_.size() && here() != '"') {
      if (here() == '\\' && here(1) == '\n') {
        advance(2);
      } else if (here() == '\\' && at_ + 1 < text_.size()) {
        add(text_.substr(at_ + 1, 1));
        advance(2);
      } else if (here() == '$') {
        take_expansion(true);
      } else {
        add(text_.substr(at_, 1));
        advance();
      }
    }
    advance();
  }

  // Of the brace here, past those of expansions inside it.
  [[nodiscard]] std::size_t closing_brace() const {
    int open = 0;
    for (std::size_t i = at_; i < text_.size(); ++i) {
      open += text_[i] == '{' ? 1 : text_[i] == '}' ? -1 : 0;
      if (open == 0) {
        return i;
      }
    }
    return text_.size();
  }

  // What stands in $NAME, ${...}, $(...) or $((...)).
  void take_expansion(bool is_quoted) {
    const std::size_t first = at_;
    if (is_before("$((")) {
      const std::size_t end = std::min(text_.find("))", at_), text_.size());
      const auto value = shell_sum(text_.substr(at_ + 3, end - at_ - 3), variables_);
      advance(end + 2 - at_);
      add(value ? std::to_string(*value) : std::string(text_.substr(first, at_ - first)));
      return;
    }
    if (is_before("$(")) {
      skip_substitution();
      add(text_.substr(first, at_ - first));
      return;
    }
    advance();
    std::string_view name;
    std::string_view rest;
    if (here() == '{') {
      const std::size_t end = closing_brace();
      name = text_.substr(at_ + 1, end - at_ - 1);
      advance(end + 1 - at_);
      const auto length = static_cast<std::size_t>(
          std::ranges::find_if_not(name, [](char c) { return is_shell_name(c); }) - name.begin());
      rest = name.substr(length);
      name = name.substr(0, length);
    } else {
      const std::size_t begin = at_;
      while (is_shell_name(here())) {
        advance();
      }
      name = text_.substr(begin, at_ - begin);
    }
    put(name, rest, text_.substr(first, at_ - first), is_quoted);
  }

  void skip_substitution() {
    int open = 0;
    do {
      open += here() == '(' ? 1 : here() == ')' ? -1 : 0;
      advance();
    } while (at_ < text_.size() && (open > 0 || text_[at_ - 1] == '$'));
  }

  // `rest`: what follows the name within braces; `written`: all of it.
  void put(std::string_view name, std::string_view rest, std::string_view written, bool quoted) {
    const Texts* value = variables_.find(name);
    const bool is_empty = value == nullptr || value->empty() || value->front().empty();
    if (rest.starts_with("[@]") || rest.starts_with("[*]")) {
      if (value != nullptr) {
        put_list(*value);
      }
    } else if (is_empty && (rest.starts_with(":-") || rest.starts_with(":="))) {
      put_default(rest.substr(2), quoted);
    } else if (is_empty && rest.starts_with("-")) {
      put_default(rest.substr(1), quoted);
    } else if (value == nullptr) {
      add(written);
    } else if (!is_empty) {
      put_text(value->front(), quoted);
    }
  }

  // A variable of itself twice, some lines long, would fill the memory.
  void count_expansion(std::size_t size) {
    expanded_ += size + 1;
    if (expanded_ > largest::config) {
      throw InputError(fmt::format("{}:{}", where_, line_),
                       fmt::format("the variables up to here expand to more than {} MiB",
                                   largest::config / largest::mebibyte));
    }
  }

  void put_list(const Texts& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0) {
        finish_word();
      }
      count_expansion(values[i].size());
      add(values[i]);
    }
  }

  // The 16 of ${NODES:-"16"} or ${NODES:-${SLURM_NNODES:-16}}: quotes and expansions as elsewhere.
  void put_default(std::string_view text, bool quoted) {
    count_expansion(text.size());
    constexpr int deepest = 16;
    if (nested_ == deepest) {
      add(text);
      return;
    }
    ++nested_;
    const std::string_view whole = std::exchange(text_, text);
    const std::size_t at = std::exchange(at_, 0);
    const int line = line_;
    while (at_ < text_.size()) {
      if (!quoted && is_shell_space(here())) {
        finish_word();
        advance();
      } else {
        take_piece(quoted);
      }
    }
    text_ = whole;
    at_ = at;
    line_ = line;
    --nested_;
  }

  void put_text(std::string_view text, bool quoted) {
    count_expansion(text.size());
    if (quoted) {
      add(text);
      return;
    }
    for (const char c : text) {
      if (is_shell_space(c)) {
        finish_word();
      } else {
        add(std::string_view(&c, 1));
      }
    }
  }

  static bool opens(std::string_view word) {
    return word == "if" || word == "for" || word == "while" || word == "until" || word == "case";
  }

  static bool closes(std::string_view word) {
    return word == "fi" || word == "done" || word == "esac";
  }

  static bool leads(std::string_view word) {
    return word == "export" || word == "local" || word == "readonly" || word == "{" ||
           word == "}" || word == "exec" || word == "then" || word == "else";
  }

  void open(const ShellWord& word) {
    if (depth_ == 0) {
      reading_.notes.push_back(fmt::format("line {}: {}", word.line, word.text));
    }
    ++depth_;
  }

  void assign(std::string_view word, std::size_t end) {
    if (depth_ == 0) {
      variables_.assign(std::string(word.substr(0, end)), {std::string(word.substr(end))}, false);
    }
  }

  void end_statement() {
    std::vector<ShellWord> words = std::move(statement_);
    statement_.clear();
    auto first = words.begin();
    for (; first != words.end(); ++first) {
      if (opens(first->text)) {
        open(*first);
        return;
      }
      if (closes(first->text)) {
        depth_ = std::max(0, depth_ - 1);
      } else if (const std::size_t end = assignment_end(first->text); end > 0) {
        assign(first->text, end);
      } else if (!leads(first->text)) {
        break;
      }
    }
    words.erase(words.begin(), first);
    const bool has_option = std::ranges::any_of(
        words, [](const ShellWord& word) { return word.text.starts_with("--"); });
    if (depth_ == 0 && has_option) {
      const auto* const blocking = variables_.find("CUDA_LAUNCH_BLOCKING");
      reading_.blocks_launches = blocking != nullptr && *blocking == std::vector<std::string>{"1"};
      reading_.commands.push_back(std::move(words));
    }
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
  int line_ = 1;
  int depth_ = 0;  // of if, for, while and case
  ShellVariables variables_;
  std::vector<ShellWord> statement_;
  std::vector<ShellWord>* into_ = nullptr;
  std::string word_;
  bool has_word_ = false;
  bool is_in_array_ = false;
  int nested_ = 0;            // defaults of variables inside one another
  std::size_t expanded_ = 0;  // bytes that variables stood for so far
  ShellReading reading_;
};

std::int64_t options_in(const std::vector<ShellWord>& words) {
  return std::ranges::count_if(words,
                               [](const ShellWord& word) { return word.text.starts_with("--"); });
}

}  // namespace

ShellReading read_shell(std::string_view text, const std::string& where) {
  return ShellReader(text, where).read();
}

std::vector<ShellWord> arguments_of(const ShellReading& reading) {
  std::vector<ShellWord> all;
  for (const auto& command : reading.commands) {
    if (command.front().text.starts_with("--")) {
      all.insert(all.end(), command.begin(), command.end());
    }
  }
  if (!all.empty() || reading.commands.empty()) {
    return all;
  }
  return *std::ranges::max_element(reading.commands, {}, options_in);
}

}  // namespace forerun
