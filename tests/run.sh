#!/usr/bin/env bash
# Checks everything that this machine can check: format, warnings, tests, sanitizers, lint. Stops at
# the first part that fails. The last line is the closing line of ctest.
#
#   tests/run.sh [--quick] [--no-install]      --quick: format and unit tests only
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=jobs/packages.sh
source jobs/packages.sh
# shellcheck source=jobs/parts.sh
source jobs/parts.sh

quick=no
install=yes
for argument in "$@"; do
  case $argument in
    --quick) quick=yes ;;
    --no-install) install=no ;;
    *)
      sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      [[ $argument == --help ]] && exit 0
      exit 2
      ;;
  esac
done

jobs=$(nproc)
verdict=  # the closing line of ctest

finish() {
  local status=$?
  print_parts
  if ((status != 0)); then
    printf '\nFAILED in part: %s\n' "${current_part:-start}"
  fi
  if [[ -n $verdict ]]; then
    printf '%s\n' "$verdict"
  fi
}
trap finish EXIT

# The sources that git knows; in an unpacked archive all there are.
sources() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -z -- '*.cpp' '*.hpp' '*.cu' '*.cuh'
  else
    find . -path ./build -prune -o \
      \( -name '*.cpp' -o -name '*.hpp' -o -name '*.cu' -o -name '*.cuh' \) -print0
  fi
}

check_format() {
  sources | xargs -0 -r clang-format-14 --dry-run -Werror
}

build_preset() {
  local launcher=()
  if command -v ccache >/dev/null; then
    launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  cmake --preset "$1" "${launcher[@]}"
  cmake --build --preset "$1" -j "$jobs"
}

# run_tests PRESET OPTION...: keeps the closing line, "100% tests passed, 0 tests failed out of N".
run_tests() {
  local preset=$1 log status=0
  shift
  log=$root/build/$preset/ctest.log
  ctest --preset "$preset" -j "$jobs" "$@" 2>&1 | tee "$log" || status=$?
  grep -E '^[0-9]+% tests passed' "$log" | tail -n 1 || true
  return "$status"
}

run_checked_tests() {
  local status=0
  run_tests "$@" || status=$?
  verdict=$(grep -E '^[0-9]+% tests passed' "build/$1/ctest.log" | tail -n 1 || true)
  return "$status"
}

# compiled_by PRESET: every source that its build compiles, but for tests and generated ones.
compiled_by() {
  sed -n 's/^ *"file": "\(.*\.c[px][px]\)",\{0,1\}$/\1/p' "build/$1/compile_commands.json" |
    sort -u | grep -vE "^$root/(tests/|build/$1/tests/|build/.*\.cpp$)"
}

# lint PRESET, a list of sources on its input. The extra argument: the flags name warnings of g++
# that clang does not know. A unity build includes sources, on purpose.
lint() {
  xargs -d '\n' -P "$jobs" -n 1 clang-tidy-14 -p "build/$1" --quiet \
    --checks=-bugprone-suspicious-include --extra-arg=-Wno-unknown-warning-option
}

# In the unity build the headers are read once for a dozen sources; it has no CUDA.
check_lint() {
  compiled_by sanitize | lint sanitize &&
    compiled_by ci | grep -E "^$root/(kernels/cuda|comm/nccl)/" | lint ci
}

if [[ $install == yes ]]; then
  part "packages" install_missing "${build_packages[@]}" "${test_packages[@]}"
fi
part "format" check_format
part "build (ci)" build_preset ci
if [[ $quick == yes ]]; then
  part "tests (ci, unit)" run_checked_tests ci -L unit
  exit 0
fi
part "tests (ci)" run_checked_tests ci
part "build (sanitize)" build_preset sanitize
# Hosts of network namespaces are about times, which sanitizers spoil; the browser runs no code of
# ours that the first run did not.
part "tests (sanitize)" run_tests sanitize -LE 'cluster|browser'
part "lint" check_lint
