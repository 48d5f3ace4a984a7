// Logs as the tools print them, shortened to a few rows.
#pragma once

#include <string>

namespace forerun {

/// nccl-tests 2.17 on two nodes of two GPUs, tagged by mpirun, two programs in one file.
inline const std::string nccl_log =
    R"([1,0]<stdout>:# nccl-tests version 2.17.6 nccl-headers=22907 nccl-library=22907
[1,0]<stdout>:# Collective test starting: all_reduce_perf
[1,0]<stdout>:# nThread 1 nGpus 1 minBytes 1048576 maxBytes 2097152 step: 2(factor) warmup iters: 5 iters: 20 agg iters: 1 validation: 1 graph: 0
[1,0]<stdout>:#
[1,0]<stdout>:# Using devices
[1,0]<stdout>:#  Rank  0 Group  0 Pid   4711 on      node1 device  0 [0000:07:00] NVIDIA A100-SXM4-80GB
[1,0]<stdout>:#  Rank  1 Group  0 Pid   4712 on      node1 device  1 [0000:0b:00] NVIDIA A100-SXM4-80GB
[1,0]<stdout>:#  Rank  2 Group  0 Pid   3611 on      node2 device  0 [0000:07:00] NVIDIA A100-SXM4-80GB
[1,0]<stdout>:#  Rank  3 Group  0 Pid   3612 on      node2 device  1 [0000:0b:00] NVIDIA A100-SXM4-80GB
[1,0]<stdout>:NCCL version 2.29.7+cuda12.9
[1,0]<stdout>:#
[1,0]<stdout>:#                                                              out-of-place                       in-place
[1,0]<stdout>:#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
[1,0]<stdout>:#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
[1,0]<stdout>:     1048576        262144     float     sum      -1    92.79   11.30   16.95      0    92.15   11.38   17.07      0
[1,0]<stdout>:     2097152        524288  bfloat16     sum      -1    93.25   22.49   33.73      0    92.97   22.56   33.84      0
[1,0]<stdout>:     2097152        524288    double     sum      -1    93.25   22.49   33.73      0    92.97   22.56   33.84      0
[1,0]<stdout>:# Out of bounds values : 0 OK
[1,0]<stdout>:# Avg bus bandwidth    : 25.3
[1,0]<stdout>:#
[1,0]<stdout>:# Collective test starting: alltoall_perf
[1,0]<stdout>:#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
[1,0]<stdout>:#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
[1,0]<stdout>:     4194304        262144     float    none      -1    61.18   68.56   51.42      0      N/A     N/A     N/A    N/A
[1,0]<stdout>:# Out of bounds values : 0 OK
)";

/// OSU 7.3 with -f, and an older title without.
inline const std::string osu_log = R"(
# OSU MPI Allreduce Latency Test v7.3
# Datatype: MPI_FLOAT.
# Size       Avg Latency(us)   Min Latency(us)   Max Latency(us)  Iterations
4                       1.20              1.10              1.30        1000
1024                    2.20              2.10              2.50        1000

# OSU MPI Allgather Latency Test v5.9
# Size       Avg Latency(us)
256                     3.75

# OSU MPI Latency Test v5.9
# Size          Latency (us)
0                       0.55
8                       0.60

# OSU MPI Bandwidth Test v5.9
# Size      Bandwidth (MB/s)
8                      13.00
)";

}  // namespace forerun
