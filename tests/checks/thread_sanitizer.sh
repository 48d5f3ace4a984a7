#!/usr/bin/env bash
# Builds the host kernels' tests and the planner's with clang, its OpenMP run-time and
# ThreadSanitizer, and runs them; archer tells the sanitizer what OpenMP synchronises. g++'s
# run-time is not instrumented and makes false reports. Minutes, so no part of tests/run.sh.
#
#   tests/checks/thread_sanitizer.sh [TEST...]      default: host_device_test plan_test
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
tests=("$@")
((${#tests[@]} > 0)) || tests=(host_device_test plan_test)
compiler=$(command -v clang++-14 || command -v clang++ || true)
archer=$(find /usr/lib/llvm-*/lib -name 'libarcher.so' 2>/dev/null | head -n 1)
if [[ -z $compiler || -z $archer ]]; then
  echo "SKIPPED: needs clang++ and archer (clang-14, libomp-14-dev)" >&2
  exit 77
fi
launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
cmake -S . -B build/threads -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DFORERUN_CUDA=OFF \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS="-fsanitize=thread" \
  -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -gline-tables-only" "${launcher[@]}" >/dev/null
ninja -C build/threads "${tests[@]}" | tail -n 1
# oneDNN and hwloc are not instrumented: what happens inside them is theirs.
cat >build/threads/suppressions <<END
called_from_lib:libdnnl.so
called_from_lib:libhwloc.so
END
for test in "${tests[@]}"; do
  OMP_TOOL_LIBRARIES=$archer OMP_NUM_THREADS=4 ARCHER_OPTIONS="verbose=1" \
    TSAN_OPTIONS="ignore_noninstrumented_modules=1 suppressions=build/threads/suppressions" \
    "build/threads/bin/$test"
done
