// Collectives as nccl-tests prints them, so that one can lie beside the other.
#pragma once

#include <iosfwd>

#include <nlohmann/json_fwd.hpp>

namespace forerun {

/// `profile` is the document of the verb. One table for each collective, format and group: size in
/// bytes (of the gathered tensor, as nccl-tests counts), elements that one rank gives, type, redop,
/// root, then time in us, algbw and busbw in 1e9 bytes/s and wrong elements, out of place and in
/// place. Times are means of operations back to back, of the slowest rank. What nccl-tests lacks
/// follows: isolated latency, the spread between communicators, and the library's own estimate.
void print_collective_table(const nlohmann::ordered_json& profile, std::ostream& out);

}  // namespace forerun
