// Attention over a sequence that lies on several ranks: the pieces of the work list with the keys
// and values that they meet, forward and backward.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "estimator/rehearse/execution.hpp"
#include "estimator/rehearse/host_matrix.hpp"
#include "estimator/step/work_list.hpp"
#include "kernels/operands.hpp"

namespace forerun {

/// Kernels and collectives are those of the device; cutting, joining and adding up pieces is done
/// by the host meanwhile, which the prediction counts as copies (`context_copies`). The partial
/// results of a query are joined by their log-sum-exps (Dao 2023, arXiv 2307.08691, section 2.3);
/// backward, every piece recomputes its probabilities from the log-sum-exp of the whole row.
class ContextAttention {
 public:
  explicit ContextAttention(const Execution& at);

  /// Whether the item is a part of attention under cp > 1.
  [[nodiscard]] bool takes(const WorkItem& item) const;

  /// The time of the kernel or collective itself. `pass` is of the list that holds the item.
  Seconds run(const WorkItem& item,
              Pass pass,
              std::int64_t micro_batch,
              const KernelScalars& scalars);

  /// Some of a layer's tensors are needed longer than the work list's own items touch them: drops
  /// their releases, which `run` then does.
  void keep_alive(std::vector<WorkItem>& backward) const;

 private:
  /// What is known of the layer at work; items of one attention follow one another.
  struct Layer {
    AttentionKeyShape shape;  ///< of this rank's own tokens, packed
    DataType type = DataType::fp32;
    HostMatrix query, keys, values;  ///< own queries; the keys and values at hand
    HostMatrix output, output_gradient;
    std::vector<float> log_sum_exp;  ///< [sequence][head][position]
    HostMatrix query_gradient, key_gradient, value_gradient;
    std::int64_t step = 0;  ///< pieces that were worked on
  };

  /// Queries of a piece, by their rows here, and the rows of the keys at hand that they see.
  struct Piece {
    std::int64_t first_query = 0;  ///< positions
    std::int64_t queries = 0;
    std::int64_t first_key = 0;
    AttentionKeyShape shape;
  };

  Seconds own_kernel(const KernelWork& kernel,
                     std::int64_t micro_batch,
                     const KernelScalars& scalars);
  Seconds foreign_kernel(const KernelWork& kernel,
                         std::int64_t micro_batch,
                         const KernelScalars& scalars);
  Seconds forward_piece(const KernelKey& key, const Piece& piece, const KernelScalars& scalars);
  Seconds backward_piece(const KernelKey& key, const Piece& piece, const KernelScalars& scalars);
  Seconds exchange(const CollectiveWork& collective, std::int64_t micro_batch);
  Seconds send_on(HostMatrix& keys, HostMatrix& values);
  void begin_gathered(std::int64_t layer, DataType type, std::int64_t micro_batch);
  Seconds gather_keys(const CollectiveWork& collective, std::int64_t micro_batch);
  Seconds scatter_gradients();
  void read_packed(std::int64_t layer, std::int64_t micro_batch);
  void read_results(std::int64_t layer, std::int64_t micro_batch);
  void write_output(std::int64_t layer, std::int64_t micro_batch);
  void write_gradients(std::int64_t layer, std::int64_t micro_batch);
  void join(const Piece& piece, const HostMatrix& output, const std::vector<float>& log_sum_exp);
  [[nodiscard]] Piece piece_at_hand(const KernelKey& key) const;
  [[nodiscard]] std::vector<float> sums_of(const Piece& piece) const;
  [[nodiscard]] std::int64_t rank() const;
  [[nodiscard]] std::int64_t ranks() const;
  [[nodiscard]] bool rings() const;

  Execution at_;
  Layer layer_;
  bool is_backward_ = false;
};

/// Why attention of this job cannot be cut so; empty when it can.
[[nodiscard]] std::optional<std::string> context_not_executed_because(const Job& job);

}  // namespace forerun
