// The layout grammar: text to layouts and back.
#include "jobs/parallel_layout.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "units/input_error.hpp"

namespace forerun {
namespace {

// No machine has more devices; products of two degrees stay far from overflow.
constexpr std::int64_t largest_degree = 1'000'000'000;
// More than a search prices in a minute: a larger set is a slip.
constexpr std::size_t most_layouts = 1'000'000;
// No model has more layers in one stage.
constexpr std::int64_t most_chunks_in_range = 1'000;

/// Whether a degree is a factor of the world or only regroups ranks (or layers).
enum class Role { factor, refold, chunks };

struct Degree {
  std::string_view name;
  std::int64_t ParallelLayout::*member;
  Role role;
};

constexpr auto degrees = std::to_array<Degree>({
    {"tp", &ParallelLayout::tensor, Role::factor},
    {"pp", &ParallelLayout::pipeline, Role::factor},
    {"vp", &ParallelLayout::virtual_pipeline, Role::chunks},
    {"cp", &ParallelLayout::context, Role::factor},
    {"ep", &ParallelLayout::expert, Role::refold},
    {"etp", &ParallelLayout::expert_tensor, Role::refold},
    {"dp", &ParallelLayout::data, Role::factor},
});

/// All values of one degree in a spec, in the order written.
struct Choice {
  const Degree* degree = nullptr;
  std::vector<std::int64_t> values;
};

[[noreturn]] void refuse(const std::string& problem) {
  throw InputError("--layout", problem);
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  for (std::size_t end = text.find(separator); end != std::string_view::npos;
       end = text.find(separator, start)) {
    parts.push_back(trimmed(text.substr(start, end - start)));
    start = end + 1;
  }
  parts.push_back(trimmed(text.substr(start)));
  return parts;
}

const Degree& degree_from(std::string_view name) {
  const auto* const found = std::ranges::find(degrees, name, &Degree::name);
  if (found == degrees.end()) {
    std::vector<std::string> names;
    names.reserve(degrees.size());
    for (const Degree& degree : degrees) {
      names.emplace_back(degree.name);
    }
    refuse(fmt::format("'{}' is not a degree; expected {}; the nearest is '{}'",
                       name,
                       listed(names),
                       nearest(name, names)));
  }
  return *found;
}

std::int64_t degree_value(const Degree& degree, std::string_view text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || next != end || value < 1 || value > largest_degree) {
    refuse(fmt::format("{}='{}' is not a number; expected a whole number from 1 to {}",
                       degree.name,
                       text,
                       largest_degree));
  }
  return value;
}

std::vector<std::int64_t> divisors_of(std::int64_t number) {
  std::vector<std::int64_t> low;
  std::vector<std::int64_t> high;
  for (std::int64_t d = 1; d * d <= number; ++d) {
    if (number % d == 0) {
      low.push_back(d);
      if (d * d != number) {
        high.push_back(number / d);
      }
    }
  }
  low.insert(low.end(), high.rbegin(), high.rend());
  return low;
}

// Every value from `low` to `high` that can divide out: divisors of the devices, except that vp
// splits layers and takes all of them.
void append_range(const Degree& degree,
                  std::string_view text,
                  std::int64_t devices,
                  std::vector<std::int64_t>& values) {
  const std::size_t dots = text.find("..");
  const std::int64_t low = degree_value(degree, trimmed(text.substr(0, dots)));
  const std::int64_t high = degree_value(degree, trimmed(text.substr(dots + 2)));
  if (low > high) {
    refuse(fmt::format(
        "the range {}={} is empty; expected the smaller number first", degree.name, text));
  }
  if (degree.role == Role::chunks) {
    if (high - low >= most_chunks_in_range) {
      refuse(fmt::format(
          "the range {}={} has more than {} values", degree.name, text, most_chunks_in_range));
    }
    for (std::int64_t value = low; value <= high; ++value) {
      values.push_back(value);
    }
    return;
  }
  for (const std::int64_t value : divisors_of(devices)) {
    if (value >= low && value <= high) {
      values.push_back(value);
    }
  }
}

Choice choice_from(std::string_view item, std::int64_t devices) {
  const std::size_t equals = item.find('=');
  if (equals == std::string_view::npos) {
    refuse(fmt::format("'{}' is not a degree with a value; expected one like 'tp=8'", item));
  }
  Choice choice{&degree_from(trimmed(item.substr(0, equals))), {}};
  for (const std::string_view text : split(item.substr(equals + 1), '|')) {
    if (text.find("..") != std::string_view::npos) {
      append_range(*choice.degree, text, devices, choice.values);
    } else {
      choice.values.push_back(degree_value(*choice.degree, text));
    }
  }
  return choice;
}

std::vector<Choice> choices_from(std::string_view spec, std::int64_t devices) {
  if (trimmed(spec).empty()) {
    refuse("a layout is empty; expected one like 'tp=8,pp=4,dp=2'");
  }
  std::vector<Choice> choices;
  for (const std::string_view item : split(spec, ',')) {
    choices.push_back(choice_from(item, devices));
    for (std::size_t i = 0; i + 1 < choices.size(); ++i) {
      if (choices[i].degree == choices.back().degree) {
        refuse(fmt::format("{} is given twice in '{}'", choices[i].degree->name, spec));
      }
    }
  }
  return choices;
}

bool gives_data_degree(std::span<const Choice> choices) {
  return std::ranges::any_of(
      choices, [](const Choice& choice) { return choice.degree->member == &ParallelLayout::data; });
}

// Devices over the product of all factors but dp; nothing where that does not divide.
std::optional<std::int64_t> data_degree(const ParallelLayout& layout, std::int64_t devices) {
  std::int64_t rest = devices;
  for (const std::int64_t factor : {layout.tensor, layout.pipeline, layout.context}) {
    if (rest % factor != 0) {
      return std::nullopt;
    }
    rest /= factor;
  }
  return rest;
}

/// Walks the product of the choices of one spec, the first one slowest.
class Expansion {
 public:
  Expansion(std::span<const Choice> choices, std::int64_t devices)
      : choices_(choices), devices_(devices), fills_data_(!gives_data_degree(choices)) {}

  [[nodiscard]] std::vector<ParallelLayout> layouts() {
    descend({}, 0);
    return std::move(fitting_);
  }

 private:
  void descend(ParallelLayout layout, std::size_t depth) {
    if (depth == choices_.size()) {
      keep_if_it_fits(layout);
      return;
    }
    for (const std::int64_t value : choices_[depth].values) {
      layout.*choices_[depth].degree->member = value;
      // What already does not divide out cannot be mended by deeper choices.
      if (data_degree(layout, devices_)) {
        descend(layout, depth + 1);
      }
    }
  }

  void keep_if_it_fits(ParallelLayout layout) {
    const std::int64_t rest = *data_degree(layout, devices_);
    if (fills_data_) {
      layout.data = rest;
    }
    if (layout.data == rest) {
      if (fitting_.size() == most_layouts) {
        refuse(
            fmt::format("the set has more than {} layouts; expected fewer values", most_layouts));
      }
      fitting_.push_back(layout);
    }
  }

  std::span<const Choice> choices_;
  std::int64_t devices_;
  bool fills_data_;
  std::vector<ParallelLayout> fitting_;
};

[[noreturn]] void refuse_product(const ParallelLayout& layout,
                                 bool gives_data,
                                 std::int64_t devices) {
  // A double: four degrees of 1e9 do not overflow it, and the text is all it is for.
  const double others = static_cast<double>(layout.tensor) * static_cast<double>(layout.pipeline) *
                        static_cast<double>(layout.context);
  if (!gives_data) {
    refuse(fmt::format("tp*pp*cp={:.0f} does not divide the {} devices", others, devices));
  }
  const auto fitting = data_degree(layout, devices);
  refuse(fmt::format("tp*pp*cp*dp={:.0f}, but there are {} devices{}",
                     others * static_cast<double>(layout.data),
                     devices,
                     fitting ? fmt::format(" (dp={} fits)", *fitting) : std::string()));
}

void require_devices(std::int64_t devices) {
  if (devices < 1) {
    throw InputError("--devices", fmt::format("{} devices; expected at least 1", devices));
  }
}

}  // namespace

std::int64_t world_size(const ParallelLayout& layout) {
  return layout.tensor * layout.context * layout.pipeline * layout.data;
}

std::string text_of(const ParallelLayout& layout) {
  std::string text;
  for (const Degree& degree : degrees) {
    if (const std::int64_t value = layout.*degree.member; value != 1) {
      text += fmt::format("{}{}={}", text.empty() ? "" : ",", degree.name, value);
    }
  }
  return text.empty() ? "dp=1" : text;
}

ParallelLayout parse_layout(std::string_view spec, std::int64_t devices) {
  require_devices(devices);
  if (spec.find_first_of("|;") != std::string_view::npos ||
      spec.find("..") != std::string_view::npos) {
    refuse(
        fmt::format("'{}' is a set of layouts; expected exactly one, like 'tp=8,pp=4,dp=2'", spec));
  }
  const std::vector<Choice> choices = choices_from(spec, devices);
  ParallelLayout layout;
  for (const Choice& choice : choices) {
    layout.*choice.degree->member = choice.values.front();
  }
  const bool gives_data = gives_data_degree(choices);
  const auto fitting = data_degree(layout, devices);
  if (!fitting || (gives_data && layout.data != *fitting)) {
    refuse_product(layout, gives_data, devices);
  }
  layout.data = *fitting;
  return layout;
}

std::vector<ParallelLayout> parse_layouts(std::string_view specs, std::int64_t devices) {
  require_devices(devices);
  std::vector<ParallelLayout> layouts;
  std::set<ParallelLayout> seen;
  for (const std::string_view spec : split(specs, ';')) {
    const std::vector<Choice> choices = choices_from(spec, devices);
    const std::vector<ParallelLayout> fitting = Expansion(choices, devices).layouts();
    if (fitting.empty()) {
      refuse(fmt::format("no layout of '{}' has tp*pp*cp*dp={} devices", spec, devices));
    }
    for (const ParallelLayout& layout : fitting) {
      if (seen.insert(layout).second) {
        layouts.push_back(layout);
      }
    }
  }
  return layouts;
}

}  // namespace forerun
