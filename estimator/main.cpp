// forerun: reads what is asked, answers it, says in its exit status how that went.
#include <cstdlib>
#include <exception>
#include <iostream>
#include <variant>

#include "estimator/cli/parse_command_line.hpp"
#include "estimator/cli/run_verb.hpp"
#include "estimator/measure/complaint.hpp"
#include "units/input_error.hpp"

namespace {

using forerun::ExitCode;

// Under mpirun every rank meets the same wrong input; one of them says so.
bool is_speaker() {
  const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");  // NOLINT(concurrency-mt-unsafe)
  return rank == nullptr || std::string_view(rank) == "0";
}

// A rank that fails must not wait for the others in MPI_Finalize: they may be waiting for it.
[[noreturn]] void leave(ExitCode code) {
  std::cout.flush();
  std::cerr.flush();
  std::_Exit(static_cast<int>(code));
}

ExitCode answer(int argc, const char* const* argv) {
  const auto request = forerun::parse_command_line(argc, argv);
  if (const auto* help = std::get_if<forerun::HelpRequest>(&request)) {
    std::cout << help->text;
    return ExitCode::answered;
  }
  const auto& options = std::get<forerun::Options>(request);
  std::ostream silent(nullptr);
  const bool is_quiet = options.verbosity == forerun::Verbosity::quiet;
  for (const std::string& note : options.job_notes) {
    if (!is_quiet && is_speaker()) {
      std::cerr << "forerun: --job: " << note << '\n';
    }
  }
  return forerun::run_verb(options, {std::cout, is_quiet ? silent : std::cerr});
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return static_cast<int>(answer(argc, argv));
  } catch (const forerun::InputError& error) {
    if (is_speaker()) {
      std::cerr << "forerun: " << error.what() << '\n';
    }
    leave(ExitCode::wrong_input);
  } catch (const forerun::AgreedFailure& error) {
    if (is_speaker()) {
      std::cerr << "forerun: " << error.what() << '\n';
    }
    leave(ExitCode::failed);
  } catch (const std::exception& error) {
    const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");  // NOLINT(concurrency-mt-unsafe)
    std::cerr << "forerun: " << (rank == nullptr ? "" : std::string("rank ") + rank + ": ")
              << error.what() << '\n';
    leave(ExitCode::failed);
  }
}
