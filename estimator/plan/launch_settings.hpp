// Lines of another framework's settings, and comments on what it has no setting for.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "estimator/step/part_cost.hpp"
#include "jobs/job.hpp"

namespace forerun {

class LaunchSettings {
 public:
  explicit LaunchSettings(std::string comment) : comment_(std::move(comment)) {}

  void add(const std::string& line) { lines_ += line + "\n"; }

  void lack(const std::string& what) { lacking_ += comment_ + " no setting for " + what + "\n"; }

  [[nodiscard]] std::string text() const { return lines_ + lacking_; }

 private:
  std::string comment_;
  std::string lines_;
  std::string lacking_;
};

/// One function a framework, each in a file of its own.
[[nodiscard]] std::string megatron_settings(const Job& job, Overlap overlap);
[[nodiscard]] std::string torchtitan_settings(const Job& job, Overlap overlap);
[[nodiscard]] std::string nemo_settings(const Job& job, Overlap overlap);

/// Of the fullest chunk, the ends counted where they count as a layer each.
[[nodiscard]] std::int64_t layers_per_chunk(const Job& job);
/// Whether embedding and head count as a layer each (assign_layers).
[[nodiscard]] bool counts_ends(const Job& job);

/// Says which offloaded kinds but those of `said` the framework has no setting for.
void lack_offload(const Offload& offload, const Offload& said, LaunchSettings& settings);

/// Says that there is none for tensor ranks that share a key-value head, if some do.
void lack_shared_heads(const Job& job, LaunchSettings& settings);

/// Says that there is none for the teacher, if there is one.
void lack_teacher(const Job& job, LaunchSettings& settings);

/// The model's dimensions as Megatron-LM's arguments, or as settings of NeMo's `model`; where the
/// framework's own decoder is another model, a comment that says in what.
void add_megatron_model(const ModelShape& model, LaunchSettings& settings);
void add_nemo_model(const ModelShape& model, LaunchSettings& settings);

}  // namespace forerun
