// How wide text may be: the terminal's columns, and streams that break their lines to fit.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <ostream>
#include <streambuf>
#include <string>
#include <string_view>

namespace forerun {

/// Columns that a line on standard output may take: COLUMNS where it is set, as for other programs,
/// else those of the terminal. Nothing for a pipe or a file: there a line is as long as it needs to
/// be, for programs that read lines. At least 40.
[[nodiscard]] std::optional<std::size_t> columns_of_standard_output();
/// The same of standard error.
[[nodiscard]] std::optional<std::size_t> columns_of_standard_error();

/// Columns that `text`, UTF-8 of one line, takes on a terminal: one a code point.
[[nodiscard]] std::size_t columns_in(std::string_view text);

/// `text` cut to `width` columns, with a mark in the last where something is missing.
[[nodiscard]] std::string cut_to(std::string_view text, std::size_t width);

/// `line` broken at spaces where it passes `width`; what follows stands under its first words, or
/// under its second column where it has one. A longer word stays whole.
[[nodiscard]] std::string broken_to(std::string_view line, std::size_t width);

/// The words of `text` in lines of `width`, each after the first indented by `indent`, which is
/// where the first begins.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t indent, std::size_t width);

/// Most columns of a line that goes into `out`; nothing, as streams begin, for as many as it needs.
[[nodiscard]] std::optional<std::size_t> line_limit(std::ostream& out);
void set_line_limit(std::ostream& out, std::optional<std::size_t> columns);

/// Passes lines on to `sink`, broken to its line limit. Where the limit is lifted for a while, what
/// comes then stays as it is: commands and files to be copied.
class FittedStream : public std::ostream {
 public:
  FittedStream(std::ostream& sink, std::optional<std::size_t> limit);
  FittedStream(const FittedStream&) = delete;
  FittedStream& operator=(const FittedStream&) = delete;
  FittedStream(FittedStream&&) = delete;
  FittedStream& operator=(FittedStream&&) = delete;
  ~FittedStream() override;

 private:
  class Lines : public std::streambuf {
   public:
    Lines(std::ostream& sink, std::ostream& owner) : sink_(sink), owner_(owner) {}

    void pass_on(std::string_view end);

   protected:
    int_type overflow(int_type sign) override;

   private:
    std::ostream& sink_;
    std::ostream& owner_;  ///< whose limit holds
    std::string line_;
  };

  Lines lines_;
};

/// Lifts a stream's limit while it lives.
class Verbatim {
 public:
  explicit Verbatim(std::ostream& out) : out_(out), limit_(line_limit(out)) {
    set_line_limit(out, std::nullopt);
  }

  Verbatim(const Verbatim&) = delete;
  Verbatim& operator=(const Verbatim&) = delete;
  Verbatim(Verbatim&&) = delete;
  Verbatim& operator=(Verbatim&&) = delete;

  ~Verbatim() { set_line_limit(out_, limit_); }

 private:
  std::ostream& out_;
  std::optional<std::size_t> limit_;
};

}  // namespace forerun
