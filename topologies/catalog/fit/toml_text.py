"""Writes device and node files: TOML that is read by people too."""

import textwrap


def number(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def text(value):
    return '"' + value.replace('"', "'") + '"'


def microseconds(seconds):
    return f'"{1e6 * seconds:.3g} us"'


def gigabytes_per_second(rate):
    return f'"{1e-9 * rate:.4g} GB/s"'


def header(comment):
    lines = textwrap.wrap(comment, 98)
    return "".join(f"# {line}\n" for line in lines)


def table(name, entries):
    """`entries`: pairs of key and text that is TOML already."""
    return f"\n{name}\n" + "".join(f"{key} = {value}\n" for key, value in entries)


def sizes(axis):
    return "[" + ", ".join(str(size) for size in axis) + "]"


def cube(axes, values):
    """One line for each (m, n), with its values by k."""
    rows = []
    width = len(axes[2])
    for start in range(0, len(values), width):
        row = ", ".join(f"{value:.3f}" for value in values[start : start + width])
        rows.append(f"  [{row}],\n")
    return "[\n" + "".join(rows) + "]"
