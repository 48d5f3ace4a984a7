"""The attention sections of the device files: which kernel stands for which device, and why."""

import attention as att
import public_tables as tables
import toml_text as toml
from sources import AIC, BYTES, CHARTS, CUDNN, PEAK, SIMUMAX


# Mean difference of cuDNN 9.22 from 9.19 on GB200, causal, 2,048 to 32,768 tokens: 5 %, at most 20; twice
# that, for versions further apart.
BETWEEN_VERSIONS = 0.10


def attention_entry(device, direction, mask, head_size, fitted, error, points, source, method=""):
    rate, half_length, half_rows, launch = fitted
    return toml.table(
        "[[attention]]",
        ([("method", toml.text(method))] if method else [])
        + [
            ("direction", toml.text(direction)),
            ("mask", toml.text(mask)),
            ("head_size", str(head_size)),
            ("flop_fraction", toml.number(rate / PEAK[device])),
            ("half_length", toml.number(half_length)),
            ("half_rows", toml.number(half_rows)),
            ("launch", toml.microseconds(launch)),
            ("error", toml.number(error)),
            ("points", str(points)),
            ("source", toml.text(source)),
        ],
    )


def version_sections(rows, device, gpu, kernel, method, half_rows, launch):
    """One version of FlashAttention from its chart of forward and backward together: both
    directions at that rate, which is what a step sees of them."""
    text = ""
    for mask in ("causal", "full"):
        for size in (64, 128):
            points = tables.attention(
                rows, "flash-attention", gpu, "fwd+bwd", kernel, size, mask == "causal"
            )

            def fit(some):
                return att.fit_chart(some, half_rows, launch, 3.5)

            (rate, half_length), _ = fit(points)
            error = att.left_out_error(points, fit, lambda p: p.length)
            source = f"{kernel}, forward and backward together: {CHARTS}"
            for direction in ("forward", "backward"):
                fitted = (rate, half_length, half_rows, launch)
                text += attention_entry(
                    device, direction, mask, size, fitted, error, len(points), source, method
                )
    return text


def first_version_like(rows, device, charts, gpu, half_rows, launch, second):
    """FlashAttention's first version on a device that has no chart of it: its rate on another GPU
    times the ratio of the second version's rates on the two. `second`: those on the other GPU."""
    text = ""
    for mask in ("causal", "full"):
        for size in (64, 128):
            is_causal = mask == "causal"
            points = tables.attention(
                rows, "flash-attention", gpu, "fwd+bwd", "FlashAttention-1", size, is_causal
            )
            (rate, half_length), _ = att.fit_chart(points, half_rows, launch, 3.5)
            ratio = charts.fit("FlashAttention-2", "fwd+bwd", size, is_causal)[0]
            ratio /= second[mask, size]
            source = (
                f"FlashAttention-1 on {gpu}, forward and backward together, times the ratio of "
                f"FlashAttention-2's rates on the two devices: {CHARTS}. Derived, no chart of it on "
                "this device: the error is a guess"
            )
            for direction in ("forward", "backward"):
                fitted = (rate * ratio, half_length, half_rows, launch)
                text += attention_entry(
                    device, direction, mask, size, fitted, 0.2, len(points), source, "flash-1"
                )
    return text


class Charts:
    """Fits of FlashAttention's charts on H100: rate and half length by kernel, size and mask."""

    def __init__(self, rows, half_rows, launch):
        self.rows, self.half_rows, self.launch = rows, half_rows, launch

    def fit(self, kernel, direction, head_size, is_causal):
        passes = 3.5 if direction == "fwd+bwd" else 1.0
        points = tables.attention(
            self.rows, "flash-attention", "H100", direction, kernel, head_size, is_causal
        )

        def fit(some):
            return att.fit_chart(some, self.half_rows, self.launch, passes)

        (rate, half_length), _ = fit(points)
        error = att.left_out_error(points, fit, lambda p: p.length)
        return rate, half_length, error, len(points)

    def backward(self, head_size_of_forward, is_causal):
        """FlashAttention-2, head 64: what is left of forward and backward without the forward."""
        both, both_length, error, count = self.fit(
            "FlashAttention-2", "fwd+bwd", head_size_of_forward, is_causal
        )
        ahead, ahead_length, _, _ = self.fit(
            "FlashAttention-2", "fwd", head_size_of_forward, is_causal
        )
        slow = 3.5 / both - 1.0 / ahead
        return (
            2.5 / slow,
            (3.5 / both * both_length - ahead_length / ahead) / slow,
            error,
            count,
        )


def h100_attention(charts):
    text, launch = "", charts.launch
    for mask in ("causal", "full"):
        is_causal = mask == "causal"
        for kernel, size in (("FlashAttention-2", 64), ("cuDNN", 128), ("FlashAttention-3", 256)):
            rate, length, error, count = charts.fit(kernel, "fwd", size, is_causal)
            source = f"{kernel}: {CHARTS}; half_rows and launch from H200's context kernel"
            fitted = (rate, length, charts.half_rows, launch)
            text += attention_entry("h100", "forward", mask, size, fitted, error, count, source)
        rate, length, error, count = charts.backward(64, is_causal)
        fitted = (rate, length, charts.half_rows, launch)
        source = f"FlashAttention-2, forward and backward less forward: {CHARTS}"
        text += attention_entry("h100", "backward", mask, 64, fitted, error, count, source)
        # FlashAttention-3, head 128: 447 TFLOP/s forward and backward at length 8192, less
        # the forward of that length; the length dependence is FlashAttention-2's.
        ahead, ahead_length, _, _ = charts.fit("cuDNN", "fwd", 128, True)
        few_rows = 1.0 + charts.half_rows / (8192 * 32)  # one sequence, 32 heads
        forward = ahead / (1.0 + ahead_length / 8192) / few_rows
        backward = 2.5 / (3.5 / 447e12 - 1.0 / forward)
        _, causal_length, _, _ = charts.backward(64, True)
        best = backward * (1.0 + causal_length / 8192) * few_rows
        fitted = (best, length, charts.half_rows, launch)
        source = (
            "FlashAttention-3 inside a training step on H200, the same die: 447 TFLOP/s forward "
            "and backward, causal, length 8192 (stas00/ml-engineering commit 744d01e), less the "
            "forward above; dependence on length from FlashAttention-2's backward. One point: the "
            "error is not left out but FlashAttention-2's between head sizes"
        )
        text += attention_entry("h100", "backward", mask, 128, fitted, 0.14, 1, source)
    return text


def a100_attention(rows, charts, serving):
    """TransformerEngine's rates at one length, FlashAttention-2's dependence on length; also the rate
    of forward and backward together, by mask and head size."""
    together = {}
    _, _, _, launch = serving
    launch = max(launch, 3e-6)
    points = [
        p for p in tables.attention(rows, "SimuMax", "A100", "fwd") if p.head_size == 128
    ]
    # Head 64 relative to 128, FlashAttention-2 on H100, forward and backward.
    smaller = (
        charts.fit("FlashAttention-2", "fwd+bwd", 64, True)[0]
        / charts.fit("FlashAttention-2", "fwd+bwd", 128, True)[0]
    )
    text = ""
    causal_length = charts.fit("FlashAttention-2", "fwd", 64, True)[1]

    def fit(some):
        return att.fit_heads(some, causal_length, launch)

    (rate, half_rows), _ = fit(points)
    error = att.left_out_error(points, fit, lambda p: (p.heads, p.kv_heads))
    for mask in ("causal", "full"):
        is_causal = mask == "causal"
        ahead, length, _, _ = charts.fit("FlashAttention-2", "fwd", 64, is_causal)
        back, back_length, _, _ = charts.backward(64, is_causal)
        for size, factor in ((64, smaller), (128, 1.0)):
            source = (
                f"TransformerEngine's attention on A100 PCIe, causal, length 4096, head 128: "
                f"{SIMUMAX}. Dependence on length and mask, and head 64 relative to 128, from "
                f"FlashAttention-2 on H100: {CHARTS}"
            )
            fitted = (rate * factor, length, half_rows, launch)
            bound = max(error, 0.06)
            text += attention_entry(
                "a100", "forward", mask, size, fitted, bound, len(points), source
            )
            source = (
                "Forward's rate times backward's to forward's of FlashAttention-2 on H100, head "
                f"64: {CHARTS}. Derived: the error is the difference between devices"
            )
            fitted = (rate * factor * back / ahead, back_length, half_rows, launch)
            text += attention_entry("a100", "backward", mask, size, fitted, 0.10, 6, source)
            together[mask, size] = rate * factor * 3.5 / (1.0 + 2.5 * ahead / back)
    return text, together


def serving_attention(rows, device, gpu):
    points = tables.attention(rows, "ai-dynamo/aiconfigurator", gpu, "fwd")

    def fit(some):
        return att.fit_serving(some, BYTES[device])

    fitted, _ = fit(points)
    error = att.left_out_error(points, fit, lambda p: (p.length, p.heads))
    print(gpu, "attention", fitted, error)
    return fitted, error, len(points)


def cudnn_attention(path, device, gpu, half_rows, launch):
    """cuDNN's, as TransformerEngine calls it in training, from NVIDIA's own benchmark: both
    directions and masks of head 128, head 64 within a window, and the heads of latent attention
    (192 and 128: priced at their mean)."""
    text = ""
    lengths = {}
    for direction, name in (("fwd", "forward"), ("bwd", "backward")):
        for mask, sizes in (
            ("causal", (128, 128)),
            ("full", (128, 128)),
            ("causal", (192, 128)),
            ("causal", (64, 64)),
        ):
            points = tables.cudnn_attention(path, gpu, direction, mask, sizes)
            if not points:
                continue
            is_windowed = points[0].window == points[-1].window
            given = lengths[direction] if is_windowed else None

            def fit(some):
                return att.fit_sdpa(some, half_rows, launch, given)

            fitted, _ = fit(points)
            rate, length = (*fitted, given)[:2]
            if (mask, sizes) == ("causal", (128, 128)):
                lengths[direction] = length
            error = att.left_out_error(points, fit, lambda p: p.length)
            print(gpu, "cuDNN", direction, mask, sizes, rate, length, error)
            entry = (rate, length, half_rows, launch)
            text += attention_entry(
                device,
                name,
                mask,
                sum(sizes) // 2,
                entry,
                max(error, BETWEEN_VERSIONS),
                len(points),
                CUDNN.format(version=points[0].cudnn)
                + "; half_rows and launch from aiconfigurator's context kernels, of several numbers of heads. "
                "The error is at least what versions of cuDNN differ by",
            )
    return text
