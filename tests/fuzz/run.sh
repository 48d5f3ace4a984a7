#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each for some seconds from its corpus; fails at the
# first that crashes, leaks, hangs for ten seconds or takes more than 2 GiB. What broke it then lies
# in build/fuzz/crashes.
#
#   tests/fuzz/run.sh [SECONDS [NAME...]]      10 seconds of every target, as many at a time as cores
#
# Exits with 77 and says why where there is no clang with libFuzzer.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
seconds=${1:-10}
shift || true

compiler=$(command -v clang++ || command -v clang++-14 || true)
if [[ -z $compiler ]] ||
  ! echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, long) { return 0; }' |
    "$compiler" -x c++ -fsanitize=fuzzer -o /dev/null - 2>/dev/null; then
  echo "SKIPPED: there is no clang++ with libFuzzer (clang-14, libclang-rt-14-dev)" >&2
  exit 77
fi

launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
cmake --preset fuzz -DCMAKE_CXX_COMPILER="$compiler" "${launcher[@]}" >/dev/null
targets=("$@")
((${#targets[@]} > 0)) || mapfile -t targets < <(ls tests/fuzz/corpus)
ninja -C build/fuzz "${targets[@]/#/fuzz_}" | tail -n 1

# run_one NAME: new texts go beside the build, not into the committed corpus.
run_one() {
  local found=build/fuzz/found/$1 log=build/fuzz/found/$1.log
  mkdir -p "$found" build/fuzz/crashes
  if "build/fuzz/bin/fuzz_$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -max_len=65536 -artifact_prefix="build/fuzz/crashes/$1-" -print_final_stats=1 \
    "$found" "tests/fuzz/corpus/$1" >"$log" 2>&1; then
    printf 'fuzz %-10s %s texts\n' "$1" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  else
    printf 'fuzz %-10s BROKE:\n' "$1"
    tail -n 40 "$log"
    return 1
  fi
}
export -f run_one
export seconds
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -n 1 bash -c 'run_one "$1"' run_one
