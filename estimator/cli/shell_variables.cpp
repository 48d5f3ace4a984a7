#include "estimator/cli/shell_variables.hpp"

#include <cstdlib>

#include "units/quantity_text.hpp"

namespace forerun {
namespace {

// Sums of whole numbers and variables: + - * / % and parentheses.
class Arithmetic {
 public:
  Arithmetic(std::string_view text, const ShellVariables& variables)
      : text_(text), variables_(variables) {}

  std::optional<std::int64_t> value() {
    const std::int64_t result = sum();
    skip();
    return is_good_ && at_ == text_.size() ? std::optional(result) : std::nullopt;
  }

 private:
  void skip() {
    while (at_ < text_.size() && is_shell_space(text_[at_])) {
      ++at_;
    }
  }

  bool take(char c) {
    skip();
    const bool is_here = at_ < text_.size() && text_[at_] == c;
    at_ += is_here ? 1 : 0;
    return is_here;
  }

  std::int64_t sum() {
    std::int64_t left = product();
    while (is_good_) {
      if (take('+')) {
        left = within_limit(left + product());
      } else if (take('-')) {
        left = within_limit(left - product());
      } else {
        break;
      }
    }
    return left;
  }

  // Sums of two numbers within the limit do not overflow, nor do quotients.
  std::int64_t within_limit(std::int64_t number) {
    is_good_ = is_good_ && std::abs(number) < limit;
    return is_good_ ? number : 0;
  }

  std::int64_t product() {
    std::int64_t left = term();
    while (is_good_) {
      if (take('*')) {
        left = multiplied(left, term());
      } else if (take('/')) {
        left = divided(left, term(), false);
      } else if (take('%')) {
        left = divided(left, term(), true);
      } else {
        break;
      }
    }
    return left;
  }

  std::int64_t multiplied(std::int64_t left, std::int64_t right) {
    std::int64_t result = 0;
    is_good_ = !__builtin_mul_overflow(left, right, &result) && is_good_;
    return within_limit(result);
  }

  std::int64_t divided(std::int64_t left, std::int64_t right, bool rest) {
    is_good_ = is_good_ && right != 0;
    if (!is_good_) {
      return 0;
    }
    return rest ? left % right : left / right;
  }

  std::int64_t term() {
    if (++depth_ > 64) {
      is_good_ = false;
      return 0;
    }
    if (take('(')) {
      const std::int64_t inner = sum();
      is_good_ = is_good_ && take(')');
      --depth_;
      return inner;
    }
    --depth_;
    take('$');
    const bool braced = take('{');
    skip();
    const std::size_t first = at_;
    while (at_ < text_.size() && is_shell_name(text_[at_])) {
      ++at_;
    }
    std::string_view word = text_.substr(first, at_ - first);
    if (braced) {
      is_good_ = is_good_ && take('}');
    }
    if (const std::vector<std::string>* value = variables_.find(word);
        value != nullptr && !value->empty()) {
      word = value->front();
    }
    const auto number = parse_whole(word);
    is_good_ = is_good_ && number;
    return within_limit(number.value_or(0));
  }

  static constexpr std::int64_t limit = std::int64_t{1} << 62;

  std::string_view text_;
  const ShellVariables& variables_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool is_good_ = true;
};

}  // namespace

void ShellVariables::assign(std::string_view target,
                            const std::vector<std::string>& values,
                            bool is_array) {
  const bool adds = target.ends_with("+=");
  auto& variable = values_[std::string(target.substr(0, target.size() - (adds ? 2 : 1)))];
  if (!adds) {
    variable = values;
  } else if (is_array) {
    variable.insert(variable.end(), values.begin(), values.end());
  } else {
    if (variable.empty()) {
      variable.emplace_back();
    }
    variable.front() += values.empty() ? std::string() : values.front();
  }
}

const std::vector<std::string>* ShellVariables::find(std::string_view name) const {
  const auto found = values_.find(std::string(name));
  return found == values_.end() ? nullptr : &found->second;
}

std::optional<std::int64_t> shell_sum(std::string_view text, const ShellVariables& variables) {
  return Arithmetic(text, variables).value();
}

}  // namespace forerun
