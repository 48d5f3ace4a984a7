// The text form of a rank order: "tp-cp-ep-dp-pp".
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "comm/process_grid.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

constexpr auto words = std::to_array<std::pair<GridDimension, std::string_view>>({
    {GridDimension::tensor, "tp"},
    {GridDimension::context, "cp"},
    {GridDimension::expert, "ep"},
    {GridDimension::data, "dp"},
    {GridDimension::pipeline, "pp"},
});

[[noreturn]] void refuse(std::string_view where, std::string_view text, std::string_view why) {
  throw InputError(std::string(where),
                   fmt::format("'{}' {} (expected tp, cp, ep, dp and pp once each, innermost "
                               "first, joined by '-', like tp-cp-ep-dp-pp)",
                               text,
                               why));
}

}  // namespace

RankOrder rank_order_from(std::string_view text, std::string_view where) {
  RankOrder order{};
  std::size_t filled = 0;
  std::string_view rest = text;
  while (true) {
    const std::string_view word = rest.substr(0, rest.find('-'));
    const auto* const known =
        std::ranges::find(words, word, &std::pair<GridDimension, std::string_view>::second);
    if (known == words.end()) {
      refuse(where, text, fmt::format("holds '{}'", word));
    }
    const auto* const end = order.begin() + filled;
    if (filled == order.size() ||
        std::find(std::as_const(order).begin(), end, known->first) != end) {
      refuse(where, text, fmt::format("names {} twice", word));
    }
    order[filled++] = known->first;
    if (word.size() == rest.size()) {
      break;
    }
    rest.remove_prefix(word.size() + 1);
  }
  if (filled != order.size()) {
    refuse(where, text, fmt::format("names {} dimensions", filled));
  }
  return order;
}

std::string text_of(const RankOrder& order) {
  std::string text;
  for (const GridDimension dimension : order) {
    const auto* const known =
        std::ranges::find(words, dimension, &std::pair<GridDimension, std::string_view>::first);
    text.append(text.empty() ? "" : "-").append(known->second);
  }
  return text;
}

}  // namespace forerun
