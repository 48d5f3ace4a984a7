#!/usr/bin/env bash
# Runs a program under mpirun on several hosts that are network namespaces of this machine, joined
# by a bridge; what each host sends is shaped by a token bucket. Needs root, iproute2, util-linux
# and Open MPI; leaves nothing behind. Exits with 77, and says why, where namespaces are refused.
#
#   tests/cluster/on_namespaces.sh HOSTS RANKS_PER_HOST RATE[,RATE...] PROGRAM [ARGUMENT...]
#
#   tests/cluster/on_namespaces.sh 2 2 1gbit build/ci/bin/forerun measure --model gpt2 ...
#
# RATE as tc takes it (200mbit, 1gbit): one for all hosts, or one for each. Hosts are called node1,
# node2, ...; ranks fill them in order. Within a host ranks talk through shared memory, between
# hosts over TCP.
set -euo pipefail

network=10.77.0  # seen only inside the namespaces

# Started by mpirun in the place of ssh: --agent PREFIX HOST COMMAND...
if [[ ${1:-} == --agent ]]; then
  prefix=$2 number=${3##*.}
  shift 3
  exec ip netns exec "$prefix-node$number" unshare --uts \
    sh -c "hostname node$number; $*"
fi

if (($# < 4)); then
  sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 2
fi
hosts=$1 ranks_per_host=$2
IFS=, read -r -a rates <<<"$3"
shift 3
script=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/$(basename "${BASH_SOURCE[0]}")
prefix=forerun$$

skip() {
  echo "SKIPPED: $1" >&2
  exit 77
}

# The namespaces take their interfaces and qdiscs with them.
remove_hosts() {
  local number
  for ((number = 1; number <= hosts; ++number)); do
    ip netns del "$prefix-node$number" 2>/dev/null || true
  done
  ip netns del "$prefix-switch" 2>/dev/null || true
}

add_switch() {
  ip netns add "$prefix-switch"
  ip -n "$prefix-switch" link add br0 type bridge
  ip -n "$prefix-switch" addr add "$network.254/24" dev br0
  ip -n "$prefix-switch" link set br0 up
  ip -n "$prefix-switch" link set lo up
}

# add_host NUMBER RATE
add_host() {
  local host=$prefix-node$1
  ip netns add "$host"
  ip -n "$host" link set lo up
  ip -n "$host" link add eth0 type veth peer name "port$1" netns "$prefix-switch"
  ip -n "$host" addr add "$network.$1/24" dev eth0
  ip -n "$host" link set eth0 up
  ip -n "$prefix-switch" link set "port$1" master br0 up
  # A bucket of 128 KiB: more than the kernel's largest segment (64 KiB), little of what is timed.
  ip netns exec "$host" tc qdisc add dev eth0 root tbf rate "$2" burst 128kb latency 50ms
}

((EUID == 0)) || skip "network namespaces need root"
for tool in ip tc unshare mpirun; do
  command -v "$tool" >/dev/null || skip "there is no program '$tool' (iproute2, util-linux, Open MPI)"
done
trap remove_hosts EXIT
add_switch 2>/dev/null || skip "this kernel or container allows no network namespace with a bridge"
list=
for ((number = 1; number <= hosts; ++number)); do
  rate=${rates[$(((number - 1) % ${#rates[@]}))]}
  add_host "$number" "$rate" || skip "no veth or no token bucket of rate '$rate' in this kernel"
  list+=${list:+,}$network.$number:$ranks_per_host
done
ip netns exec "$prefix-node1" unshare --uts hostname node1 || skip "hosts cannot have names here"

# Ranks of one host must not spin while others of the same processor have work.
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
  ip netns exec "$prefix-switch" mpirun \
  --mca plm_rsh_agent "$script --agent $prefix" \
  --mca oob_tcp_if_include "$network.0/24" --mca btl_tcp_if_include "$network.0/24" \
  --mca pml ob1 --mca btl tcp,vader,self --mca mpi_yield_when_idle 1 \
  --map-by slot --bind-to none --host "$list" -np $((hosts * ranks_per_host)) "$@"
