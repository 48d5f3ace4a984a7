#include "estimator/measure/complaint.hpp"

#include <fmt/format.h>

#include "units/input_error.hpp"

namespace forerun {

std::string first_complaint(Communicator& world, const std::string& mine) {
  const auto complaints = world.all_gather_text(mine);
  for (std::size_t rank = 0; rank < complaints.size(); ++rank) {
    if (!complaints[rank].empty()) {
      return complaints.size() == 1 ? complaints[rank]
                                    : fmt::format("rank {}: {}", rank, complaints[rank]);
    }
  }
  return {};
}

void agree(Communicator& world, const std::function<void()>& work) {
  std::string complaint;
  bool is_wrong_input = false;
  try {
    work();
  } catch (const InputError& error) {
    complaint = error.what();
    is_wrong_input = true;
  } catch (const std::exception& error) {
    complaint = error.what();
  }
  const auto complaints = world.all_gather_text(complaint);
  const auto kinds = world.all_gather_text(is_wrong_input ? "input" : "");
  for (std::size_t rank = 0; rank < complaints.size(); ++rank) {
    if (complaints[rank].empty()) {
      continue;
    }
    if (!kinds[rank].empty()) {
      throw InputError(complaints[rank]);
    }
    throw AgreedFailure(complaints.size() == 1
                            ? complaints[rank]
                            : fmt::format("rank {}: {}", rank, complaints[rank]));
  }
}

}  // namespace forerun
