// The options of `capacity`: what is asked of the served model, and of whom it is compared with.
#include <algorithm>
#include <iterator>

#include "estimator/cli/option_row.hpp"
#include "jobs/read_model.hpp"

namespace forerun {
namespace {

// A row whose value goes into a member of a member.
template <class Parse, class Group, class Member>
OptionRow nested_row(AboutRow about,
                     std::string placeholder,
                     Parse parse,
                     Group Options::*group,
                     Member Group::*member) {
  OptionRow row = row_about(std::move(about));
  row.placeholder = std::move(placeholder);
  row.assign = [parse, group, member](Options& options, const OptionValue& value) {
    options.*group.*member = parse(value);
  };
  return row;
}

OptionRow serving_row() {
  const std::vector<std::string> words{"continuous", "disaggregated"};
  OptionRow row = row_about({"serving",
                             {Verb::capacity},
                             "prompts and decoding on the same replicas, or in two pools",
                             "continuous"});
  row.placeholder = "continuous|disaggregated";
  row.words = words;
  row.assign = [words](Options& options, const OptionValue& value) {
    options.serving = word_index(value, words) == 0 ? Serving::continuous : Serving::disaggregated;
  };
  return row;
}

std::vector<OptionRow> draft_rows(const std::vector<Verb>& capacity) {
  return {
      named(value_row(
                {"draft",
                 capacity,
                 "speculative decoding: the model that proposes tokens, or ngram for copies of the "
                 "text so far",
                 ""},
                "NAME|config.json|ngram",
                nonempty_text,
                &Options::draft),
            catalog_models),
      value_row({"draft-tokens", capacity, "tokens proposed in a round", "4"},
                "N",
                whole_number,
                &Options::draft_tokens),
      value_row({"acceptance", capacity, "chance that a proposed token is kept", "80%"},
                "PERCENT",
                fraction,
                &Options::acceptance),
  };
}

}  // namespace

std::vector<OptionRow> capacity_rows() {
  const std::vector<Verb> capacity{Verb::capacity};
  std::vector<OptionRow> rows{
      nested_row({"input-len", capacity, "tokens of a request's prompt, mean", "1024"},
                 "N",
                 whole_number,
                 &Options::workload,
                 &Workload::input_tokens),
      nested_row({"output-len", capacity, "tokens generated for a request, mean", "1024"},
                 "N",
                 whole_number,
                 &Options::workload,
                 &Workload::output_tokens),
      nested_row({"ttft", capacity, "longest mean time to first token: 500ms", ""},
                 "TIME",
                 duration,
                 &Options::workload,
                 &Workload::ttft),
      nested_row({"tpot", capacity, "longest mean time per output token: 50ms", ""},
                 "TIME",
                 duration,
                 &Options::workload,
                 &Workload::tpot),
      nested_row({"max-batched-tokens", capacity, "tokens that one pass takes at most", "8192"},
                 "N",
                 whole_number,
                 &Options::workload,
                 &Workload::pass_tokens),
      serving_row(),
      value_row({"kv-precision",
                 capacity,
                 "number format of keys and values: bf16, fp16, fp32, fp8, int8",
                 "fp8 with fp8, mxfp8 and nvfp4; else 16 bits"},
                "NAME",
                cache_precision,
                &Options::cache_precision),
      nested_row({"words-per-minute", capacity, "words that a person thinks in a minute", "380"},
                 "N",
                 positive_number,
                 &Options::person,
                 &Person::words_per_minute),
      nested_row({"tokens-per-word", capacity, "tokens of a word", "1.333"},
                 "N",
                 positive_number,
                 &Options::person,
                 &Person::tokens_per_word),
      value_row({"mfu",
                 capacity,
                 "utilisation in training, at which the count by FLOP takes serving to run: 40%",
                 "37.5%"},
                "PERCENT",
                fraction,
                &Options::training_mfu),
  };
  std::ranges::move(draft_rows(capacity), std::back_inserter(rows));
  return rows;
}

}  // namespace forerun
