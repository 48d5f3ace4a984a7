// The spellings of the choices of a recipe.
#include "jobs/recipe.hpp"

#include <array>
#include <span>
#include <utility>

namespace forerun {
namespace {

template <typename Choice>
using Spelling = std::pair<Choice, std::string_view>;

constexpr auto precisions = std::to_array<Spelling<Precision>>({
    {Precision::bf16, "bf16"},
    {Precision::fp16, "fp16"},
    {Precision::fp32, "fp32"},
    {Precision::fp8, "fp8"},
    {Precision::mxfp8, "mxfp8"},
    {Precision::nvfp4, "nvfp4"},
});
constexpr auto recomputes = std::to_array<Spelling<Recompute>>({
    {Recompute::none, "none"},
    {Recompute::selective, "selective"},
    {Recompute::full, "full"},
});
constexpr auto schedules = std::to_array<Spelling<Schedule>>({
    {Schedule::gpipe, "gpipe"},
    {Schedule::one_f_one_b, "1f1b"},
    {Schedule::interleaved, "interleaved"},
});

template <typename Choice>
std::string_view spelling_of(Choice choice, std::span<const Spelling<Choice>> spellings) {
  for (const auto& [known, name] : spellings) {
    if (known == choice) {
      return name;
    }
  }
  return {};
}

template <typename Choice>
std::optional<Choice> choice_of(std::string_view name,
                                std::span<const Spelling<Choice>> spellings) {
  for (const auto& [choice, known] : spellings) {
    if (known == name) {
      return choice;
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(Precision precision) {
  return spelling_of<Precision>(precision, precisions);
}

std::string_view name_of(Recompute recompute) {
  return spelling_of<Recompute>(recompute, recomputes);
}

std::string_view name_of(Schedule schedule) {
  return spelling_of<Schedule>(schedule, schedules);
}

std::optional<Precision> precision_from(std::string_view name) {
  return choice_of<Precision>(name, precisions);
}

std::optional<Recompute> recompute_from(std::string_view name) {
  return choice_of<Recompute>(name, recomputes);
}

std::optional<Schedule> schedule_from(std::string_view name) {
  return choice_of<Schedule>(name, schedules);
}

}  // namespace forerun
