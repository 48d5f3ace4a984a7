#include "estimator/cli/alike.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "estimator/profile/build_info.hpp"
#include "jobs/read_model.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"

namespace forerun {
namespace {

// FNV-1a.
class Hash {
 public:
  void add(std::string_view bytes) {
    constexpr std::uint64_t prime = 1099511628211ULL;
    for (const char byte : bytes) {
      hash_ = (hash_ ^ static_cast<unsigned char>(byte)) * prime;
    }
  }

  void add_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::array<char, 65536> piece{};
    while (file.read(piece.data(), piece.size()) || file.gcount() > 0) {
      add({piece.data(), static_cast<std::size_t>(file.gcount())});
    }
  }

  [[nodiscard]] std::string text() const { return fmt::format("{:016x}", hash_); }

 private:
  std::uint64_t hash_ = 14695981039346656037ULL;
};

// Of the program and the modules beside it: two builds of one revision differ too.
std::string program_hash() {
  Hash hash;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe");
  hash.add_file(program);
  for (const char* const module :
       {"forerun_mpi.so", "forerun_nccl.so", "forerun_host.so", "forerun_cuda.so"}) {
    hash.add_file(program.parent_path() / module);
  }
  return hash.text();
}

// Names with what stands behind them: a file of one name may differ from node to node.
std::string models_of(const Options& options) {
  std::vector<std::string> models;
  for (const std::string& name : options.models) {
    if (options.stated_model && options.stated_model->name == name) {
      models.push_back(name);
      continue;
    }
    Hash hash;
    hash.add(model_text(name).text);
    models.push_back(fmt::format("{} (content {})", name, hash.text()));
  }
  return fmt::format("{}", fmt::join(models, " "));
}

std::string text_of(const std::string& value) {
  return value;
}

std::string text_of(const LoraTargets& targets) {
  return names_of(targets);
}

template <typename Value>
std::string shown(const std::optional<Value>& value) {
  if (!value) {
    return "nothing";
  }
  if constexpr (std::is_enum_v<Value>) {
    return fmt::format("choice {}", static_cast<int>(*value));
  } else if constexpr (std::is_arithmetic_v<Value>) {
    return fmt::format("{}", *value);
  } else {
    return text_of(*value);
  }
}

// As --fsdp takes it: 0 stands for all copies.
std::string shown_shard_group(const Options& options) {
  const auto& group = options.shard_group;
  return group && *group == 0 ? "full" : group ? fmt::format("hsdp:{}", *group) : shown(group);
}

using Fields = std::vector<std::pair<std::string, std::string>>;

Fields fields_of(const Options& options) {
  std::vector<std::string> kernels;
  for (const KernelKey& key : options.kernels) {
    kernels.push_back(text_of(key));
  }
  return {{"the verb", std::string(name_of(options.verb))},
          {"--layout", shown(options.layout)},
          {"--model", models_of(options)},
          {"--device", shown(options.device)},
          {"--devices", shown(options.devices)},
          {"--cluster", shown(options.cluster)},
          {"--rank-order", text_of(options.rank_order)},
          {"--batch", shown(options.batch)},
          {"--micro-batch", shown(options.micro_batch)},
          {"--seq", shown(options.sequence)},
          {"--precision", shown(options.precision)},
          {"--recompute", shown(options.recompute)},
          {"--tuning", shown(options.tuning)},
          {"--lora-rank", shown(options.lora_rank)},
          {"--lora-targets", shown(options.lora_targets)},
          {"--cp-kind", shown(options.context_kind)},
          {"--ep-kind", shown(options.expert_dispatch)},
          {"--expert-load", shown(options.expert_load)},
          {"--stage-layers", shown(options.stage_split)},
          {"--schedule", shown(options.schedule)},
          {"--sp", shown(options.sequence_parallel)},
          {"--zero", shown(options.zero)},
          {"--fsdp", shown_shard_group(options)},
          {"--overlap", shown(options.overlap)},
          {"--decode", options.decode ? "on" : "off"},
          {"--steps", std::to_string(options.steps)},
          {"--layers", shown(options.layers)},
          {"--hold-out", std::to_string(options.hold_out)},
          {"--kernel", fmt::format("{}", fmt::join(kernels, ", "))},
          {"--kernels-only", options.kernels_only ? "on" : "off"},
          {"--comm-only", options.comm_only ? "on" : "off"},
          {"--resume", options.resume ? "on" : "off"},
          {"--time-budget", shown(options.time_budget)},
          {"--out", shown(options.out)},
          {"--seed", std::to_string(options.seed)}};
}

// Throws for the first rank whose text is not rank 0's.
void require_equal(const std::string& name,
                   const std::vector<std::string>& texts,
                   const std::vector<std::string>& hosts,
                   const char* advice) {
  for (std::size_t rank = 1; rank < texts.size(); ++rank) {
    if (texts[rank] != texts.front()) {
      throw InputError(name,
                       fmt::format("rank {} on {} has {}, rank 0 on {} has {} ({})",
                                   rank,
                                   hosts[rank],
                                   texts[rank],
                                   hosts.front(),
                                   texts.front(),
                                   advice));
    }
  }
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

void require_alike(Communicator& world, const std::string& host, const Options& options) {
  const auto hosts = world.all_gather_text(host);
  require_equal("forerun",
                world.all_gather_text(fmt::format("{} file {}", version_text(), program_hash())),
                hosts,
                "start the same file on every rank");
  const Fields fields = fields_of(options);
  std::string mine;
  for (const auto& [name, value] : fields) {
    mine += value + "\n";
  }
  // One exchange for all; the same build has the same fields in the same order.
  std::vector<std::vector<std::string>> all;
  for (const std::string& text : world.all_gather_text(mine)) {
    all.push_back(lines_of(text));
  }
  for (std::size_t i = 0; i < fields.size(); ++i) {
    std::vector<std::string> values;
    values.reserve(all.size());
    for (const auto& lines : all) {
      values.push_back(i < lines.size() ? lines[i] : "");
    }
    require_equal(fields[i].first, values, hosts, "give every rank the same options");
  }
}

}  // namespace forerun
