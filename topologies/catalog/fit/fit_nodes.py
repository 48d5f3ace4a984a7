#!/usr/bin/env python3
"""Fits ../nodes/*.toml to public tables of collectives. README.md says how to run it."""

import argparse
import csv
import datetime
import os
import statistics

import public_tables as tables
import toml_text as toml
from least_squares import fit_logs

AIC = "ai-dynamo/aiconfigurator commit 095f58a51 (systems/data, comm/nccl, NCCL {}, nccl-tests)"
STAS = "stas00/ml-engineering commit 744d01e (network, all_reduce_bench.py, NCCL 2.27.7)"
VIDUR = "microsoft/vidur commit 7d475133 (data/profiling/network, NCCL through PyTorch)"
VTRAIN = "VIA-Research/vTrain commit f8dda84 (nccl-tests)"
MIB = float(1 << 20)


def wire_share(collective, ranks):
    """Bytes that a rank sends, of those of the whole tensor (nccl-tests' bus bandwidth)."""
    if collective == "send_recv":
        return 1.0
    passes = 2.0 if collective == "all_reduce" else 1.0
    return passes * (ranks - 1) / ranks


def model(parameters, share, message):
    """latency + root sqrt(bytes / MiB) + wire bytes / bandwidth: the middle term is the slow change
    of NCCL's protocols and channel counts between the two limits."""
    latency, root, rate = parameters
    return latency + root * (message.bytes / MIB) ** 0.5 + share * message.bytes / rate


def fit(points, share):
    start = (
        min(p.seconds for p in points),
        1e-6,
        1.05 * max(share * p.bytes / p.seconds for p in points),
    )
    return fit_logs(lambda q, p: model(q, share, p), start, points)


def entry(collective, ranks, points, source):
    share = wire_share(collective, ranks)
    points = sorted(points, key=lambda p: p.bytes)
    parameters = fit(points, share)
    errors = []
    for i in range(1, len(points) - 1):  # the ends would be extrapolated
        rest = fit(points[:i] + points[i + 1 :], share)
        errors.append(abs(model(rest, share, points[i]) / points[i].seconds - 1.0))
    latency, root, rate = parameters
    error = statistics.fmean(errors)
    print(collective, ranks, [f"{q:.3g}" for q in parameters], f"{error:.3f}", len(points))
    return toml.table(
        "[[collective]]",
        [
            ("op", toml.text(collective)),
            ("ranks", str(ranks)),
            ("latency", toml.microseconds(latency)),
            ("root", toml.microseconds(root)),
            ("bandwidth", toml.gigabytes_per_second(rate)),
            ("error", toml.number(error)),
            ("points", str(len(points))),
            ("source", toml.text(source)),
        ],
    )


def aic_entries(path, gpu, version, wanted):
    text = ""
    for collective, ranks in wanted:
        name = "alltoall" if collective == "all_to_all" else collective
        points = tables.messages(path, "ai-dynamo", gpu, name, ranks)
        text += entry(collective, ranks, points, f"{gpu}: {AIC.format(version)}")
    return text


def stas_points(path, gpu, algorithm):
    points = []
    with open(path, newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            is_series = row["source"].startswith("stas00") and row["notes"].startswith("all_reduce_b")
            if is_series and (row["gpu"], row["algo"], row["nodes"]) == (gpu, algorithm, "1"):
                size, rate = int(row["payload_bytes"]), 1e9 * float(row["busbw_gbps"])
                points.append(tables.Message(8, size, wire_share("all_reduce", 8) * size / rate))
    return points


def vidur_points(folder, node, collective, ranks, per_node, thin=20):
    """Slowest rank's median; sizes are bytes. One of `thin`, evenly: the grid is fine."""
    found = {}
    path = os.path.join(folder, f"vidur-net-{node}-{collective}.csv")
    with open(path, newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if (int(row["num_workers"]), int(row["devices_per_node"])) == (ranks, per_node):
                size = int(row["size"])
                seconds = 1e-3 * float(row[f"time_stats.{collective}.median"])
                found[size] = max(seconds, found.get(size, 0.0))
    sizes = sorted(found)[::thin]
    return [tables.Message(ranks, size, found[size]) for size in sizes]


def launched(folder, node, ranks):
    """What an all-reduce takes when a framework launches it on every rank by itself: ranks arrive
    together (as in nccl-tests) or wait for one another. The upper quartile up to 1 MiB, the slower
    of the two modes."""
    points = vidur_points(folder, node, "all_reduce", ranks, ranks, thin=1)
    times = [point.seconds for point in points if point.bytes <= MIB]
    floor = statistics.quantiles(times, n=4)[2]
    return toml.table(
        "[[launched]]",
        [
            ("ranks", str(ranks)),
            ("latency", toml.microseconds(floor)),
            ("points", str(len(times))),
            ("source", toml.text(f"Upper quartile of medians up to 1 MiB: {VIDUR}")),
        ],
    )


def vtrain_points(folder, ranks, thin=20):
    """size, count, type, then out-of-place time in nanoseconds."""
    found = {}
    path = os.path.join(folder, f"vtrain-a100-allreduce-{ranks}gpu.txt")
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            fields = line.strip().split(",")
            if len(fields) >= 4 and fields[0].isdigit():
                found[int(fields[0])] = 1e-9 * float(fields[3])
    return [tables.Message(ranks, size, found[size]) for size in sorted(found)[::thin]]


def cross_error(path, gpu, other):
    """Mean difference of the same collective, ranks and size between two kinds of node."""
    times = {}
    with open(path, newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["source"].startswith("ai-dynamo"):
                key = (row["collective"], row["num_gpus"], row["payload_bytes"])
                times.setdefault(row["gpu"], {})[key] = float(row["time_us"])
    both = times[gpu].keys() & times[other].keys()
    return statistics.fmean(abs(times[other][key] / times[gpu][key] - 1.0) for key in both)


FABRICS = {
    "infiniband-hdr": ("200 Gb/s", 0.96, "gtc2025-07",
        "192 of 200 GB/s bus bandwidth per node, all-reduce on 4 DGX A100 (NVIDIA GTC 2025)"),
    "infiniband-ndr": ("400 Gb/s", 0.96, "gtc2024-08",
        "48 of 50 GB/s bus bandwidth, all-reduce over 400 Gb/s RDMA (NVIDIA GTC 2024); 4 DGX H100 "
        "reach 370 of 400 GB/s, where NVLink's ring is the limit, 480 with SHARP (GTC 2025)"),
    "efa-v4": ("400 Gb/s", 0.95, "stas-b200-4n",
        "382 of 400 GB/s bus bandwidth per node, all-reduce of 16 GiB on 4 nodes of 8 B200, AWS "
        "P6-B200; 93 % at 2 GiB, 57 % at 256 MiB, 23 % at 32 MiB"),
    "ethernet-100-tcp": ("100 Gb/s", 0.80, "gtc2024-06",
        "10 of 12.5 GB/s bus bandwidth, all-reduce over TCP sockets (NVIDIA GTC 2024)"),
}


def fabric(name):
    bandwidth, efficiency, row, source = FABRICS[name]
    return toml.table(
        "[[fabric]]",
        [
            ("name", toml.text(name)),
            ("bandwidth", toml.text(bandwidth)),
            ("efficiency", toml.number(efficiency)),
            ("source", toml.text(f"{source}; in stas00/ml-engineering commit 744d01e ({row})")),
        ],
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measurements", required=True, help="folder of vidur-net-*, vtrain-*")
    parser.add_argument("--collectives", required=True, help="collectives.csv")
    parser.add_argument("--out", required=True, help="folder of the node files")
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    options = parser.parse_args()
    table, folder = options.collectives, options.measurements
    nvls = stas_points(table, "H200", "NVLS above ~1MiB")
    ar, ag, rs, aa = "all_reduce", "all_gather", "reduce_scatter", "all_to_all"

    def write(name, comment, like, body, fabrics):
        text = toml.header(f"{comment} Written by fit/fit_nodes.py on {options.date}.")
        text += f'name = "{name}"\ndate = "{options.date}"\n'
        if like:
            other, (gpu, other_gpu), reason = like
            error = cross_error(table, gpu, other_gpu)
            reason += f"; where both were measured they differ by {100.0 * error:.1f} %"
            text += f'like = "{other}"\nlike_error = {toml.number(error)}\n'
            text += f"like_source = {toml.text(reason)}\n"
        body += "".join(map(fabric, fabrics))
        with open(os.path.join(options.out, f"{name}.toml"), "w", encoding="utf-8") as stream:
            stream.write(text + body)

    body = entry(ar, 2, vtrain_points(folder, 2), f"Two A100 on NVLink, 1 MiB to 1 GiB: {VTRAIN}")
    body += aic_entries(table, "A100-80GB", "2.27.3", [(ar, 4), (ar, 8)])
    wanted = [(op, ranks) for op in (ag, rs, aa) for ranks in (2, 4, 8)]
    body += aic_entries(table, "A100-80GB", "2.27.3", wanted)
    body += entry("send_recv", 2, vidur_points(folder, "a100_dgx", "send_recv", 2, 2), VIDUR)
    body += "".join(launched(folder, "a100_dgx", ranks) for ranks in (2, 4, 8))
    write("dgx-a100", "DGX A100: eight A100 on NVLink 3.", None, body,
          ["infiniband-hdr", "ethernet-100-tcp"])

    body = aic_entries(table, "H100-80GB", "2.29.2", [(ar, 2)])
    body += entry(ar, 4, vidur_points(folder, "h100_dgx", ar, 4, 4), VIDUR)
    nvls_source = f"H200, the same links, NVLS above 1 MiB: {STAS}"
    body += entry(ar, 8, nvls, nvls_source)
    wanted = [(ag, 2), (ag, 4), (ag, 8), (rs, 2), (rs, 8), (aa, 2), (aa, 4), (aa, 8)]
    body += aic_entries(table, "H100-80GB", "2.29.2", wanted)
    body += entry("send_recv", 2, vidur_points(folder, "h100_dgx", "send_recv", 2, 2), VIDUR)
    body += "".join(launched(folder, "h100_dgx", ranks) for ranks in (2, 4, 8))
    write("dgx-h100", "DGX H100: eight H100 on NVLink 4.", None, body,
          ["infiniband-ndr", "ethernet-100-tcp"])

    body = aic_entries(table, "H200", "2.29.2", [(ar, 2)]) + entry(ar, 8, nvls, nvls_source)
    wanted = [(ag, 2), (ag, 4), (ag, 8), (rs, 2), (rs, 4), (rs, 8), (aa, 8)]
    body += aic_entries(table, "H200", "2.29.2", wanted)
    same_links = "The same NVLink 4 and switch"
    write("dgx-h200", "DGX H200: eight H200 on NVLink 4.", ("dgx-h100", ("H200", "H100-80GB"), same_links), body,
          ["infiniband-ndr", "ethernet-100-tcp"])

    body = aic_entries(table, "B200", "2.29.2", [(ar, 2), (ar, 8), (ag, 8), (aa, 8), (rs, 2), (rs, 4)])
    same_links = "The same NVLink 5 and switch"
    write("dgx-b200", "DGX B200: eight B200 on NVLink 5.", ("dgx-b300", ("B200", "B300"), same_links), body,
          ["infiniband-ndr", "efa-v4", "ethernet-100-tcp"])

    wanted = [(ar, 4), (ag, 2), (ag, 4), (rs, 2), (rs, 4), (rs, 8), (aa, 2), (aa, 4)]
    body = aic_entries(table, "B300", "2.29.2", wanted)
    write("dgx-b300", "DGX B300: eight B300 on NVLink 5.", ("dgx-b200", ("B300", "B200"), same_links), body, [])

    body = aic_entries(table, "GB200", "2.29.2", [(ar, 2), (ar, 4), (ag, 2), (aa, 2), (aa, 4), (rs, 2)])
    in_tray = "The same NVLink 5 in an eight-GPU node"
    write("gb200-nvl72", "GB200 NVL72: groups of up to four were measured inside one tray; larger "
          "ones stand for the switch of the rack as of an eight-GPU node.",
          ("dgx-b200", ("GB200", "B200"), in_tray), body, ["infiniband-ndr"])

    body = aic_entries(table, "GB300", "2.29.2", [(ar, 4), (ag, 2), (rs, 4)])
    same_links = "The same die and NVLink 5"
    write("gb300-nvl72", "GB300 NVL72: groups of up to four were measured inside one tray.",
          ("dgx-b300", ("GB300", "B300"), same_links), body, [])


if __name__ == "__main__":
    main()
