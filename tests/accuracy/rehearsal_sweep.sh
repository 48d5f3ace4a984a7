#!/usr/bin/env bash
# How far predictions of whole steps are from steps that run here: two ranks, small models of the
# widths below, four layouts each, fp32 and bf16; profile and rehearsal are processes of their own,
# and in a third of the cases a fifth of the kernels is missing from the profile.
#
#   tests/accuracy/rehearsal_sweep.sh FOLDER [REPEATS]
#
# FOLDER gets profiles, one JSON a sweep, and a line of errors for each; forerun is taken from PATH.
# Nothing else should run meanwhile. Every sweep is reported; none is picked.
set -euo pipefail

if (($# < 1)); then
  sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 2
fi
repeats=${2:-1}
mkdir -p "$1"
cd "$1"

# model TYPE NAME HIDDEN FFN LAYERS HEADS KV_HEADS [MORE]
model() {
  cat >"$2.json" <<EOF
{"model_type": "$1", "hidden_size": $3, "intermediate_size": $4, "num_hidden_layers": $5,
 "num_attention_heads": $6, "num_key_value_heads": $7, "vocab_size": 8192,
 "max_position_embeddings": 1024${8:-}}
EOF
}
model llama narrow 512 1376 8 8 8
model llama grouped 768 2048 4 12 4
model llama wide 1024 2816 4 16 8
model llama deep 384 1024 12 6 6
model mixtral experts 512 704 4 8 4 ', "num_local_experts": 4, "num_experts_per_tok": 2'

dense=(--model narrow.json --model grouped.json --model wide.json --model deep.json)
layouts='tp=2;pp=2;cp=2;dp=2'
of_experts='tp=2,ep=2;ep=2,dp=2;pp=2'
common=(--seq 256 --batch 4)

# run ARGUMENT...: two ranks of forerun.
run() {
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun -np 2 forerun "$@"
}

for ((repeat = 1; repeat <= repeats; ++repeat)); do
  for precision in fp32 bf16; do
    profile=profile-$precision-$repeat.json
    run measure "${dense[@]}" --layout "$layouts" "${common[@]}" --precision "$precision" \
      --time-budget 180s --out "$profile" --quiet >/dev/null
    run measure --model experts.json --layout "$of_experts" "${common[@]}" \
      --precision "$precision" --time-budget 90s --out "$profile" --resume --quiet >/dev/null
    sweep() {
      local name=$1-$precision-$repeat.json
      shift
      run rehearse "$@" "${common[@]}" --precision "$precision" --cluster "$profile" \
        --seed "$repeat" --steps 5 --format json --out "$name" --quiet
      echo "$name"
    }
    sweep seen --model narrow.json --model grouped.json --model wide.json --layout "$layouts"
    sweep missing --model deep.json --layout "$layouts" --hold-out 20%
    sweep experts --model experts.json --layout "$of_experts" --hold-out 20%
  done
done

# The errors of each sweep: the document has one key a line.
for file in seen-*.json missing-*.json experts-*.json; do
  awk -v file="$file" '
    /^  "mape":/ { printf "%-24s mean error %5.1f %%", file, 100 * $2 }
    /^  "bias":/ { printf ", bias %+5.1f %%", 100 * $2 }
    /^  "max":/ { printf ", worst %5.1f %%", 100 * $2 }
    /^  "spearman":/ { printf ", Spearman %s\n", $2 }' "$file"
done
