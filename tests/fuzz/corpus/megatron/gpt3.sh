#!/bin/bash
GPUS_PER_NODE=8
NUM_NODES=${NODES:-16}
WORLD=$(($GPUS_PER_NODE*NUM_NODES))
GPT_MODEL_ARGS=(--num-layers 96 --hidden-size 12288 # 175B
  --num-attention-heads "96" --seq-length 2048 --max-position-embeddings 2048)
GPT_MODEL_ARGS+=(--tokenizer-type GPT2BPETokenizer)
TRAINING_ARGS="--micro-batch-size 1 --global-batch-size $((WORLD * 12)) --train-iters 500000 --fp16"
if [ -n "$FAST" ]; then
  TRAINING_ARGS+=" --bf16"
fi
torchrun --nproc_per_node $GPUS_PER_NODE --nnodes $NUM_NODES pretrain_gpt.py \
  ${GPT_MODEL_ARGS[@]} $TRAINING_ARGS --data-path $(ls data) \
  --tensor-model-parallel-size 8 --pipeline-model-parallel-size 16 2>&1 | tee log
