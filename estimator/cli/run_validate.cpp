// The verb that compares predictions with what others published.
#include <nlohmann/json.hpp>

#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/profile/build_info.hpp"
#include "estimator/validate/validate_kernels.hpp"
#include "units/input_error.hpp"

namespace forerun {

ExitCode run_validate(const Options& options, const Streams& streams) {
  if (!options.kernel_tables) {
    throw InputError("--kernels",
                     "is missing (expected a folder of kernel tables, or one of them)");
  }
  nlohmann::ordered_json document = document_head();
  document["inputs"] = {{"kernels", *options.kernel_tables}};
  document.update(to_json(validate_kernels(read_public_timings(*options.kernel_tables))));
  write_result(document, print_validation, options, streams.out);
  return ExitCode::answered;
}

}  // namespace forerun
