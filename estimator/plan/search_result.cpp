#include "estimator/plan/search_result.hpp"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr auto names = std::to_array<std::string_view>({"heads",
                                                        "ffn",
                                                        "experts",
                                                        "layers",
                                                        "schedule",
                                                        "stages",
                                                        "recompute",
                                                        "batch",
                                                        "sharding",
                                                        "sequence",
                                                        "not_modelled",
                                                        "duplicate",
                                                        "memory",
                                                        "lower_bound"});
static_assert(names.size() == reject_count);

void keep_least(std::map<LayoutShape, PricedCandidate>& by_shape, const PricedCandidate& priced) {
  const auto [found, is_new] = by_shape.try_emplace(shape_of(priced.candidate.layout), priced);
  if (!is_new && priced < found->second) {
    found->second = priced;
  }
}

void write(const PricedCandidate& priced, std::ostream& out) {
  const Candidate& one = priced.candidate;
  const ParallelLayout& layout = one.layout;
  out << priced.step_time.in(unit::second) << ' ' << priced.memory.in(unit::byte);
  for (const std::int64_t degree : {layout.tensor,
                                    layout.pipeline,
                                    layout.virtual_pipeline,
                                    layout.context,
                                    layout.expert,
                                    layout.expert_tensor,
                                    layout.data,
                                    one.micro_batch,
                                    one.recomputed_layers,
                                    one.sharding.group}) {
    out << ' ' << degree;
  }
  for (const int choice : {static_cast<int>(one.schedule),
                           static_cast<int>(one.sequence_parallel),
                           static_cast<int>(one.sharding.zero),
                           static_cast<int>(one.recompute),
                           one.modules,
                           static_cast<int>(one.overlap),
                           one.stage_split,
                           one.offload.activations ? 1 : 0,
                           one.offload.optimizer ? 1 : 0,
                           one.offload.weights ? 1 : 0}) {
    out << ' ' << choice;
  }
  out << ' ' << one.recomputed_by_stage.size();
  for (const std::int64_t layers : one.recomputed_by_stage) {
    out << ' ' << layers;
  }
  out << '\n';
}

template <class Choice>
void read_choice(std::istream& in, Choice& choice) {
  int value = 0;
  in >> value;
  choice = static_cast<Choice>(value);
}

PricedCandidate read_candidate(std::istream& in) {
  // Hexadecimal floats are written, which streams do not read.
  std::string time;
  std::string memory;
  PricedCandidate priced;
  Candidate& one = priced.candidate;
  ParallelLayout& layout = one.layout;
  in >> time >> memory;
  priced.step_time = std::stod(time) * unit::second;
  priced.memory = std::stod(memory) * unit::byte;
  for (std::int64_t* const degree : {&layout.tensor,
                                     &layout.pipeline,
                                     &layout.virtual_pipeline,
                                     &layout.context,
                                     &layout.expert,
                                     &layout.expert_tensor,
                                     &layout.data,
                                     &one.micro_batch,
                                     &one.recomputed_layers,
                                     &one.sharding.group}) {
    in >> *degree;
  }
  read_choice(in, one.schedule);
  read_choice(in, one.sequence_parallel);
  read_choice(in, one.sharding.zero);
  read_choice(in, one.recompute);
  in >> one.modules;
  read_choice(in, one.overlap);
  in >> one.stage_split;
  read_choice(in, one.offload.activations);
  read_choice(in, one.offload.optimizer);
  read_choice(in, one.offload.weights);
  std::size_t stages = 0;
  in >> stages;
  one.recomputed_by_stage.resize(stages);
  for (std::int64_t& layers : one.recomputed_by_stage) {
    in >> layers;
  }
  return priced;
}

}  // namespace

std::string_view name_of(Reject reject) {
  return names.at(static_cast<std::size_t>(reject));
}

void SearchResult::keep(const PricedCandidate& priced) {
  keep_least(best, priced);
  // The front is fastest first and so largest first.
  const auto at = std::ranges::lower_bound(front, priced);
  if (at != front.begin() && std::prev(at)->memory <= priced.memory) {
    return;
  }
  const auto beaten =
      std::find_if(at, front.end(), [&](const auto& one) { return one.memory < priced.memory; });
  if (beaten == at) {
    front.insert(at, priced);
  } else {
    *at = priced;
    front.erase(std::next(at), beaten);
  }
}

void SearchResult::keep_too_large(const PricedCandidate& priced) {
  keep_least(smallest, priced);
}

void SearchResult::merge(const SearchResult& other) {
  enumerated += other.enumerated;
  evaluated += other.evaluated;
  for (std::size_t rule = 0; rule < rejected.size(); ++rule) {
    rejected.at(rule) += other.rejected.at(rule);
  }
  for (const auto& [reason, count] : other.not_modelled) {
    not_modelled[reason] += count;
  }
  for (const auto& [shape, priced] : other.best) {
    keep_least(best, priced);
  }
  for (const PricedCandidate& priced : other.front) {
    keep(priced);
  }
  for (const auto& [shape, priced] : other.smallest) {
    keep_least(smallest, priced);
  }
}

std::vector<PricedCandidate> fastest(const SearchResult& result, std::size_t count) {
  std::vector<PricedCandidate> all;
  for (const auto& [shape, priced] : result.best) {
    all.push_back(priced);
  }
  std::ranges::sort(all);
  all.resize(std::min(all.size(), count));
  return all;
}

std::string to_text(const SearchResult& result) {
  std::ostringstream out;
  out << std::hexfloat << result.enumerated << ' ' << result.evaluated;
  for (const std::int64_t count : result.rejected) {
    out << ' ' << count;
  }
  out << ' ' << result.not_modelled.size() << '\n';
  for (const auto& [reason, count] : result.not_modelled) {
    out << count << ' ' << std::quoted(reason) << '\n';
  }
  for (const auto* const by_shape : {&result.best, &result.smallest}) {
    out << by_shape->size() << '\n';
    for (const auto& [shape, priced] : *by_shape) {
      write(priced, out);
    }
  }
  out << result.front.size() << '\n';
  for (const PricedCandidate& priced : result.front) {
    write(priced, out);
  }
  return out.str();
}

SearchResult search_result_from(const std::string& text) {
  std::istringstream in(text);
  SearchResult result;
  std::size_t count = 0;
  in >> result.enumerated >> result.evaluated;
  for (std::int64_t& rejected : result.rejected) {
    in >> rejected;
  }
  in >> count;
  for (std::size_t i = 0; i < count; ++i) {
    std::int64_t times = 0;
    std::string reason;
    in >> times >> std::quoted(reason);
    result.not_modelled[reason] = times;
  }
  for (auto* const by_shape : {&result.best, &result.smallest}) {
    in >> count;
    for (std::size_t i = 0; i < count; ++i) {
      const PricedCandidate priced = read_candidate(in);
      by_shape->emplace(shape_of(priced.candidate.layout), priced);
    }
  }
  in >> count;
  for (std::size_t i = 0; i < count; ++i) {
    result.front.push_back(read_candidate(in));
  }
  return result;
}

}  // namespace forerun
