"""Semi-NMF against an implementation in numpy, from the same start, on data that nobody tuned for.

The yardstick: the device's losses may be 16 times as far from numpy's losses in the next higher precision (f64 for f32,
extended precision for f64) as numpy's own losses in the device's precision are.
"""

import numpy as np

import peers

FACTOR = 16
FLOOR = 8


def solve(gram, rhs):
    """gram^-1 rhs by elimination: numpy's own solve knows no precision above f64."""
    if gram.dtype != np.longdouble:
        return np.linalg.solve(gram, rhs)
    m, x = gram.copy(), rhs.copy()
    for j in range(len(m)):
        x[j] /= m[j, j]
        m[j] /= m[j, j]
        for i in range(len(m)):
            if i != j:
                x[i] -= m[i, j] * x[j]
                m[i] -= m[i, j] * m[j]
    return x


def losses(a, y, iterations, dtype):
    """Ding, Li and Jordan's updates in numpy; the squared error after each."""
    a, g = a.astype(dtype), y.astype(dtype).T
    out = []
    for _ in range(iterations):
        f = solve(g.T @ g, (a @ g).T).T
        p, q = a.T @ f, f.T @ f
        up = np.maximum(p, 0) + g @ np.maximum(-q, 0)
        down = np.maximum(-p, 0) + g @ np.maximum(q, 0)
        g = g * np.sqrt(up / down)
        out.append(np.sum(np.square(a - f @ g.T), dtype=dtype))
    return np.array(out, dtype)


def activations(d, n, seed):
    """A layer of random ReLU neurons on clustered inputs: sparse, correlated, non-negative."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((12, 24))
    inputs = centres[rng.integers(12, size=n)] + 0.5 * rng.standard_normal((n, 24))
    return np.maximum(rng.standard_normal((d, 24)) @ inputs.T - 1, 0)


def signed(d, n, seed):
    """Heavy-tailed numbers of both signs on very different scales per row."""
    rng = np.random.default_rng(seed)
    return rng.standard_t(4, (d, n)) * np.exp(2 * rng.standard_normal((d, 1)))


def check(name, a, k, iterations):
    settings = {"k": k, "seed": 11}
    for dtype, short, finer in ((np.float32, "f32", np.float64), (np.float64, "f64", np.longdouble)):
        data = a.astype(dtype)
        start, _ = peers.run("snmf", {"a": data}, {**settings, "iters": 0}, short)
        assert start["loss"].shape == (0,)
        partner = np.linalg.lstsq(start["y"].T.astype(np.float64), data.T.astype(np.float64), rcond=None)[0].T
        error = np.abs(start["z"] - partner).max() / np.abs(partner).max()
        condition = np.linalg.cond(start["y"].astype(np.float64))
        assert error < 100 * np.finfo(dtype).eps * condition**2, f"{name}: z is no least-squares partner: {error}"

        ours, record = peers.run("snmf", {"a": data, "y0": start["y"]}, {**settings, "iters": iterations}, short)
        again, _ = peers.run("snmf", {"a": data}, {**settings, "iters": iterations}, short)
        assert np.array_equal(ours["loss"], again["loss"]), f"{name}: the written start is not the start"
        assert (ours["y"] >= 0).all() and record["status"] == []

        own = losses(data, start["y"], iterations, dtype)
        oracle = losses(data, start["y"], iterations, finer)
        norm = float(np.sum(np.square(data, dtype=np.float64)))
        floor = FLOOR * np.finfo(dtype).eps / 2 * norm
        yardstick = max(np.abs(own - oracle).max(), floor)
        error = np.abs(ours["loss"] - oracle).max()
        assert error <= FACTOR * yardstick, f"{name} {short}: {error / yardstick:.1f} yardsticks from numpy"
        best = np.square(data - ours["z"].astype(np.float64) @ ours["y"].astype(np.float64)).sum()
        assert abs(best - ours["loss"].min()) <= 100 * floor
        print(f"snmf {short} {name}: {error / yardstick:.2f} yardsticks from numpy, at most {FACTOR}", flush=True)


check("random ReLU layer [300, 700], k 20", activations(300, 700, 1), 20, 60)
check("heavy tails [120, 90], k 9", signed(120, 90, 2), 9, 60)
check("small and wide [5, 400], k 3", signed(5, 400, 3), 3, 60)
print("snmf agrees with numpy")
