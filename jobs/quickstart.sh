#!/usr/bin/env bash
# From a fresh checkout to results: installs what is missing, builds, measures this machine with two
# ranks, rehearses, estimates and forecasts. Results lie in build/quickstart/.
#
#   jobs/quickstart.sh [--cuda | --no-cuda] [--no-install]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build/release
results=$root/build/quickstart
# shellcheck source=jobs/packages.sh
source "$root/jobs/packages.sh"
# shellcheck source=jobs/parts.sh
source "$root/jobs/parts.sh"

gpus=0
if command -v nvidia-smi >/dev/null; then
  gpus=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU ' || true)
fi
preset=release
if ((gpus > 0)); then
  preset=release-cuda
fi
install=yes
for argument in "$@"; do
  case $argument in
    --cuda) preset=release-cuda ;;
    --no-cuda) preset=release ;;
    --no-install) install=no ;;
    *)
      sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      [[ $argument == --help ]] && exit 0
      exit 2
      ;;
  esac
done

trap print_parts EXIT

# Configures when the preset is another one than last time; Ninja sees to every later change.
build_program() {
  local built_preset=
  if [[ -f $build/build.ninja && -f $build/preset ]]; then
    built_preset=$(<"$build/preset")
  fi
  if [[ $built_preset != "$preset" ]]; then
    (cd "$root" && cmake --preset "$preset" -B "$build")
    echo "$preset" >"$build/preset"
  fi
  cmake --build "$build"
}

# kept NAME COMMAND...: what the command writes is shown and kept as build/quickstart/NAME. Exit
# status 3, "does not fit", is an answer too.
kept() {
  local file=$results/$1 status=0
  shift
  printf '$ %s\n' "$*"
  "$@" | tee "$file" || status=$?
  ((status == 0 || status == 3))
}

if [[ $install == yes ]]; then
  part "packages" install_missing "${build_packages[@]}"
fi
part "build ($preset)" build_program

allow_open_mpi
mkdir -p "$results"
export PATH=$build/bin:$PATH
profile=$results/profile.json
layouts="tp=2;pp=2;dp=2"
# Two ranks do not share one GPU: with a single one the two ranks take the CPU.
device=()
if [[ $preset == release-cuda ]] && ((gpus < 2)); then
  device=(--device host)
fi

part "measure (2 ranks)" mpirun -np 2 forerun measure --model gpt2 --layout "$layouts" \
  "${device[@]}" --time-budget 60s --out "$profile"
part "rehearse (2 ranks)" kept rehearse.txt mpirun -np 2 forerun rehearse --model gpt2 \
  --layout "$layouts" "${device[@]}" --cluster "$profile" --steps 5
part "estimate on what was measured" kept estimate_gpt2.txt forerun estimate --model gpt2 \
  --cluster "$profile" --devices 2 --layout dp=2
part "estimate of Llama 3.1 405B" kept estimate_405b.txt forerun estimate --model llama-3.1-405b \
  --cluster dgx-h100 --devices 16384 --layout tp=8,pp=16,vp=8,dp=128 --batch 2048 \
  --micro-batch 1 --seq 8192
part "forecast for 2030" kept forecast_2030.txt forerun forecast --year 2030 \
  --scenario steinhardt-2023
part "forecast from what was measured" kept forecast_here.txt forerun forecast \
  --cluster "$profile" --devices 2 --days 30

printf '\nResults are in %s; the program is %s\n' "$results" "$build/bin/forerun"
