#!/usr/bin/env bash
# A one-rank measurement under valgrind (memcheck), then measure and rehearse in a loop with their
# memory watched.
# Minutes, so no part of tests/run.sh.
#
#   tests/checks/memory.sh [MINUTES]      of the loop; default 5
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
minutes=${1:-5}
program=${FORERUN_BIN:-$root/build/ci/bin/forerun}
folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >tiny.json <<'END'
{"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
 "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 500,
 "max_position_embeddings": 64}
END
measure=("$program" measure --model tiny.json --seq 16 --kernels-only --precision fp32)

if command -v valgrind >/dev/null; then
  valgrind --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
    --errors-for-leak-kinds=definite --suppressions="$root/tests/checks/valgrind.supp" \
    "${measure[@]}" --time-budget 20s --out valgrind.json >valgrind.out 2>valgrind.log || {
    cat valgrind.log
    exit 1
  }
  grep -E 'ERROR SUMMARY|definitely lost' valgrind.log
else
  echo "SKIPPED: there is no valgrind" >&2
fi

# Peak memory of the first runs against the last ones: what a process leaves behind shows in /dev/shm
# and /tmp, what it gathers shows in its peak.
peak_kib() {
  /usr/bin/env python3 - "$@" <<'END'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
END
}
end=$((SECONDS + 60 * minutes))
runs=0
declare -A first=([measure]=0 [rehearse]=0) last=([measure]=0 [rehearse]=0)
# watch VERB COMMAND...: its peak, compared with the first three of its kind.
watch() {
  local verb=$1
  shift
  last[$verb]=$(peak_kib "$@")
  ((runs >= 3)) || first[$verb]=$((last[$verb] > first[$verb] ? last[$verb] : first[$verb]))
  ((last[$verb] <= first[$verb] * 11 / 10)) || {
    echo "$verb $runs took ${last[$verb]} KiB, the first ones ${first[$verb]}"
    exit 1
  }
}
# Longer runs measure and step more often: a leak a sample or a step would grow with them.
while ((SECONDS < end)); do
  watch measure "${measure[@]}" --time-budget "$((6 + 4 * (runs % 3)))s" --out soak.json
  watch rehearse "$program" rehearse --model tiny.json --seq 16 --precision fp32 \
    --cluster soak.json --steps "$((10 + 100 * (runs % 3)))" --out rehearsed.json
  runs=$((runs + 1))
done
for verb in measure rehearse; do
  echo "$runs runs of $verb in $minutes min: peak ${first[$verb]} KiB at first, ${last[$verb]} KiB at last"
done
