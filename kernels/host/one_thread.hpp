// Prepares oneDNN products for one thread each.
#pragma once

#include <omp.h>

namespace forerun::host {

/// Products that run inside one thread must be prepared for one: while this lives, OpenMP has one.
class OneThread {
 public:
  OneThread() : threads_(omp_get_max_threads()) { omp_set_num_threads(1); }

  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  OneThread(OneThread&&) = delete;
  OneThread& operator=(OneThread&&) = delete;

  ~OneThread() { omp_set_num_threads(threads_); }

 private:
  int threads_;
};

}  // namespace forerun::host
