// Sets of switches that texts name, joined by a sign: "layernorm+mlp_act", "q_proj+v_proj".
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
                                              Flags none,
                                              char sign = '+') {
  while (true) {
    const std::size_t end = text.find(sign);
    const auto found = std::ranges::find(known, text.substr(0, end), &NamedFlag<Flags>::name);
    if (found == known.end()) {
      return std::nullopt;
    }
    none.*found->member = true;
    if (end == std::string_view::npos) {
      return none;
    }
    text.remove_prefix(end + 1);
  }
}

/// The way back.
template <class Flags>
[[nodiscard]] std::string names_of(const Flags& flags,
                                   std::span<const NamedFlag<Flags>> known,
                                   const char* sign = "+") {
  std::string text;
  for (const auto& [name, member] : known) {
    if (flags.*member) {
      text += (text.empty() ? "" : sign) + std::string(name);
    }
  }
  return text;
}

}  // namespace forerun
