"""Attention: a rate, less where sequences are short or rows are few."""

import statistics

from least_squares import fit_logs
from public_tables import attention_flop, sdpa_flop


def flop_of(p):
    return attention_flop(p.batch, p.length, p.heads, p.kv_heads, p.head_size, p.causal)


def model_seconds(flop, length, rows, rate, half_length, half_rows, launch):
    """launch + F / rate (1 + l / length) (1 + r / rows): half the rate at length l, or at r rows
    (batch x heads x length); never faster for more work."""
    return launch + flop / rate * (1.0 + half_length / length) * (1.0 + half_rows / rows)


def cache_bytes(p):
    """Keys and values of 16 bits, read and written once: a serving kernel's cache write."""
    return 2.0 * 2.0 * 2.0 * p.batch * p.length * p.kv_heads * p.head_size


def fit_serving(points, byte_rate):
    """Rate, half length, half rows, launch, and how often the cache write is paid."""

    def model(q, p):
        rows = p.batch * p.heads * p.length
        return (
            model_seconds(flop_of(p), p.length, rows, *q[:4]) + q[4] * cache_bytes(p) / byte_rate
        )

    best = max(flop_of(p) / p.seconds for p in points)
    return fit_logs(model, (1.05 * best, 300.0, 1e5, 5e-6, 1.0), points), model


def fit_chart(points, half_rows, launch, passes=1.0):
    """Rate and half length; what a chart of constant token count cannot tell is given."""

    def model(q, p):
        rows = p.batch * p.heads * p.length
        return model_seconds(passes * flop_of(p), p.length, rows, q[0], q[1], half_rows, launch)

    best = max(passes * flop_of(p) / p.seconds for p in points)
    return fit_logs(model, (1.1 * best, 200.0), points), model


def fit_heads(points, half_length, launch):
    """Rate and half rows from one length and several head counts."""

    def model(q, p):
        rows = p.batch * p.heads * p.length
        return model_seconds(flop_of(p), p.length, rows, q[0], half_length, q[1], launch)

    best = max(flop_of(p) / p.seconds for p in points)
    return fit_logs(model, (1.1 * best, 1e5), points), model


def fit_sdpa(points, half_rows, launch, half_length=None):
    """Rate and half length; of one number of heads the rows tell nothing that lengths do not. Within
    a window the length is always the window's: the half length is given."""

    def model(q, p):
        rows = p.batch * p.heads * p.length
        length = q[1] if half_length is None else half_length
        return model_seconds(sdpa_flop(p), p.window, rows, q[0], length, half_rows, launch)

    best = max(sdpa_flop(p) / p.seconds for p in points)
    start = (1.1 * best, 500.0) if half_length is None else (1.1 * best,)
    return fit_logs(model, start, points), model


def left_out_error(points, fit, family):
    errors = []
    for out in sorted({family(p) for p in points}):
        parameters, model = fit([p for p in points if family(p) != out])
        errors += [abs(model(parameters, p) / p.seconds - 1) for p in points if family(p) == out]
    return statistics.fmean(errors)
