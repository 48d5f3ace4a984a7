// Sets of switches that texts name, joined by "+": "layernorm+mlp_act", "q_proj+v_proj".
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace forerun {

template <class Flags>
struct NamedFlag {
  std::string_view name;
  bool Flags::*member;
};

/// `none` with the named ones set; nothing where a name is not among `known`.
template <class Flags>
[[nodiscard]] std::optional<Flags> flags_from(std::string_view text,
                                              std::span<const NamedFlag<Flags>> known,
                                              Flags none) {
  while (true) {
    const std::size_t plus = text.find('+');
    const auto found = std::ranges::find(known, text.substr(0, plus), &NamedFlag<Flags>::name);
    if (found == known.end()) {
      return std::nullopt;
    }
    none.*found->member = true;
    if (plus == std::string_view::npos) {
      return none;
    }
    text.remove_prefix(plus + 1);
  }
}

/// The way back.
template <class Flags>
[[nodiscard]] std::string names_of(const Flags& flags, std::span<const NamedFlag<Flags>> known) {
  std::string text;
  for (const auto& [name, member] : known) {
    if (flags.*member) {
      text += (text.empty() ? "" : "+") + std::string(name);
    }
  }
  return text;
}

}  // namespace forerun
