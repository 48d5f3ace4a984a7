// A data file that was compiled into the program.
#pragma once

#include <span>
#include <string_view>

namespace forerun {

struct CatalogFile {
  std::string_view name;  ///< file name without its extension: what `--model` or `--cluster` takes
  std::string_view text;
};

}  // namespace forerun
