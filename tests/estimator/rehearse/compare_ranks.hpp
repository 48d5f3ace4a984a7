// Steps on the ranks of this run, held against the step of one rank.
#pragma once

#include <memory>

#include <gtest/gtest.h>

#include "comm/mpi/mpi_communicator.hpp"
#include "estimator/rehearse/equality.hpp"
#include "jobs/parallel_layout.hpp"
#include "kernels/host/host_device.hpp"
#include "tests/fake/faulty_communicator.hpp"

namespace forerun {

inline std::unique_ptr<Communicator> world() {
  return std::make_unique<MpiCommunicator>();
}

inline std::unique_ptr<Device> one_thread_device() {
  return std::make_unique<host::HostDevice>(DeviceChoice{.local_rank = 0, .local_ranks = 1000});
}

inline EqualityReport compare(const Job& job,
                              Communicator& ranks,
                              const ExecutorOptions& options = {}) {
  const auto device = one_thread_device();
  const ReferenceStep reference = reference_step(job, *device, 11, options.choice);
  GridCommunicators groups(ranks, job.layout, megatron_order, experts_of(job.model));
  Executor executor(job, {ranks.size()}, *device, groups, options);
  return compare_with(reference, job, executor, ranks, 11);
}

inline void expect_equal(const Job& job, Communicator& ranks, const ExecutorOptions& options = {}) {
  const EqualityReport report = compare(job, ranks, options);
  EXPECT_TRUE(report.equal) << text_of(job.layout) << " of " << job.model.name << ": loss "
                            << report.first_loss << " against " << report.reference_first_loss
                            << ", second " << report.second_loss << " against "
                            << report.reference_second_loss << ", gradient of "
                            << report.worst_tensor << " " << report.worst_gradient_error;
  // ln(1000) at the start: the model knows nothing yet.
  EXPECT_NEAR(report.first_loss, 6.9, 0.2);
}

}  // namespace forerun
