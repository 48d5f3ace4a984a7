"""Small robust least squares: Levenberg and Marquardt, and a smooth table over log sizes."""

import math

HUBER = 0.1  # relative errors above this count linearly


def huber_weight(error):
    return 1.0 if abs(error) <= HUBER else HUBER / abs(error)


def huber_loss(error):
    size = abs(error)
    return 0.5 * size * size if size <= HUBER else HUBER * (size - 0.5 * HUBER)


def solve(matrix, right):
    """Solves a symmetric positive definite system by Cholesky; `matrix` is overwritten."""
    n = len(right)
    lower = []
    for i in range(n):
        row = matrix[i]
        for j in range(i):
            other = lower[j]
            row[j] = (row[j] - sum(map(float.__mul__, row[:j], other[:j]))) / other[j]
        row[i] = math.sqrt(row[i] - sum(map(float.__mul__, row[:i], row[:i])))
        lower.append(row)
    half = []
    for i in range(n):
        half.append((right[i] - sum(map(float.__mul__, lower[i][:i], half))) / lower[i][i])
    solution = [0.0] * n
    for i in reversed(range(n)):
        rest = sum(lower[j][i] * solution[j] for j in range(i + 1, n))
        solution[i] = (half[i] - rest) / lower[i][i]
    return solution


def fit_logs(model, start, points, pull=1e-7, steps=100):
    """Parameters (positive, fitted as logarithms) that bring log(model / seconds) near zero.

    `model(parameters, point)` gives seconds, `point.seconds` is what was measured. A parameter that
    the points say nothing about stays at its start.
    """
    first = [math.log(value) for value in start]
    size = len(first)

    def errors(logs):
        parameters = [math.exp(value) for value in logs]
        return [math.log(model(parameters, p) / p.seconds) for p in points]

    def loss(logs, found):
        far = sum((a - b) ** 2 for a, b in zip(logs, first))
        return sum(map(huber_loss, found)) / len(points) + 0.5 * pull * far

    logs, damping, step = list(first), 1e-2, 1e-5
    found = errors(logs)
    best = loss(logs, found)
    for _ in range(steps):
        slopes = []
        for i in range(size):
            moved = list(logs)
            moved[i] += step
            slopes.append([(a - b) / step for a, b in zip(errors(moved), found)])
        weights = [huber_weight(e) / len(points) for e in found]
        curvature = [
            [sum(w * a * b for w, a, b in zip(weights, slopes[i], slopes[j])) for j in range(size)]
            for i in range(size)
        ]
        slope = [
            sum(w * a * e for w, a, e in zip(weights, slopes[i], found))
            + pull * (logs[i] - first[i])
            for i in range(size)
        ]
        for i in range(size):
            curvature[i][i] = (curvature[i][i] + pull) * (1.0 + damping)
        change = solve(curvature, slope)
        candidate = [a - b for a, b in zip(logs, change)]
        there = errors(candidate)
        value = loss(candidate, there)
        if value < best:
            has_settled = best - value < 1e-10 * best
            logs, found, best, damping = candidate, there, value, damping / 4.0
            if has_settled:
                break
        else:
            damping *= 4.0
            if damping > 1e8:
                break
    return [math.exp(value) for value in logs]


class SmoothTable:
    """Values at the corners of a grid over (log m, log n, log k), linear in between."""

    def __init__(self, *axes):
        self.axes = [[math.log(size) for size in axis] for axis in axes]
        self.corners = 1
        for axis in axes:
            self.corners *= len(axis)

    def weights(self, sizes):
        """The eight corners around a point with their weights; clamped to the grid."""
        around = [(0, 1.0)]
        for axis, size in zip(self.axes, sizes):
            x = min(max(math.log(size), axis[0]), axis[-1])
            i = max(j for j in range(len(axis) - 1) if axis[j] <= x)
            share = (x - axis[i]) / (axis[i + 1] - axis[i])
            around = [
                (corner * len(axis) + i + step, weight * part)
                for corner, weight in around
                for step, part in ((0, 1.0 - share), (1, share))
            ]
        return [(corner, weight) for corner, weight in around if weight > 0.0]

    def at(self, values, weights):
        return sum(values[corner] * weight for corner, weight in weights)

    def _penalty(self, smoothness):
        """Second differences along each axis, and a little of the first for corners without data."""
        towards_neighbours = 3e-3
        matrix = [[0.0] * self.corners for _ in range(self.corners)]
        for corner in range(self.corners):
            matrix[corner][corner] = 1e-6

        def add(where, coefficients, strength):
            for a, x in zip(where, coefficients):
                for b, y in zip(where, coefficients):
                    matrix[a][b] += strength * x * y

        stride = self.corners
        for axis in self.axes:
            stride_out, stride = stride, stride // len(axis)
            for corner in range(self.corners):
                i = corner % stride_out // stride
                if i + 1 < len(axis):
                    ahead = axis[i + 1] - axis[i]
                    add((corner, corner + stride), (1.0, -1.0), towards_neighbours / ahead)
                if 0 < i < len(axis) - 1:
                    behind = axis[i] - axis[i - 1]
                    slopes = (1.0 / behind, -1.0 / behind - 1.0 / ahead, 1.0 / ahead)
                    where = (corner - stride, corner, corner + stride)
                    add(where, slopes, smoothness * 0.5 * (ahead + behind))
        return matrix

    def fit(self, points, smoothness, rounds=3):
        """`points`: pairs of corner weights and value; large residuals count linearly."""
        penalty = self._penalty(smoothness)
        trust = [1.0] * len(points)
        values = [0.0] * self.corners
        for _ in range(rounds):
            matrix = [list(row) for row in penalty]
            right = [0.0] * self.corners
            for weight, (around, value) in zip(trust, points):
                for a, x in around:
                    right[a] += weight * x * value
                    row = matrix[a]
                    for b, y in around:
                        row[b] += weight * x * y
            values = solve(matrix, right)
            trust = [huber_weight(value - self.at(values, around)) for around, value in points]
        return values
