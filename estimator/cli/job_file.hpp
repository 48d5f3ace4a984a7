// A job file: options in TOML, one key an option.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "estimator/cli/option_table.hpp"

namespace forerun {

struct JobFileEntry {
  std::string name;   ///< of the option, without dashes
  OptionValue value;  ///< `where` is "job.toml:3: batch"
};

/// Keys are option names without dashes in front (`micro-batch = 1`); a repeatable option takes an
/// array. Throws InputError with file and line for text that does not parse, an unknown key
/// (nearest named), a table, or an array where one value is expected. The values themselves are
/// checked by the rows' `assign`.
/// `where` is the file's name in messages.
[[nodiscard]] std::vector<JobFileEntry> read_job_text(std::string_view text,
                                                      const std::string& where,
                                                      std::span<const OptionRow> table);

}  // namespace forerun
