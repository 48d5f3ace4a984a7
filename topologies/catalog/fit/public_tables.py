"""Reads the public tables of single kernels and collectives. Sizes in elements, times in seconds."""

import collections
import csv
import glob
import os
import statistics

Product = collections.namedtuple("Product", "m n k seconds")
Attention = collections.namedtuple(
    "Attention", "batch length heads kv_heads head_size causal tflops seconds"
)
Sdpa = collections.namedtuple(
    "Sdpa",
    "batch length heads kv_heads head_size value_size window is_causal is_forward cudnn seconds",
)
Rows = collections.namedtuple("Rows", "model bytes seconds")
Message = collections.namedtuple("Message", "ranks bytes seconds")


def vidur(folder, gpu):
    """Products as {(model, m, n, k): seconds}; element-wise kernels as {name: [Rows]}."""
    times = collections.defaultdict(list)
    small = collections.defaultdict(lambda: collections.defaultdict(list))
    for path in sorted(glob.glob(os.path.join(folder, f"vidur-{gpu}-*.csv"))):
        model = os.path.basename(path)[len(f"vidur-{gpu}-") : -len(".csv")]
        with open(path, newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                _read_vidur_row(row, model, times, small)
    products = {key: statistics.median(values) for key, values in times.items()}
    rows = {
        name: [Rows(model, size, statistics.median(v)) for (model, size), v in sorted(found.items())]
        for name, found in small.items()
    }
    return products, rows


def _read_vidur_row(row, model, times, small):
    ranks, m = int(row["num_tensor_parallel_workers"]), int(row["num_tokens"])
    hidden, heads = int(row["n_embd"]), int(row["n_head"])
    head_size = hidden // heads
    kv_heads = max(1, int(row["n_kv_head"]) // ranks)
    inner = int(row["n_expanded_embd"]) // ranks
    is_gated = row["use_gated_mlp"] == "True"
    qkv = (heads // ranks + 2 * kv_heads) * head_size

    def milliseconds(column):
        return float(row[f"time_stats.{column}.median"])

    layers = {
        "attn_pre_proj": (qkv, hidden),
        "attn_post_proj": (hidden, heads // ranks * head_size),
        "mlp_up_proj": ((2 if is_gated else 1) * inner, hidden),
        "mlp_down_proj": (hidden, inner),
    }
    for column, (n, k) in layers.items():
        times[(model, m, n, k)].append(1e-3 * milliseconds(column))
    rotated = (heads // ranks + kv_heads) * head_size
    moved = {  # 16-bit elements read and written per token
        "add": ("add", 3 * hidden),
        "mlp_act": ("swiglu" if is_gated else "gelu", (3 if is_gated else 2) * inner),
        "input_layernorm": ("rms_norm" if is_gated else "layer_norm", 2 * hidden),
        "attn_rope": ("rope", 2 * rotated),
        "emb": ("embedding", 2 * hidden),
    }
    for column, (name, elements) in moved.items():
        small[name][(model, 2 * m * elements)].append(1e-3 * milliseconds(column))


def kernels(path):
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def products(rows, source, gpu, precision, direction=None):
    return [
        Product(int(r["m"]), int(r["n"]), int(r["k"]), _seconds(r))
        for r in rows
        if r["source"].startswith(source)
        and (r["kernel"], r["gpu"], r["precision"]) == ("gemm", gpu, precision)
        and direction in (None, r["direction"])
        and r["batch"] in ("", "1")
    ]


def _seconds(row):
    if row["time_us"]:
        return 1e-6 * float(row["time_us"])
    flop = 2.0 * int(row["m"]) * int(row["n"]) * int(row["k"])
    return flop / (1e12 * float(row["tflops"]))


def attention(rows, source, gpu, direction, implementation="", head_size=None, causal=True):
    found = []
    for r in rows:
        if r["kernel"] != "attention" or not r["source"].startswith(source):
            continue
        if not r["gpu"].startswith(gpu) or r["direction"] != direction:
            continue
        if not r["impl"].startswith(implementation) or (r["causal"] == "true") != causal:
            continue
        size = int(r["head_dim"])
        if head_size not in (None, size):
            continue
        heads = int(r["heads"])
        shape = (int(r["batch"]), int(r["seq_len"]), heads, int(r["kv_heads"] or heads), size)
        flop = attention_flop(*shape, causal)
        rate = float(r["tflops"])
        passes = 3.5 if direction == "fwd+bwd" else 1.0
        seconds = 1e-6 * float(r["time_us"]) if r["time_us"] else passes * flop / (1e12 * rate)
        found.append(Attention(*shape, causal, rate, seconds))
    return found


def cudnn_attention(path, gpu, direction, mask, sizes):
    """Training's attention in 16 bits; `sizes`: of a query's and a value's head."""
    found = []
    with open(path, newline="", encoding="utf-8") as stream:
        for r in csv.DictReader(stream):
            if (r["gpu"], r["direction"], r["mask"]) != (gpu, direction, mask):
                continue
            if (int(r["head_size"]), int(r["value_size"])) != sizes:
                continue
            shape = [int(r[key]) for key in ("batch", "length", "heads", "kv_heads")]
            window = int(r["window"]) or shape[1]
            found.append(
                Sdpa(*shape, *sizes, window, mask == "causal", direction == "fwd", r["cudnn"],
                     1e-3 * float(r["milliseconds"]))
            )
    return found


def sdpa_flop(p):
    """Two products over the pairs of query and key that the mask leaves; backward five halves of it."""
    pairs = p.length * p.window - (0.5 * p.window**2 if p.is_causal else 0.0)
    forward = 2.0 * p.batch * p.heads * pairs * (p.head_size + p.value_size)
    return forward * (1.0 if p.is_forward else 2.5)


def attention_flop(batch, length, heads, kv_heads, head_size, causal):
    """Forward: two products over the square of the length, halved by a causal mask."""
    del kv_heads
    return 4.0 * batch * length * length * heads * head_size * (0.5 if causal else 1.0)


def messages(path, source, gpu, collective, ranks):
    """Within one node. All-gather and reduce-scatter count the whole tensor, as nccl-tests does."""
    with open(path, newline="", encoding="utf-8") as stream:
        return [
            Message(ranks, int(r["payload_bytes"]), 1e-6 * float(r["time_us"]))
            for r in csv.DictReader(stream)
            if r["source"].startswith(source)
            and (r["gpu"], r["collective"], r["nodes"]) == (gpu, collective, "1")
            and int(r["num_gpus"]) == ranks
            and r["time_us"]
        ]
