#!/usr/bin/env python3
"""Fits ../devices/*.toml to public tables of single kernels. README.md says how to run it."""

import argparse
import collections
import datetime
import math
import os
import statistics

import attention_sections as sections_of
import gemm
import public_tables as tables
import toml_text as toml
from sources import AIC, BYTES, PEAK, SIMUMAX, VIDUR

VIDUR_AXES = (
    (1, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 32768),
    (768, 2304, 6912, 20736, 62208),
    (512, 1536, 4608, 13824, 28672),
)
HERE = os.path.dirname(os.path.abspath(__file__))
AIC_AXES = ((1, 64, 512, 2048, 4096, 8192, 16384), (1024, 4096, 16384), (1024, 4096, 16384))
SMOOTHNESS = {"vidur": 1.0, "aic": 0.1}  # least error of a left-out (n, k), of 0.03 to 10
TILE_ROWS = 128


def shape(p):
    return f"{p.n}x{p.k}"


def vidur_points(products):
    """Whole tiles of rows above 128, as the tables are read; twins of several models count each."""
    points = []
    for (_, m, n, k), seconds in products.items():
        if m <= TILE_ROWS or (m % TILE_ROWS == 0 and (m <= 4096 or m % 1024 == 0)):
            points.append(gemm.point(m, n, k, seconds, 2, f"{n}x{k}"))
    return points


def aic_points(rows, gpu, precision):
    size = 2 if precision == "bf16" else 1
    found = tables.products(rows, "ai-dynamo/aiconfigurator", gpu, precision)
    return [gemm.point(p.m, p.n, p.k, p.seconds, size, shape(p)) for p in found]


def gemm_section(device, kind, points, axes, smoothness, source, wide=None, folds=0, sustained=None):
    table = gemm.fit_table(points, axes, smoothness, wide)
    errors = gemm.left_out_error(points, axes, smoothness, wide, folds)
    launch, flop_rate, byte_rate = table.roofline
    error, error_512 = gemm.mean_error(errors), gemm.mean_error(errors, 512)
    if sustained:
        flop_rate *= sustained.factor
        error, error_512 = math.hypot(error, sustained.error), math.hypot(error_512, sustained.error)
        source += "; " + sustained.note
    peak = PEAK[device] * (1 if kind == "bf16" else 2)
    entries = [
        ("type", toml.text(kind)),
        ("launch", toml.microseconds(launch)),
        ("flop_fraction", toml.number(flop_rate / peak)),
        ("byte_fraction", toml.number(byte_rate / BYTES[device])),
    ]
    if wide:
        entries += [
            ("quantise_launch", toml.microseconds(table.quantise.launch)),
            ("quantise_bytes_per_element", toml.number(table.quantise.bytes_per_element)),
        ]
    entries += [
        ("error", toml.number(error)),
        ("error_from_512_rows", toml.number(error_512)),
        ("left_out", toml.text("one (n, k)" if not folds else f"an n-th of the (n, k), n = {folds}")),
        ("points", str(len(points))),
        ("source", toml.text(source)),
        ("m", toml.sizes(axes[0])),
        ("n", toml.sizes(axes[1])),
        ("k", toml.sizes(axes[2])),
        ("utilisation", toml.cube(axes, [math.exp(v) for v in table.values])),
    ]
    print(device, kind, "left out", gemm.mean_error(errors), gemm.mean_error(errors, 512))
    return toml.table("[[gemm]]", entries), table


def simumax_ratios(rows, table):
    """Times of SimuMax's products on B200 relative to the table at their own sizes, by direction."""
    ratios = {}
    for direction, mark in (("fwd", ""), ("dgrad", ""), ("wgrad", "fp32"), ("wgrad", "bf16")):
        chosen = [r for r in rows if not mark or f"output {mark}, accumulating" in r["notes"]]
        found = tables.products(chosen, "SimuMax", "B200", "bf16", direction)
        points = [gemm.point(p.m, p.n, p.k, p.seconds, 2, shape(p)) for p in found]
        ratios[direction + mark] = [p.seconds / gemm.predict(table, p, False) for p in points]
    return ratios


Sustained = collections.namedtuple("Sustained", "factor error note")


def sustained_rates(rows, ratios):
    """Blackwell under its power limit, in 16 and 8 bits: what the FLOP rate of aiconfigurator's
    tables is multiplied with. Its runs last a few milliseconds, before clocks fall; SimuMax's 75
    calls back to back reach the plateau that a training step sees."""
    forward = statistics.median(ratios["fwd"])
    spread = statistics.fmean(abs(r / forward - 1) for r in ratios["fwd"])
    found = tables.products(rows, "SimuMax", "B200", "bf16", "fwd")
    plateau = statistics.median(
        2.0 * p.m * p.n * p.k / p.seconds for p in found if p.seconds >= 1e-3
    )
    eighths = [
        2.0 * p.m * p.n * p.k / p.seconds
        for p in tables.products(rows, "ai-dynamo/aiconfigurator", "B200", "fp8")
        if min(p.m // 2, p.n, p.k) >= 4096
    ]
    factor8 = min(1.0, 2.0 * plateau / statistics.median(eighths))
    print("sustained", 1.0 / forward, factor8, "plateau", plateau, "spread", spread)
    wide = Sustained(
        1.0 / forward,
        spread,
        "FLOP rate times the factor by which B200's is slower in sustained runs, the median over "
        f"{len(ratios['fwd'])} forward products of {SIMUMAX}: short runs end before the power "
        "limit lowers the clock",
    )
    narrow = Sustained(
        factor8,
        spread,
        "FLOP rate brought down to twice the sustained rate of B200 in 16 bits (median of "
        f"SimuMax's calls from 1 ms on, {plateau / 1e12:.0f} TFLOP/s) at its large products: an 8-bit "
        "FLOP is taken to cost half the energy; not measured",
    )
    return wide, narrow


def sums_on_top(rows, table, sustained):
    """How often the bytes of an fp32 sum, read and written at full bandwidth, come on top of the
    product that is added to it: the share that makes SimuMax's mean error least. `sustained`: by how
    much its products take longer than the table's."""
    chosen = [r for r in rows if "output fp32, accumulating" in r["notes"]]
    found = tables.products(chosen, "SimuMax", "B200", "bf16", "wgrad")
    parts = [
        (sustained * gemm.predict(table, gemm.point(p.m, p.n, p.k, p.seconds, 2, shape(p)), False),
         8.0 * p.m * p.n / BYTES["b200"], p.seconds)
        for p in found
    ]

    def error(share):
        return statistics.fmean(abs((one + share * on_top) / took - 1) for one, on_top, took in parts)

    best = min((0.05 * i for i in range(41)), key=error)
    print("sums on top", best, error(best), "without", error(0.0))
    return best, error(best), len(parts)


def layout_section(ratios, sums=None):
    """dgrad and wgrad relative to forward: medians over SimuMax's shapes of the time relative to
    the table at the product's own sizes, forward's median taken as 1."""
    forward = statistics.median(ratios["fwd"])
    factor = {key: statistics.median(values) / forward for key, values in ratios.items()}
    spread = statistics.fmean(
        abs(r / forward / factor[key] - 1) for key, values in ratios.items() for r in values
    )
    print("SimuMax over aiconfigurator", forward, factor, "spread", spread)
    entries = [
        ("dgrad", toml.number(factor["dgrad"])),
        ("wgrad", toml.number(factor["wgradbf16"])),
        ("wgrad_accumulate", toml.number(factor["wgradfp32"])),
    ]
    source = (
        f"Time relative to forward at the same m, n, k: medians over {SIMUMAX}, B200, "
        "cuBLAS through TransformerEngine, each against this project's table of B200. No "
        "other device has both directions: its ratios stand for all"
    )
    if sums is not None:
        share, error, count = sums
        entries.append(("sums_on_top", toml.number(share)))
        source += (
            f". Sums on top: least mean error, {100 * error:.1f} %, of the {count} products there that "
            "are added to fp32 sums"
        )
    entries += [
        ("error", toml.number(spread)),
        ("points", str(sum(map(len, ratios.values())))),
        ("source", toml.text(source)),
    ]
    return toml.table("[layouts]", entries)


def rows_sections(device, found, default_fraction, default_source):
    """Element-wise kernels: median launch of the smallest, median rate of the largest."""
    kernels = {
        "add": ["add"],
        "swiglu": ["swiglu_forward"],
        "gelu": ["gelu_forward"],
        "rms_norm": ["rms_norm_forward"],
        "rope": ["rope_forward"],
        "embedding": ["embedding_forward"],
    }
    text = ""
    largest = 4e7 if device == "a100" else 5e7  # bytes of the second-level cache
    launches = []
    for name, keys in kernels.items():
        points = found[name]

        def fit(some):
            launch = statistics.median(p.seconds for p in some if p.bytes < 1e6)
            big = [p for p in some if p.bytes > 3 * largest] or some[-20:]
            return launch, statistics.median(p.bytes / (p.seconds - launch) for p in big)

        launch, rate = fit(points)
        launches.append(launch)
        errors = []
        for out in {p.model for p in points}:
            rest = [p for p in points if p.model != out] or points
            fixed, fast = fit(rest)
            errors += [abs((fixed + p.bytes / fast) / p.seconds - 1) for p in points if p.model == out]
        if rate > BYTES[device]:
            rate = default_fraction * BYTES[device]  # operands in the cache: not what memory gives
        text += toml.table(
            "[[rows]]",
            [
                ("kernels", "[" + ", ".join(map(toml.text, keys)) + "]"),
                ("byte_fraction", toml.number(rate / BYTES[device])),
                ("launch", toml.microseconds(launch)),
                ("error", toml.number(statistics.fmean(errors))),
                ("points", str(len(points))),
                ("source", toml.text(f"{VIDUR}, {name} of vLLM's kernels, one model left out")),
            ],
        )
    memory = [
        ("byte_fraction", toml.number(default_fraction)),
        ("launch", toml.microseconds(statistics.median(launches))),
        ("error", "0.15"),
        ("source", toml.text(default_source)),
    ]
    return toml.table("[memory]", memory) + text


def like(device, other, error, reason):
    """A device whose own kernels are not in the tables."""
    entries = [("name", device), ("like", other), ("like_error", error), ("like_source", reason)]
    return [(k, toml.number(v) if isinstance(v, float) else toml.text(v)) for k, v in entries]


class Writer:
    def __init__(self, folder, date):
        self.folder, self.date = folder, date

    def write(self, name, comment, top, body):
        with open(os.path.join(self.folder, f"{name}.toml"), "w", encoding="utf-8") as stream:
            stream.write(toml.header(comment + f" Written by fit/fit_devices.py on {self.date}."))
            stream.write("".join(f"{key} = {value}\n" for key, value in top))
            stream.write(f'date = "{self.date}"\n' + body)


def cross_error(table, points):
    """What taking over another device's table costs, where both were measured: the same fractions
    of the other peak."""
    return statistics.fmean(abs(gemm.predict(table, p, False) / p.seconds - 1) for p in points)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measurements", required=True, help="folder of vidur-GPU-MODEL.csv")
    parser.add_argument("--kernels", required=True, help="kernels.csv")
    parser.add_argument("--cudnn", default=os.path.join(HERE, "cudnn_attention.csv"))
    parser.add_argument("--out", required=True, help="folder of the device files")
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    options = parser.parse_args()
    rows = tables.kernels(options.kernels)
    writer = Writer(options.out, options.date)

    h200_fit, _, _ = sections_of.serving_attention(rows, "h100", "H200")
    charts = sections_of.Charts(rows, half_rows=h200_fit[2], launch=5e-6)
    a100_serving, _, _ = sections_of.serving_attention(rows, "a100", "A100")

    gb300_fit, _, _ = sections_of.serving_attention(rows, "gb300", "GB300")

    def cudnn(device, gpu, serving, launch):
        return sections_of.cudnn_attention(options.cudnn, device, gpu, serving[2], launch)

    wide, wide_points = {}, {}
    sections, eighths = {}, {}
    b200_table = gemm.fit_table(aic_points(rows, "B200", "bf16"), AIC_AXES, SMOOTHNESS["aic"])
    ratios = simumax_ratios(rows, b200_table)
    blackwell, blackwell8 = sustained_rates(rows, ratios)
    for device, gpu in (("h100", "H100-80GB"), ("b200", "B200"), ("b300", "B300"), ("gb200", "GB200")):
        points = aic_points(rows, gpu, "bf16")
        note = "random normal inputs, weights rotated past the second-level cache"
        text, wide[device] = gemm_section(
            device,
            "bf16",
            points,
            AIC_AXES,
            SMOOTHNESS["aic"],
            f"{AIC}; {note}",
            sustained=None if device == "h100" else blackwell,
        )
        wide_points[device] = points
        text8, _ = gemm_section(
            device,
            "fp8_e4m3",
            aic_points(rows, gpu, "fp8"),
            AIC_AXES,
            SMOOTHNESS["aic"],
            f"{AIC}; {note}; the dynamic quantisation of the activations, which its times include, "
            "taken off as quantise_launch + quantise_bytes_per_element m k / byte rate",
            wide[device].roofline,
            sustained=None if device == "h100" else blackwell8,
        )
        sections[device] = text + text8
        eighths[device] = text8
    layouts = layout_section(ratios)
    blackwell_layouts = layout_section(ratios, sums_on_top(rows, wide["b200"], statistics.median(ratios["fwd"])))
    scaled = wide["b200"]._replace(
        roofline=(
            wide["b200"].roofline[0],
            wide["b200"].roofline[1] * PEAK["gb200"] / PEAK["b200"],
            wide["b200"].roofline[2],
        )
    )
    taken_over = cross_error(scaled, wide_points["gb200"])
    print("GB200 from B200's table", taken_over)

    products, small = tables.vidur(options.measurements, "a100")
    text, _ = gemm_section(
        "a100",
        "bf16",
        vidur_points(products),
        VIDUR_AXES,
        SMOOTHNESS["vidur"],
        f"{VIDUR}, fp16, cuBLAS through PyTorch, eight models, tensor parallel 1 to 8",
        folds=12,
    )
    default = [p for p in small["add"] if p.bytes > 2e8]
    fraction = statistics.median(p.bytes / p.seconds for p in default) / BYTES["a100"]
    a100_text, a100_two = sections_of.a100_attention(rows, charts, a100_serving[:4])
    body = text + layouts + a100_text
    body += sections_of.version_sections(
        rows, "a100", "A100", "FlashAttention-1", "flash-1", a100_serving[2], max(a100_serving[3], 3e-6)
    )
    body += rows_sections(
        "a100", small, fraction, f"Median rate of residual additions above 200 MB: {VIDUR}"
    )
    writer.write(
        "a100-sxm",
        "A100 SXM, 80 and 40 GB (fractions of each one's own bandwidth). Products from Vidur rather "
        "than aiconfigurator, which is 15 % faster: its A100 table has six row counts and short runs "
        "at burst clocks; Vidur's 36,188 timings are cuBLAS near sustained clocks, over the sizes "
        "that training uses. Sizes n or k that no tile divides, an odd vocabulary, are not in any "
        "table: they are priced as their neighbours.",
        [("name", '"a100-sxm"')],
        body,
    )

    products, small = tables.vidur(options.measurements, "h100")
    # Some medians beat the peak: not timings of the product that they name.
    products = {
        (model, m, n, k): seconds
        for (model, m, n, k), seconds in products.items()
        if 2.0 * m * n * k / seconds < PEAK["h100"]
    }
    text, _ = gemm_section(
        "h100",
        "bf16",
        vidur_points(products),
        VIDUR_AXES,
        SMOOTHNESS["vidur"],
        f"{VIDUR}, fp16, cuBLAS through PyTorch, six models, tensor parallel 1 to 8",
        folds=12,
    )
    streaming = wide["h100"].roofline[2] / BYTES["h100"]
    stream_note = "Rate at which one-row products stream their weights, rotated past the cache: " + AIC
    body = text + eighths["h100"] + layouts + sections_of.h100_attention(charts)
    versions = sections_of.version_sections(
        rows, "h100", "H100", "FlashAttention-2", "flash-2", charts.half_rows, charts.launch
    ) + sections_of.first_version_like(
        rows, "h100", charts, "A100", a100_serving[2], max(a100_serving[3], 3e-6), a100_two
    )
    body += versions + rows_sections("h100", small, streaming, stream_note)
    writer.write(
        "h100-sxm",
        "H100 SXM. Products in 16 bits from Vidur, as for A100 and for the same reasons: cuBLAS "
        "through PyTorch, a hundred times as many timings over the sizes that training uses, and the "
        "slower of two sources (median 719 against 781 TFLOP/s at 4,096 rows and at least 4,096 x "
        "4,096 weights), so nearer to what a device sustains under load. Against it: its operands "
        "are synthetic, and medians above the peak were left out. The first choice was "
        "aiconfigurator; it was changed after step times had been compared, on these grounds. fp8 "
        "from aiconfigurator. "
        "Attention by the charts of FlashAttention-3 and cuDNN, head 64 by FlashAttention-2. "
        "Element-wise kernels from Vidur: their rate does not depend on what they move.",
        [("name", '"h100-sxm"')],
        body,
    )
    writer.write(
        "h200-sxm",
        "H200 SXM: the die and power limit of H100, faster memory. Attention by cuDNN's own benchmark; "
        "products and element-wise kernels were not measured on it: no H200 was at hand when this was "
        "written; measure one with 'forerun measure'.",
        like(
            "h200-sxm",
            "h100-sxm",
            taken_over,
            "Same die and power limit as H100; its fractions of H200's own peak and bandwidth. The "
            "error is what B200's table costs on GB200, where both were measured",
        ),
        cudnn("h100", "H200", h200_fit, charts.launch) + versions,
    )
    for device, name in (("b200", "b200-sxm"), ("gb200", "gb200")):
        memory = toml.table(
            "[memory]",
            [
                ("byte_fraction", toml.number(wide[device].roofline[2] / BYTES[device])),
                ("launch", '"2 us"'),
                ("error", "0.15"),
                ("source", toml.text(stream_note + "; launch as on H100")),
            ],
        )
        writer.write(
            name,
            f"{name.upper()}: products from aiconfigurator, brought to sustained clocks; attention by "
            "cuDNN's own benchmark. Element-wise kernels were not measured on it. The factor was decided after step "
            "times had been compared, by someone who had not seen them, on kernel grounds: "
            "aiconfigurator's runs of a few milliseconds show no plateau, SimuMax's hold 1,105 "
            "TFLOP/s (within 4 %) from 1 ms on whatever the shape, as a power limit does.",
            [("name", toml.text(name))],
            sections[device] + blackwell_layouts + cudnn(device, name.split("-")[0].upper(), gb300_fit, gb300_fit[3]) + memory,
        )
    memory = toml.table(
        "[memory]",
        [
            ("byte_fraction", toml.number(wide["b300"].roofline[2] / BYTES["b300"])),
            ("launch", '"2 us"'),
            ("error", "0.15"),
            ("source", toml.text(stream_note + "; launch as on H100")),
        ],
    )
    writer.write(
        "b300-sxm",
        "B300 SXM: products from aiconfigurator, brought to sustained clocks; attention taken over from GB300, the same die.",
        like("b300-sxm", "gb300", taken_over, "Attention of GB300, the same die at a higher power "
             "limit. The error is what B200's table costs on GB200"),
        sections["b300"] + blackwell_layouts + memory,
    )
    writer.write(
        "gb300",
        "GB300: attention by cuDNN's own benchmark, products taken over from B300, the same die.",
        like("gb300", "b300-sxm", taken_over, "Products and memory of B300, the same die at a lower "
             "power limit. The error is what B200's table costs on GB200"),
        cudnn("gb300", "GB300", gb300_fit, gb300_fit[3]),
    )


if __name__ == "__main__":
    main()
