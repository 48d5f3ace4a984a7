#include "estimator/validate/inference_table.hpp"

#include "estimator/validate/csv_table.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

class Reader {
 public:
  explicit Reader(const CsvTable& table) : table_(table) {}

  [[nodiscard]] InferenceRow row(std::size_t i) const {
    InferenceRow row;
    row.id = table_.text(i, "id");
    row.source = table_.text(i, "source");
    row.model = table_.text(i, "model");
    row.gpu_family = table_.text(i, "gpu_family");
    row.phase = table_.text(i, "phase");
    row.gpu = text(i, "gpu");
    row.precision = text(i, "precision");
    row.framework = text(i, "framework");
    row.devices = count(i, "num_gpus").value_or(1);
    row.tensor = count(i, "tp");
    row.pipeline = count(i, "pp");
    row.expert = count(i, "ep");
    row.batch = count(i, "batch");
    row.input_tokens = count(i, "input_len");
    row.output_tokens = count(i, "output_len");
    row.latency = time(i, "latency_s", unit::second);
    row.ttft = time(i, "ttft_ms", unit::millisecond);
    row.tpot = time(i, "tpot_ms", unit::millisecond);
    set_rate(row, i);
    return row;
  }

 private:
  void set_rate(InferenceRow& row, std::size_t i) const {
    const auto total = number(i, "tokens_per_s_total");
    row.is_rate_ambiguous = total && text(i, "notes").find("ambiguous") != std::string::npos;
    row.tokens_per_s_per_device = number(i, "tokens_per_s_per_gpu");
    if (!row.tokens_per_s_per_device && total) {
      const double devices = row.is_rate_ambiguous ? 1.0 : static_cast<double>(row.devices);
      row.tokens_per_s_per_device = *total / devices;
    }
  }

  [[nodiscard]] std::string text(std::size_t i, const char* column) const {
    return table_.has(column) ? table_.text(i, column) : std::string();
  }

  [[nodiscard]] std::optional<double> number(std::size_t i, const char* column) const {
    const auto value = table_.has(column) ? table_.number(i, column) : std::nullopt;
    if (value && *value <= 0.0) {
      throw InputError(table_.place(i), std::string(column) + " is not above 0");
    }
    return value;
  }

  [[nodiscard]] std::optional<std::int64_t> count(std::size_t i, const char* column) const {
    if (!number(i, column)) {
      return std::nullopt;
    }
    return table_.needed_count(i, column);
  }

  [[nodiscard]] std::optional<Seconds> time(std::size_t i, const char* column, Seconds one) const {
    const auto value = number(i, column);
    return value ? std::optional(*value * one) : std::nullopt;
  }

  const CsvTable& table_;
};

}  // namespace

std::vector<InferenceRow> read_inference_table(const std::string& path) {
  const CsvTable table = CsvTable::read(path);
  for (const char* column : {"id", "source", "model", "gpu_family", "phase"}) {
    if (!table.has(column)) {
      throw InputError(path,
                       std::string("has no column '") + column +
                           "' (expected those of a table of published inference runs)");
    }
  }
  const Reader reader(table);
  std::vector<InferenceRow> rows;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    rows.push_back(reader.row(i));
  }
  return rows;
}

}  // namespace forerun
