// Job files of other frameworks: Megatron-LM's arguments, torchtitan's TOML, NeMo's YAML.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "estimator/cli/foreign_settings.hpp"
#include "estimator/cli/job_file.hpp"
#include "jobs/model_shape.hpp"
#include "jobs/software.hpp"

namespace forerun {

enum class JobFormat { ours, megatron, torchtitan, nemo };

/// By the file's ending and what it holds: .yaml and .yml are NeMo's, a TOML with the tables of
/// torchtitan torchtitan's, a text with a line or command of --options Megatron-LM's.
[[nodiscard]] JobFormat job_format_of(std::string_view path, std::string_view text);

/// What a file of another framework comes to in our options.
struct ForeignJob {
  std::vector<JobFileEntry> entries;
  /// Where it is stated by its dimensions; else an entry. Vocabulary 0: not stated.
  std::optional<ModelShape> model;
  std::optional<Software> software;  ///< with the overlap that the file asks for
  bool keeps_gathered_weights = false;
  bool blocks_launches = false;     ///< CUDA_LAUNCH_BLOCKING=1 where the job is launched
  std::vector<std::string> notes;   ///< what is taken for what
  std::vector<std::string> unread;  ///< settings that were not understood or play no part
};

/// Degrees as a file states them; 0: not said.
struct StatedJob {
  std::int64_t tensor = 1, context = 1, pipeline = 1, virtual_pipeline = 1, expert = 1;
  std::int64_t expert_tensor = 1, data = 0;
  std::int64_t devices = 0, micro_batch = 0, batch = 0, sequence = 0;  ///< sequences, tokens
  double steps = 0.0;                                                  ///< of the run
  double samples = 0.0;  ///< of the run, where steps are not said
};

/// Entries for layout, devices, batch, micro-batch, seq and tokens, in `job`. Fills in dp from the
/// devices, or the devices from dp, and a batch of one micro-batch a replica.
void add_stated(StatedJob stated, const std::string& where, ForeignJob& job);

/// Throws InputError with file and line or name. Spellings: megatron/training/arguments.py and
/// megatron/core/transformer/transformer_config.py of Megatron-LM; torchtitan/config/job_config.py
/// of torchtitan before it moved from TOML to Python; the examples/nlp/language_modeling/conf of
/// NeMo 1.
/// `devices`: that the job uses, where the file is not asked; 0: not said.
[[nodiscard]] ForeignJob read_megatron_job(std::string_view text,
                                           const std::string& where,
                                           std::int64_t devices = 0);
[[nodiscard]] ForeignJob read_torchtitan_job(std::string_view text,
                                             const std::string& where,
                                             std::int64_t devices = 0);
[[nodiscard]] ForeignJob read_nemo_job(std::string_view text, const std::string& where);

[[nodiscard]] ForeignJob read_foreign_job(JobFormat format,
                                          std::string_view text,
                                          const std::string& where,
                                          std::int64_t devices = 0);

/// The model that arguments of Megatron-Core describe. `settings` by the names of Megatron's
/// arguments without dashes, which NeMo's names are turned into.
[[nodiscard]] ModelShape megatron_model(ForeignSettings& settings, std::vector<std::string>& notes);

/// Megatron's and NeMo's recomputation in ours; nothing for none.
[[nodiscard]] std::optional<std::string> megatron_recompute(ForeignSettings& settings,
                                                            std::vector<std::string>& notes);

}  // namespace forerun
