# What the jobs of this folder share: where the program is, how many ranks a node runs, how they
# start and how they are told to stop. Sourced, not run; `root` is the checkout.
# shellcheck shell=bash

# shellcheck source=jobs/slurm/site.sh
source "$root/jobs/slurm/site.sh"

# Slurm's warning may come before there is anything to stop.
trap ':' USR1

load_modules() {
  if ((${#site_modules[@]} > 0)); then
    module load "${site_modules[@]}"
  fi
  if [[ ! -x $site_forerun ]]; then
    echo "There is no program at $site_forerun: build it (jobs/quickstart.sh) or set FORERUN_BIN." >&2
    exit 1
  fi
}

has_gpus() {
  command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1
}

# One rank per GPU; on nodes without, one per NUMA domain. What the user asked Slurm for goes first.
ranks_per_node() {
  if [[ -n ${SLURM_NTASKS_PER_NODE:-} ]]; then
    echo "$SLURM_NTASKS_PER_NODE"
  elif [[ -n $site_ranks_per_node ]]; then
    echo "$site_ranks_per_node"
  elif [[ -n ${SLURM_GPUS_ON_NODE:-} ]]; then
    echo "$SLURM_GPUS_ON_NODE"
  elif has_gpus; then
    nvidia-smi -L | grep -c '^GPU '
  else
    lscpu --parse=NODE | grep -v '^#' | sort -u | wc -l
  fi
}

# Starts a program on every node of the job, its ranks next to their GPU or in their NUMA domain:
# launch PROGRAM [ARGUMENT...]
launch() {
  local ranks launcher=$site_launcher
  ranks=$(ranks_per_node)
  if [[ $launcher == auto ]]; then
    launcher=$(command -v mpirun >/dev/null && echo mpirun || echo srun)
  fi
  if [[ $launcher == srun ]]; then
    srun --mpi=pmix --nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node="$ranks" --cpu-bind=cores "$@"
    return
  fi
  local options=()
  if has_gpus; then
    options+=(--map-by "ppr:$ranks:node" --bind-to none)
  elif (($(lscpu --parse=NODE | grep -v '^#' | sort -u | wc -l) == ranks)); then
    options+=(--map-by ppr:1:numa --bind-to numa)
  else
    options+=(--map-by "ppr:$ranks:node" --bind-to core)
  fi
  if [[ -n $site_interfaces ]]; then
    options+=(--mca btl_tcp_if_include "$site_interfaces" --mca oob_tcp_if_include "$site_interfaces")
  fi
  # Open MPI reads its slots from here; without --ntasks-per-node Slurm counts one a node.
  SLURM_TASKS_PER_NODE="$ranks(x$SLURM_JOB_NUM_NODES)" mpirun "${options[@]}" "$@"
}

# Runs a command and passes Slurm's warning on to it (#SBATCH --signal=B:USR1@...): mpirun hands
# SIGUSR1 to all ranks, and `measure` then writes what it has and ends.
stoppable() {
  "$@" &
  local child=$! status=0
  trap 'pkill -USR1 --parent '"$child" USR1
  # A trapped signal ends `wait` before the child ends.
  while true; do
    wait "$child" && status=0 || status=$?
    kill -0 "$child" 2>/dev/null || break
  done
  trap ':' USR1
  return "$status"
}

# Seconds of the job's time limit that are left, less those of the first argument; at least 10.
seconds_left() {
  local left
  left=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%L)
  if [[ ! $left =~ ^[0-9:-]+$ ]]; then
    echo 86400 # no limit
    return
  fi
  local days=0 fields
  [[ $left == *-* ]] && days=${left%%-*} && left=${left#*-}
  IFS=: read -r -a fields <<<"$left"
  local seconds=0 field
  for field in "${fields[@]}"; do
    seconds=$((60 * seconds + 10#$field))
  done
  seconds=$((86400 * days + seconds - $1))
  echo $((seconds < 10 ? 10 : seconds))
}

# A requeued job finds the name that its first start gave: FILE holds it.
kept_name() {
  local file=$1 name=$2
  [[ -f $file ]] || echo "$name" >"$file"
  cat "$file"
}

# One job at a time writes a profile: a second one waits. The lock goes with the process.
lock_profile() {
  exec {profile_lock}>"$(dirname "$1")/.$(basename "$1").lock"
  if ! flock --nonblock "$profile_lock"; then
    echo "Another job writes $1: waiting for it."
    flock "$profile_lock"
  fi
}

# has_option NAME ARGUMENT...: whether the user gave it.
has_option() {
  local name=$1 argument
  shift
  for argument in "$@"; do
    [[ $argument == "$name" || $argument == "$name="* ]] && return 0
  done
  return 1
}
