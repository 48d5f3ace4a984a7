"""Datasheet peaks, and how the files name where their numbers come from."""

# Dense bf16 peak and memory bandwidth of the datasheets, as ../*.toml has them.
PEAK = {"a100": 312e12, "h100": 989e12, "b200": 2250e12, "b300": 2250e12, "gb200": 2500e12}
PEAK["gb300"] = 2500e12
BYTES = {"a100": 2039e9, "h100": 3350e9, "b200": 8e12, "b300": 8e12, "gb200": 8e12, "gb300": 8e12}

VIDUR = "microsoft/vidur commit 7d475133 (data/profiling/compute)"
AIC = "ai-dynamo/aiconfigurator commit 095f58a51 (systems/data, TensorRT-LLM 1.3.0rc20)"
CHARTS = "Dao-AILab/flash-attention commit 0251105a (charts in assets/)"
CUDNN = "NVIDIA/cudnn-frontend (benchmark/sdpa_benchmark_training, cuDNN {version}; cudnn_attention.csv)"
SIMUMAX = "MooreThreads/SimuMax commit 4dcaae5 (configs/system)"
