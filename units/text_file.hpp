// Texts of strangers, taken in within stated limits: nobody's file may take the machine.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace forerun {

/// The largest files that are read, in bytes. The memory that a parsed text takes is up to some
/// twenty times as much.
namespace largest {
constexpr std::size_t mebibyte = std::size_t{1} << 20U;
constexpr std::size_t config = 16 * mebibyte;   ///< config.json, and every TOML file
constexpr std::size_t profile = 64 * mebibyte;  ///< about 100,000 records
constexpr std::size_t result = 512 * mebibyte;  ///< 100,000 layouts of `plan` take 180
constexpr std::size_t journal = 64 * mebibyte;
constexpr std::size_t table = 64 * mebibyte;  ///< CSV
constexpr std::size_t log = 64 * mebibyte;    ///< of another benchmark
constexpr std::size_t training_log = 256 * mebibyte;
}  // namespace largest

/// What the file holds; never takes in more than `most_bytes` (a multiple of 1 MiB), whatever the
/// file is. Throws InputError naming `path` where it cannot be read, is a folder, or is larger;
/// `expected` says what was looked for: "a TOML file".
[[nodiscard]] std::string text_of_file(const std::string& path,
                                       std::size_t most_bytes,
                                       std::string_view expected);

/// Whether `path`, which need not exist, lies in `folder` (empty: the working directory) or below
/// it, links followed: what a stranger's file names must.
[[nodiscard]] bool lies_inside(const std::filesystem::path& path,
                               const std::filesystem::path& folder);

/// Refuses JSON that costs more than its size to read: more than 64 values inside one another, an
/// object of more than 10,000 members, a member's name of more than 256 bytes. Throws InputError
/// with `where` and the line. The text need not be valid.
void check_json_shape(std::string_view text, const std::string& where);

/// The same for TOML: keys of more than 64 parts (a.b.c ...), each a table in the one before it.
void check_toml_keys(std::string_view text, const std::string& where);

}  // namespace forerun
