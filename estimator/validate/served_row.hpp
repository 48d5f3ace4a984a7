// A row of published inference as a served model on hardware.
#pragma once

#include <string>
#include <vector>

#include "estimator/capacity/serving_point.hpp"
#include "estimator/validate/inference_table.hpp"

namespace forerun {

struct ServedRow {
  ServedModel served;
  std::string cluster;               ///< of the catalog
  std::vector<std::string> assumed;  ///< columns that the table leaves blank
};

/// Names as tables spell them are looked up in the catalogs: "Llama 3.3 70B" has llama-3-70b's
/// shape, "GPT 20B" NeMo's. Blank precision is fp16, blank tp the devices over pp. Throws
/// InputError, naming the column, for a model, device or precision that nothing stands for.
[[nodiscard]] ServedRow served_row(const InferenceRow& row);

}  // namespace forerun
