# What this site's jobs need; edit it once. Sourced by the scripts beside it.
# shellcheck shell=bash disable=SC2034

# Environment modules to load before anything runs: (gcc/12 openmpi/4.1 cuda/12.4 nccl).
site_modules=()

# The program; build it with jobs/quickstart.sh, or cmake --preset release.
site_forerun=${FORERUN_BIN:-$root/build/release/bin/forerun}

# How ranks are started: mpirun; srun (needs Slurm's pmix plugin); auto: mpirun where there is one.
site_launcher=auto

# Network interfaces that MPI may use over TCP, as Open MPI names them (ib0,eth0); empty: all.
site_interfaces=

# Ranks a node: empty takes one per GPU, or one per NUMA domain on nodes without.
site_ranks_per_node=
