// How Megatron-LM's arguments cut the layers into chunks.
#include "estimator/cli/megatron_stages.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "jobs/stage_split.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"

namespace forerun {
namespace {

// "Et*3|(tt|)*29,m|L" spelled out: "Ettt|tt|tt|...|m|L" (Megatron-Core,
// transformer/pipeline_parallel_layer_layout.py): what stands before *N, a letter or a group in
// brackets, N times; commas and blanks mean nothing.
class LayoutText {
 public:
  LayoutText(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {}

  std::string spelled_out() {
    std::string whole = sequence(0);
    if (at_ < text_.size()) {
      fail("a bracket is closed that was not opened");
    }
    return whole;
  }

 private:
  // A hostile count or nesting ends here and not in the memory.
  static constexpr std::size_t longest = 1'000'000;
  static constexpr int deepest = 20;

  [[noreturn]] void fail(std::string_view why) const {
    throw InputError(
        where_,
        fmt::format("'{}' at character {}: {} (expected like Et*3|(tt|)*29,m|L)", text_, at_, why));
  }

  // Nothing a million times is nothing.
  std::string sequence(int depth) {
    std::string all;
    while (at_ < text_.size() && text_[at_] != ')') {
      const std::string one = element(depth);
      const std::int64_t count = times();
      if (all.size() + one.size() * static_cast<std::size_t>(count) > longest) {
        fail("is too long");
      }
      for (std::int64_t i = 0; i < count && !one.empty(); ++i) {
        all += one;
      }
    }
    return all;
  }

  // A letter or a group; nothing of what means nothing.
  std::string element(int depth) {
    const char c = text_[at_];
    ++at_;
    if (c == ',' || c == ' ') {
      return {};
    }
    if (std::string_view("EtmL|").find(c) != std::string_view::npos) {
      return {c};
    }
    if (c != '(' || depth == deepest) {
      fail("is none of E, t, m, L, |, brackets and *N");
    }
    std::string group = sequence(depth + 1);
    if (at_ == text_.size()) {
      fail("a bracket is not closed");
    }
    ++at_;
    return group;
  }

  std::int64_t times() {
    if (at_ == text_.size() || text_[at_] != '*') {
      return 1;
    }
    const std::size_t first = ++at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      ++at_;
    }
    const auto count = parse_whole(text_.substr(first, at_ - first), 1);
    if (!count || *count > static_cast<std::int64_t>(longest)) {
      fail("a count is expected");
    }
    return *count;
  }

  std::string_view text_;
  std::string where_;
  std::size_t at_ = 0;
};

std::string layers_by_chunk(const std::string& spelled) {
  StageSplit split{StageSplit::Kind::listed, 0, 0, {0}};
  for (const char c : spelled) {
    if (c == '|') {
      split.layers.push_back(0);
    } else if (c == 't') {
      ++split.layers.back();
    }
  }
  return text_of(split);
}

// Each stage's layers in equal chunks, in model order.
std::string by_chunk(const std::vector<std::int64_t>& by_stage,
                     std::int64_t chunks,
                     const std::string& where) {
  StageSplit split{StageSplit::Kind::listed, 0, 0, {}};
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    for (std::size_t stage = 0; stage < by_stage.size(); ++stage) {
      if (by_stage[stage] % chunks != 0) {
        throw InputError(where,
                         fmt::format("{} layers of stage {} do not divide by its {} chunks",
                                     by_stage[stage],
                                     stage,
                                     chunks));
      }
      split.layers.push_back(by_stage[stage] / chunks);
    }
  }
  return text_of(split);
}

// Layers of the first and the last stage, the others alike.
std::string by_ends(ForeignSettings& settings, const StatedJob& stated) {
  constexpr const char* first_name = "decoder-first-pipeline-num-layers";
  constexpr const char* last_name = "decoder-last-pipeline-num-layers";
  const auto first = settings.whole(first_name);
  const auto last = settings.whole(last_name);
  const std::string where = settings.where(first ? first_name : last_name);
  const std::int64_t layers = settings.needed("num-layers", "the number of layers");
  if (stated.pipeline > layers || stated.virtual_pipeline > layers / stated.pipeline) {
    throw InputError(where,
                     fmt::format("leaves {} layers for {} x {} chunks, which are fewer",
                                 layers,
                                 stated.pipeline,
                                 stated.virtual_pipeline));
  }
  const std::int64_t inner = stated.pipeline - (first ? 1 : 0) - (last ? 1 : 0);
  const std::int64_t left = layers - first.value_or(0) - last.value_or(0);
  if (left < 0 || inner < 0 || (inner == 0 ? left != 0 : left % inner != 0)) {
    throw InputError(where,
                     fmt::format("leaves {} of {} layers for {} of {} stages, which do not divide",
                                 left,
                                 layers,
                                 inner,
                                 stated.pipeline));
  }
  std::vector<std::int64_t> by_stage(static_cast<std::size_t>(stated.pipeline),
                                     left / std::max<std::int64_t>(inner, 1));
  by_stage.front() = first.value_or(by_stage.front());
  by_stage.back() = last.value_or(by_stage.back());
  return by_chunk(by_stage, stated.virtual_pipeline, where);
}

}  // namespace

std::optional<ForeignSplit> megatron_stage_split(ForeignSettings& settings,
                                                 const StatedJob& stated) {
  const bool counts_embedding = settings.is_on("account-for-embedding-in-pipeline-split");
  const bool counts_head = settings.is_on("account-for-loss-in-pipeline-split");
  if (const auto layout = settings.word("pipeline-model-parallel-layout")) {
    const std::string where = settings.where("pipeline-model-parallel-layout");
    return ForeignSplit{"pipeline-model-parallel-layout",
                        layers_by_chunk(LayoutText(*layout, where).spelled_out())};
  }
  for (const char* name :
       {"decoder-first-pipeline-num-layers", "decoder-last-pipeline-num-layers"}) {
    if (settings.has(name) && stated.pipeline > 1) {
      return ForeignSplit{name, by_ends(settings, stated)};
    }
  }
  if (counts_embedding || counts_head) {
    return ForeignSplit{
        counts_embedding ? "account-for-embedding-in-pipeline-split"
                         : "account-for-loss-in-pipeline-split",
        text_of(StageSplit{
            StageSplit::Kind::counted, counts_embedding ? 1 : 0, counts_head ? 1 : 0, {}})};
  }
  return std::nullopt;
}

}  // namespace forerun
