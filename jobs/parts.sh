# Runs a script's parts one after the other, names them and times them. Sourced, not run.
# shellcheck shell=bash

part_names=()
part_seconds=()
current_part=

# part NAME COMMAND...: announces, runs and times one part.
part() {
  current_part=$1
  local begin=$SECONDS
  shift
  printf '\n==> %s\n' "$current_part"
  "$@"
  part_names+=("$current_part")
  part_seconds+=("$((SECONDS - begin))")
  current_part=
}

# How long each part took, and which one failed if one did.
print_parts() {
  printf '\n%-45s %8s\n' part seconds
  local i
  for i in "${!part_names[@]}"; do
    printf '%-45s %8d\n' "${part_names[i]}" "${part_seconds[i]}"
  done
  if [[ -n $current_part ]]; then
    printf '%-45s %8s\n' "$current_part" FAILED
  fi
}

# Open MPI refuses to run as root, and more ranks than there are cores, unless it is told otherwise.
allow_open_mpi() {
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  export OMPI_MCA_rmaps_base_oversubscribe=1
}
