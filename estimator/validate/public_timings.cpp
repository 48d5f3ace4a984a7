#include "estimator/validate/public_timings.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "estimator/validate/csv_table.hpp"
#include "kernels/kernel_cost.hpp"
#include "topologies/median.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

KernelKey product(
    DataType type, std::int64_t m, std::int64_t n, std::int64_t k, GemmLayout layout) {
  return {KernelOp::gemm, type, GemmShape{m, n, k, layout, GemmOutput::store}};
}

struct LinearLayer {
  std::string column;
  std::int64_t n = 0;
  std::int64_t k = 0;
};

// The linear layers of one rank; key-value heads are repeated where there are fewer than ranks.
std::array<LinearLayer, 4> linear_layers(const CsvTable& table, std::size_t row) {
  const std::int64_t ranks = table.needed_count(row, "num_tensor_parallel_workers");
  const std::int64_t heads = table.needed_count(row, "n_head");
  const std::int64_t hidden = table.needed_count(row, "n_embd");
  if (ranks < 1 || heads < ranks || hidden < heads) {
    throw InputError(table.place(row), "the heads or ranks of this row make no model");
  }
  const std::int64_t head_size = hidden / heads;
  const std::int64_t kv = std::max<std::int64_t>(1, table.needed_count(row, "n_kv_head") / ranks);
  const std::int64_t inner = table.needed_count(row, "n_expanded_embd") / ranks;
  const std::int64_t gates = table.text(row, "use_gated_mlp") == "True" ? 2 : 1;
  return {{{"attn_pre_proj", (heads / ranks + 2 * kv) * head_size, hidden},
           {"attn_post_proj", hidden, heads / ranks * head_size},
           {"mlp_up_proj", gates * inner, hidden},
           {"mlp_down_proj", hidden, inner}}};
}

std::optional<DataType> type_of(const std::string& precision) {
  if (precision == "fp16/bf16") {
    return DataType::bf16;
  }
  return precision == "fp8" ? DataType::fp8_e4m3 : data_type_from(precision);
}

GemmLayout layout_of(const std::string& direction) {
  if (direction == "dgrad") {
    return GemmLayout::nn;
  }
  return direction == "wgrad" ? GemmLayout::tn : GemmLayout::nt;
}

std::optional<Seconds> time_of(const CsvTable& table, std::size_t row, Flops flop) {
  if (const auto microseconds = table.number(row, "time_us")) {
    return *microseconds * unit::microsecond;
  }
  if (const auto rate = table.number(row, "tflops")) {
    return flop / (*rate * unit::teraflop / unit::second);
  }
  return std::nullopt;
}

void read_product(const CsvTable& table, std::size_t row, DataType type, PublicTiming& timing) {
  const std::int64_t n = table.needed_count(row, "n");
  const std::int64_t k = table.needed_count(row, "k");
  timing.key =
      product(type, table.needed_count(row, "m"), n, k, layout_of(table.text(row, "direction")));
  timing.family = fmt::format("n={} k={}", n, k);
}

// Tables print the rows of one group, all alike.
void read_grouped(const CsvTable& table, std::size_t row, DataType type, PublicTiming& timing) {
  const std::int64_t groups = table.needed_count(row, "groups");
  const std::int64_t rows = table.needed_count(row, "m");
  const std::int64_t n = table.needed_count(row, "n");
  const std::int64_t k = table.needed_count(row, "k");
  const GemmLayout layout = layout_of(table.text(row, "direction"));
  timing.key = {
      KernelOp::grouped_gemm,
      type,
      GroupedGemmShape{groups,
                       groups * rows,
                       rows,
                       n,
                       k,
                       layout,
                       layout == GemmLayout::tn ? GemmOutput::accumulate_fp32 : GemmOutput::store}};
  timing.family = fmt::format("n={} k={}", n, k);
}

// Forward and backward together are one kernel of their own kind here: 3.5 times the forward FLOP.
Flops read_attention(const CsvTable& table, std::size_t row, DataType type, PublicTiming& timing) {
  const bool is_forward = table.text(row, "direction") == "fwd";
  const std::int64_t heads = table.needed_count(row, "heads");
  AttentionKeyShape shape{
      .batch = table.needed_count(row, "batch"),
      .length = table.needed_count(row, "seq_len"),
      .heads = heads,
      .kv_heads = table.text(row, "kv_heads").empty() ? heads : table.needed_count(row, "kv_heads"),
      .head_size = table.needed_count(row, "head_dim")};
  shape.mask = table.text(row, "causal") == "true" ? Mask::causal : Mask::full;
  const Flops forward = hardware_flops({KernelOp::attention_forward, type, shape});
  timing.key = {
      is_forward ? KernelOp::attention_forward : KernelOp::attention_backward, type, shape};
  // Where heads, sizes and token count are one throughout, a whole length is left out.
  timing.family = fmt::format("length={} heads={}", shape.length, heads);
  return is_forward ? forward : 3.5 * forward;
}

PublicTiming read_kernel(const CsvTable& table, std::size_t row) {
  PublicTiming timing;
  timing.id = table.text(row, "id");
  const std::string& kernel = table.text(row, "kernel");
  const std::string& source = table.text(row, "source");
  timing.table = fmt::format("{} {} {} {}",
                             source.substr(0, source.find(' ')),
                             table.text(row, "gpu"),
                             table.text(row, "precision"),
                             kernel.substr(0, kernel.find(' ')));
  timing.gpu = table.text(row, "gpu");
  timing.is_both_passes = table.text(row, "direction") == "fwd+bwd";
  timing.includes_casts = source.starts_with("ai-dynamo") && table.text(row, "precision") == "fp8";
  if (source.starts_with("flash-attention")) {
    timing.table += fmt::format(" {} {}", table.text(row, "impl"), table.text(row, "direction"));
  }
  const auto type = type_of(table.text(row, "precision"));
  const bool is_product = kernel == "gemm" || kernel.starts_with("gemm ");
  if (!type) {
    timing.skip_reason = "unknown precision '" + table.text(row, "precision") + "'";
  } else if (is_product && !table.text(row, "m").empty()) {
    read_product(table, row, *type, timing);
    timing.time = time_of(table, row, hardware_flops(timing.key)).value_or(Seconds());
  } else if (kernel == "grouped gemm" && table.has("groups") &&
             !table.text(row, "groups").empty()) {
    read_grouped(table, row, *type, timing);
    timing.time = time_of(table, row, hardware_flops(timing.key)).value_or(Seconds());
  } else if (kernel == "attention") {
    const Flops flop = read_attention(table, row, *type, timing);
    timing.time = time_of(table, row, flop).value_or(Seconds());
  } else {
    timing.skip_reason = "'" + kernel + "' without a whole shape is not compared";
  }
  if (timing.skip_reason.empty() && !(timing.time > Seconds())) {
    timing.skip_reason = "has neither time_us nor tflops";
  }
  return timing;
}

}  // namespace

std::vector<PublicTiming> read_vidur_table(const std::string& path) {
  const CsvTable table = CsvTable::read(path);
  const std::string name = std::filesystem::path(path).stem().string();
  const auto gpu_first = name.find('-') + 1;
  const auto gpu_last = name.find('-', gpu_first);
  const std::string gpu = name.substr(gpu_first, gpu_last - gpu_first);
  const std::string model = gpu_last == std::string::npos ? "" : name.substr(gpu_last + 1);
  // Tensor-parallel size, kernel, tokens: repeated rows are gathered.
  std::map<std::tuple<std::int64_t, std::int64_t, std::string>, std::vector<double>> seconds;
  std::map<std::tuple<std::int64_t, std::int64_t, std::string>, KernelKey> keys;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::int64_t tokens = table.needed_count(row, "num_tokens");
    const std::int64_t ranks = table.needed_count(row, "num_tensor_parallel_workers");
    for (const LinearLayer& layer : linear_layers(table, row)) {
      const auto place = std::make_tuple(ranks, tokens, layer.column);
      const double milliseconds =
          table.needed_number(row, fmt::format("time_stats.{}.median", layer.column));
      seconds[place].push_back(1e-3 * milliseconds);
      keys[place] = product(DataType::fp16, tokens, layer.n, layer.k, GemmLayout::nt);
    }
  }
  std::vector<PublicTiming> timings;
  for (const auto& [place, values] : seconds) {
    const auto& [ranks, tokens, column] = place;
    const std::string layer = fmt::format("{} {} tp={} m={}", gpu, model, ranks, tokens);
    timings.push_back({.id = fmt::format("{} {}", layer, column),
                       .table = "vidur " + gpu,
                       .family = model,
                       .layer = layer,
                       .key = keys[place],
                       .time = upper_median_of(values) * unit::second,
                       .skip_reason = {},
                       .gpu = gpu});
  }
  return timings;
}

std::vector<PublicTiming> read_kernel_table(const std::string& path) {
  const CsvTable table = CsvTable::read(path);
  std::vector<PublicTiming> timings;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    timings.push_back(read_kernel(table, row));
  }
  return timings;
}

std::vector<PublicTiming> read_public_timings(const std::string& path) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::directory_iterator(path)) {
      files.push_back(entry.path());
    }
    std::ranges::sort(files);
  } else {
    files.emplace_back(path);
  }
  std::vector<PublicTiming> timings;
  for (const fs::path& file : files) {
    const std::string name = file.filename().string();
    if (name.starts_with("vidur-") && !name.starts_with("vidur-net-") && name.ends_with(".csv")) {
      std::ranges::move(read_vidur_table(file.string()), std::back_inserter(timings));
    } else if (name.ends_with("kernels.csv")) {
      std::ranges::move(read_kernel_table(file.string()), std::back_inserter(timings));
    }
  }
  if (timings.empty()) {
    throw InputError("--kernels",
                     fmt::format("'{}' holds no kernel table (expected vidur-GPU-MODEL.csv or "
                                 "kernels.csv, or a folder of them)",
                                 path));
  }
  return timings;
}

}  // namespace forerun
