#include "jobs/offload.hpp"

#include <array>

#include "jobs/named_flags.hpp"

namespace forerun {
namespace {

constexpr auto parts = std::to_array<NamedFlag<Offload>>({
    {"activations", &Offload::activations},
    {"optimizer", &Offload::optimizer},
    {"weights", &Offload::weights},
});

}  // namespace

std::optional<Offload> offload_from(std::string_view text) {
  return text == "none" ? Offload{} : flags_from<Offload>(text, parts, {}, ',');
}

std::string text_of(const Offload& offload) {
  return offload.any() ? names_of<Offload>(offload, parts, ",") : "none";
}

std::vector<Offload> every_offload() {
  std::vector<Offload> all;
  for (const bool activations : {false, true}) {
    for (const bool optimizer : {false, true}) {
      for (const bool weights : {false, true}) {
        all.push_back({activations, optimizer, weights});
      }
    }
  }
  return all;
}

}  // namespace forerun
