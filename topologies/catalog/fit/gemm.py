"""Products: a rounded roofline times a smooth table of utilisation, from single-kernel timings."""

import collections
import statistics

from least_squares import SmoothTable, fit_logs

Point = collections.namedtuple("Point", "m n k flop bytes seconds family")
# Roofline: fixed cost in seconds, FLOP and bytes per second.
Table = collections.namedtuple("Table", "grid axes roofline values quantise")
# What reading and quantising m x k activations costs before an fp8 product: seconds, bytes each.
Quantise = collections.namedtuple("Quantise", "launch bytes_per_element")
NO_QUANTISE = Quantise(0.0, 0.0)


def point(m, n, k, seconds, operand_bytes, family):
    moved = operand_bytes * (m * k + n * k) + 2 * m * n
    return Point(m, n, k, 2.0 * m * n * k, float(moved), seconds, family)


def roofline_seconds(roofline, flop, moved):
    launch, flop_rate, byte_rate = roofline
    return launch + ((flop / flop_rate) ** 4 + (moved / byte_rate) ** 4) ** 0.25


def quantise_seconds(table, m, k):
    return table.quantise.launch + table.quantise.bytes_per_element * m * k / table.roofline[2]


def table_seconds(table, m, n, k, flop, moved):
    """Of the product alone."""
    around = table.grid.weights((m, n, k))
    return roofline_seconds(table.roofline, flop, moved) / 2.718281828459045 ** table.grid.at(
        table.values, around
    )


def fit_roofline(points):
    start = (
        0.5 * min(p.seconds for p in points),
        max(p.flop / p.seconds for p in points),
        max(p.bytes / p.seconds for p in points),
    )
    return fit_logs(lambda r, p: roofline_seconds(r, p.flop, p.bytes), start, points)


def fit_quantised(points, wide):
    """fp8: launch and byte rate are those of the 16-bit table `wide` of the same device; the FLOP
    rate, and what quantising the activations costs, are fitted."""
    launch, flop_rate, byte_rate = wide

    def model(parameters, p):
        rate, fixed, each = parameters
        return (
            roofline_seconds((launch, rate, byte_rate), p.flop, p.bytes)
            + fixed
            + each * p.m * p.k / byte_rate
        )

    rate, fixed, each = fit_logs(model, (1.8 * flop_rate, 8e-6, 6.0), points)
    return (launch, rate, byte_rate), Quantise(fixed, each)


def fit_table(points, axes, smoothness, wide=None):
    import math

    grid = SmoothTable(*axes)
    if wide is None:
        roofline, quantise = fit_roofline(points), NO_QUANTISE
    else:
        roofline, quantise = fit_quantised(points, wide)
    table = Table(grid, axes, roofline, None, quantise)
    samples = []
    for p in points:
        alone = p.seconds - (quantise_seconds(table, p.m, p.k) if wide else 0.0)
        alone = max(alone, 0.25 * p.seconds)  # a time that the fit of the casts would swallow
        value = math.log(roofline_seconds(roofline, p.flop, p.bytes) / alone)
        samples.append((grid.weights((p.m, p.n, p.k)), value))
    return table._replace(values=grid.fit(samples, smoothness))


def predict(table, p, is_quantised):
    casts = quantise_seconds(table, p.m, p.k) if is_quantised else 0.0
    return table_seconds(table, p.m, p.n, p.k, p.flop, p.bytes) + casts


def left_out_error(points, axes, smoothness, wide=None, folds=0):
    """Mean relative error of points whose family, here an (n, k), the fit has not seen. `folds`
    gathers families into that many groups; 0 leaves out one at a time."""
    families = sorted({p.family for p in points})
    group = {f: (i % folds if folds else i) for i, f in enumerate(families)}
    errors = []
    for out in sorted(set(group.values())):
        table = fit_table([p for p in points if group[p.family] != out], axes, smoothness, wide)
        for p in points:
            if group[p.family] == out:
                errors.append((p, predict(table, p, wide is not None) / p.seconds - 1.0))
    return errors


def mean_error(errors, least_rows=1):
    return statistics.fmean(abs(e) for p, e in errors if p.m >= least_rows)
