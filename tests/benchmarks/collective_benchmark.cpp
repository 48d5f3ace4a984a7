// What measure's harness adds to collectives: its mean of operations back to back against that of a
// plain MPI loop over the same ranks, taken in turns. Run under mpirun; prints ratios.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include <mpi.h>

#include "comm/mpi/mpi_communicator.hpp"
#include "estimator/measure/collective_probe.hpp"
#include "kernels/host/host_device.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr int turns = 11;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// As aligned as what the device gives out and any tensor library: off a cache line by the 16 bytes
// that malloc leaves there, the same loop over 1 to 16 MiB takes up to a third more time.
class AlignedFloats {
 public:
  explicit AlignedFloats(std::size_t count)
      : memory_(static_cast<float*>(::operator new(count * sizeof(float), line))) {
    std::fill_n(memory_, count, 0.0F);
  }

  AlignedFloats(const AlignedFloats&) = delete;
  AlignedFloats& operator=(const AlignedFloats&) = delete;
  AlignedFloats(AlignedFloats&&) = delete;
  AlignedFloats& operator=(AlignedFloats&&) = delete;

  ~AlignedFloats() { ::operator delete(memory_, line); }

  [[nodiscard]] float* data() const { return memory_; }

 private:
  static constexpr std::align_val_t line{64};
  float* memory_;
};

class PlainLoop {
 public:
  PlainLoop(const CollectiveKey& key, int ranks)
      : op_(key.op),
        count_(static_cast<int>(key.bytes / 4)),
        ranks_(ranks),
        send_(static_cast<std::size_t>(count_)),
        receive_(static_cast<std::size_t>(count_)) {
    MPI_Comm_dup(MPI_COMM_WORLD, &comm_);
  }

  PlainLoop(const PlainLoop&) = delete;
  PlainLoop& operator=(const PlainLoop&) = delete;
  PlainLoop(PlainLoop&&) = delete;
  PlainLoop& operator=(PlainLoop&&) = delete;

  ~PlainLoop() { MPI_Comm_free(&comm_); }

  // Mean seconds of `times` operations, of the slowest rank.
  double mean(int times) {
    run();
    MPI_Barrier(comm_);
    const double start = MPI_Wtime();
    for (int i = 0; i < times; ++i) {
      run();
    }
    double seconds = (MPI_Wtime() - start) / times;
    MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, comm_);
    return seconds;
  }

 private:
  void run() {
    if (op_ == Collective::all_reduce) {
      MPI_Allreduce(send_.data(), receive_.data(), count_, MPI_FLOAT, MPI_SUM, comm_);
    } else {
      const int part = count_ / ranks_;
      MPI_Alltoall(send_.data(), part, MPI_FLOAT, receive_.data(), part, MPI_FLOAT, comm_);
    }
  }

  Collective op_;
  int count_;
  int ranks_;
  AlignedFloats send_;
  AlignedFloats receive_;
  MPI_Comm comm_ = MPI_COMM_NULL;
};

void compare(Collective op, std::int64_t bytes, Device& device, MpiCommunicator& world) {
  PlannedCollective planned;
  planned.key = {op, bytes, DataType::fp32, {world.size(), world.size(), 1}};
  const ProbeGroups groups(world, ProcessGrid({.data = world.size()}), GroupKind::data);
  PlainLoop plain(planned.key, world.size());
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int i = 0; i < turns; ++i) {
    const auto result = probe_collective(
        {device, world}, planned, groups, {.time = Seconds(), .tolerance = 0.03, .samples = 3});
    ours.push_back(std::get<CollectiveRecord>(result).back_to_back->in(unit::second));
    // As the harness does it: the middle of three means of 20 ms each.
    const int times = static_cast<int>(std::clamp(0.02 / ours.back(), 2.0, 1000.0));
    theirs.push_back(median({plain.mean(times), plain.mean(times), plain.mean(times)}));
  }
  if (world.rank() == 0) {
    // The fastest of all turns is what a busy machine disturbs least.
    const double best = *std::ranges::min_element(ours) / *std::ranges::min_element(theirs);
    std::printf(
        "%-12s %9lld bytes  measure %10.2f us  plain MPI %10.2f us  ratio %5.3f  of the fastest "
        "%5.3f\n",
        std::string(name_of(op)).c_str(),
        static_cast<long long>(bytes),
        1e6 * median(ours),
        1e6 * median(theirs),
        median(ours) / median(theirs),
        best);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace forerun

int main() {
  forerun::MpiCommunicator world;
  forerun::host::HostDevice device{forerun::DeviceChoice{}};
  for (const auto op : {forerun::Collective::all_reduce, forerun::Collective::all_to_all}) {
    for (std::int64_t bytes = 1024; bytes <= (std::int64_t{1} << 24); bytes *= 4) {
      forerun::compare(op, bytes / (4 * world.size()) * (4 * world.size()), device, world);
    }
  }
  return 0;
}
