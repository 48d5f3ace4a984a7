// What the program's exit status means; part of its public contract.
#pragma once

namespace forerun {

enum class ExitCode {
  answered = 0,
  failed = 1,       ///< a library call or the disk; mpirun reports a killed rank its own way
  wrong_input = 2,  ///< an InputError
  infeasible = 3,   ///< nothing that was asked for is feasible; the result is still written
};

}  // namespace forerun
