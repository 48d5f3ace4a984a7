// What goes wrong on one rank, said by all of them alike.
#pragma once

#include <exception>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>

#include "comm/communicator.hpp"

namespace forerun {

/// The first complaint of any rank, with its rank ("rank 1: out of memory"), on every rank; empty
/// when no rank has one. Collective over `world`.
[[nodiscard]] std::string first_complaint(Communicator& world, const std::string& mine);

/// What went wrong on one rank, known to all: one of them says so.
class AgreedFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Runs `work` and throws its exception on every rank where one of them threw: InputError as it
/// was, anything else as AgreedFailure with the rank's name. Collective over `world`.
void agree(Communicator& world, const std::function<void()>& work);

/// What `work` returns in words, or what it threw; empty when nothing went wrong.
template <typename Work>
std::string complaint_of(Work work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace forerun
