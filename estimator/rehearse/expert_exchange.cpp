#include "estimator/rehearse/expert_exchange.hpp"

#include <algorithm>
#include <vector>

#include "kernels/operands.hpp"

namespace forerun {

void ExpertExchange::follow(const WorkItem& item, std::int64_t micro_batch) {
  if (const auto* const kernel = std::get_if<KernelWork>(&item.work)) {
    if (kernel->key.op == KernelOp::expert_sort && at_.job.layout.expert == 1) {
      plan(kernel->operands[1], micro_batch);
    }
  } else if (const TensorId to = std::get<CollectiveWork>(item.work).to;
             to.name == TensorName::all_ends) {
    plan(to, micro_batch);
  }
}

std::optional<KernelWork> ExpertExchange::routed(const KernelWork& kernel,
                                                 std::int64_t micro_batch) {
  const TokenRoutes& routes = routes_.at({kernel.operands.front().layer, micro_batch});
  if (routes.rows > 0) {
    return KernelWork{with_rows(kernel.key, routes), kernel.operands};
  }
  if (const TensorId last = kernel.operands.back(); last.name == TensorName::weight_update) {
    const Operand update = operands_of(kernel.key).back();
    at_.device.set_zero(at_.store.at(last, micro_batch, bytes_of(update)), bytes_of(update));
  }
  return std::nullopt;
}

// What the router of every rank chose is known now; the rest of the layer works by it.
void ExpertExchange::plan(TensorId ends, std::int64_t micro_batch) {
  const std::int64_t ranks = at_.job.layout.expert;
  const std::int64_t experts = at_.job.model.moe->experts;
  std::vector<std::int32_t> all(static_cast<std::size_t>(ranks * experts));
  const std::size_t bytes = all.size() * sizeof(std::int32_t);
  at_.device.synchronize();
  at_.device.copy_out(all.data(), at_.store.at(ends, micro_batch, bytes), bytes);
  TokenRoutes routes = token_routes(all, ranks, experts, expert_);
  if (ranks > 1) {
    const auto put = [&](TensorName name, const std::vector<std::int32_t>& values) {
      const std::size_t size = values.size() * sizeof(std::int32_t);
      at_.store.release({name, ends.layer}, micro_batch);  // of a step with other routes
      if (size > 0) {
        at_.device.copy_in(
            at_.store.at({name, ends.layer}, micro_batch, size), values.data(), size);
      }
    };
    put(TensorName::arrived_ends, routes.ends);
    put(TensorName::arrived_row_of, routes.row_of);
  }
  routes_.insert_or_assign({ends.layer, micro_batch}, std::move(routes));
}

double ExpertExchange::busiest_share() const {
  double most = 0.0;
  double all = 0.0;
  for (const auto& [place, routes] : routes_) {
    most += static_cast<double>(routes.most_rows);
    all += static_cast<double>(routes.all_rows);
  }
  return all > 0.0 ? most * static_cast<double>(at_.job.layout.expert) / all : 1.0;
}

void ExpertExchange::exchange(const CollectiveWork& collective, std::int64_t micro_batch) {
  const TokenRoutes& routes = routes_.at({collective.from.layer, micro_batch});
  const std::size_t element = element_bytes(collective.key.type);
  std::vector<std::int64_t> sent = collective.gives_back ? routes.received : routes.sent;
  std::vector<std::int64_t> received = collective.gives_back ? routes.sent : routes.received;
  const auto elements = [&](std::vector<std::int64_t>& counts) {
    std::int64_t sum = 0;
    for (std::int64_t& count : counts) {
      count *= expert_width(at_.job.model);
      sum += count;
    }
    return std::max<std::size_t>(1, static_cast<std::size_t>(sum)) * element;
  };
  const std::size_t out = elements(sent);
  const std::size_t in = elements(received);
  at_.groups.of(collective.group)
      .all_to_all_v(at_.store.at(collective.from, micro_batch, out),
                    sent,
                    at_.store.at(collective.to, micro_batch, in),
                    received,
                    collective.key.type);
}

}  // namespace forerun
