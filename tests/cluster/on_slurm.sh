#!/usr/bin/env bash
# Runs a program against a Slurm of its own: munged, slurmctld and one slurmd a node, all on this
# machine, on free ports, with files in a folder that is removed afterwards. Needs root and Debian's
# slurm-wlm and munge. Exits with 77, and says why, where they cannot start.
#
#   tests/cluster/on_slurm.sh NODES PROGRAM [ARGUMENT...]
#
# The program finds SLURM_CONF set; nodes are called node1, node2, ... in the partition `batch`.
set -euo pipefail

if (($# < 2)); then
  sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 2
fi
nodes=$1
shift

skip() {
  echo "SKIPPED: $1" >&2
  exit 77
}

((EUID == 0)) || skip "daemons of Slurm's need root"
PATH=$PATH:/usr/sbin:/sbin
for tool in munged slurmctld slurmd sbatch; do
  command -v "$tool" >/dev/null || skip "there is no program '$tool' (slurm-wlm, munge)"
done

folder=$(mktemp --directory /tmp/forerun-slurm-XXXXXX)
stop_daemons() {
  local file
  for file in "$folder"/*.pid; do
    [[ -f $file ]] && kill -KILL "$(<"$file")" 2>/dev/null
  done
  pkill -KILL -f "slurmstepd.*$folder" 2>/dev/null
  rm -rf "$folder"
}
trap 'stop_daemons || true' EXIT

# free_ports COUNT: so many that nobody listens at.
free_ports() {
  local port=$((20000 + RANDOM % 20000)) found=0
  while ((found < $1)); do
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      found=$((found + 1))
    fi
    port=$((port + 1))
  done
}

start_munge() {
  dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none
  chmod 400 "$folder/munge.key"
  # --force: the folder is under /tmp, which all may write.
  munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
    --pid-file="$folder/munge.pid" --log-file="$folder/munge.log" --seed-file="$folder/munge.seed" \
    >/dev/null 2>&1 || skip "munged does not start"
}

# A requeued job waits until the credential of its first start has expired: two minutes by default.
write_configuration() {
  local ports number host
  mapfile -t ports < <(free_ports $((nodes + 1)))
  host=$(hostname)
  cat >"$folder/slurm.conf" <<END
ClusterName=forerun-test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=30
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
MinJobAge=300
END
  for ((number = 1; number <= nodes; ++number)); do
    echo "NodeName=node$number NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[number]} CPUs=4" \
      >>"$folder/slurm.conf"
  done
  echo "PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE State=UP" >>"$folder/slurm.conf"
}

mkdir -p "$folder/state" "$folder/spool"
start_munge
write_configuration
export SLURM_CONF=$folder/slurm.conf
slurmctld -c || skip "slurmctld does not start"
for ((number = 1; number <= nodes; ++number)); do
  slurmd -N "node$number" || skip "slurmd does not start"
done

# An answer may be empty while the daemons start.
all_idle() {
  [[ $(sinfo --noheader --states=idle --format=%D 2>/dev/null) == "$nodes" ]]
}

for ((attempt = 0; attempt < 100; ++attempt)); do
  all_idle && break
  sleep 0.2
done
all_idle ||
  skip "no nodes after 20 s: $(tail -n 1 "$folder/slurmctld.log")"
status=0
"$@" || status=$?
exit "$status"
