// Names, text form and wire volume of collectives.
#include "comm/collective_key.hpp"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace forerun {
namespace {

constexpr auto collective_names = std::to_array<std::pair<Collective, std::string_view>>({
    {Collective::all_reduce, "all_reduce"},
    {Collective::all_gather, "all_gather"},
    {Collective::reduce_scatter, "reduce_scatter"},
    {Collective::broadcast, "broadcast"},
    {Collective::all_to_all, "all_to_all"},
    {Collective::send_recv, "send_recv"},
});

// Takes the first word off `text`.
std::string_view next_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  if (!text.empty()) {
    text.remove_prefix(1);
  }
  return word;
}

// The number of the word "name=number"; nothing if it is another word.
std::optional<std::int64_t> field(std::string_view& text, std::string_view name) {
  std::string_view word = next_word(text);
  if (!word.starts_with(name) || word.size() <= name.size() || word[name.size()] != '=') {
    return std::nullopt;
  }
  word.remove_prefix(name.size() + 1);
  std::int64_t value = 0;
  const char* const end = word.data() + word.size();
  const auto [next, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc() || next != end) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<Collective> collective_from(std::string_view name) {
  for (const auto& [value, known] : collective_names) {
    if (known == name) {
      return value;
    }
  }
  return std::nullopt;
}

std::string_view name_of(Collective op) {
  for (const auto& [value, name] : collective_names) {
    if (value == op) {
      return name;
    }
  }
  return {};
}

std::string text_of(const CollectiveKey& key) {
  return fmt::format("{} {} bytes={} ranks={} ranks_per_node={} concurrent={}",
                     name_of(key.op),
                     name_of(key.type),
                     key.bytes,
                     key.group.ranks,
                     key.group.ranks_per_node,
                     key.group.concurrent);
}

std::optional<CollectiveKey> collective_key_from(std::string_view text) {
  const auto op = collective_from(next_word(text));
  const auto type = data_type_from(next_word(text));
  const auto bytes = field(text, "bytes");
  const auto ranks = field(text, "ranks");
  const auto ranks_per_node = field(text, "ranks_per_node");
  const auto concurrent = field(text, "concurrent");
  if (!op || !type || !bytes || !ranks || !ranks_per_node || !concurrent || !text.empty()) {
    return std::nullopt;
  }
  return CollectiveKey{*op, *bytes, *type, {*ranks, *ranks_per_node, *concurrent}};
}

bool reduces(Collective op) {
  return op == Collective::all_reduce || op == Collective::reduce_scatter;
}

double wire_bytes(const CollectiveKey& key) {
  if (key.group.ranks <= 1) {
    return 0.0;
  }
  const auto ranks = static_cast<double>(key.group.ranks);
  const auto full = static_cast<double>(key.bytes);
  // A rank keeps its own 1/n of the tensor.
  const double all_but_own = (ranks - 1.0) / ranks * full;
  switch (key.op) {
    case Collective::all_reduce:
      return 2.0 * all_but_own;  // reduce-scatter, then all-gather
    case Collective::all_gather:
    case Collective::reduce_scatter:
    case Collective::all_to_all:
      return all_but_own;
    case Collective::broadcast:
    case Collective::send_recv:
      return full;
  }
  return 0.0;
}

double ring_steps(const CollectiveKey& key) {
  if (key.group.ranks <= 1) {
    return 0.0;
  }
  const auto others = static_cast<double>(key.group.ranks - 1);
  switch (key.op) {
    case Collective::all_reduce:
      return 2.0 * others;
    case Collective::all_gather:
    case Collective::reduce_scatter:
    case Collective::all_to_all:
      return others;
    case Collective::broadcast:
    case Collective::send_recv:
      return 1.0;
  }
  return 0.0;
}

}  // namespace forerun
