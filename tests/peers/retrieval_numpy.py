"""cur-search on the stored score matrix against numpy's singular value decomposition.

Prints the numbers that algos/tests/retrieval.rs expects. Yardstick as in snmf_numpy.py: 16 times numpy's own error in the
precision of the run, measured by numpy in f64 for f32, and against a fixed number of rounding units for f64.
"""

from pathlib import Path

import numpy as np

import peers

FACTOR = 16
RCOND = 0.02
DATA = Path(__file__).resolve().parents[2] / "examples" / "data" / "maxsim_scores.npy"


def uniform(seed, count):
    """The generator of reference problems: splitmix64 by position."""
    mask = (1 << 64) - 1
    out = []
    for i in range(1, count + 1):
        z = (seed + i * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        out.append(((z ^ (z >> 31)) >> 11) * 2.0**-53)
    return np.array(out)


def pick(seed, size, count):
    return np.argsort(uniform(seed, size), kind="stable")[:count]


def complete(rows, items, known):
    u, s, vh = np.linalg.svd(rows[:, items], full_matrices=False)
    kept = s > RCOND * s[0]
    core = (vh[kept].T / s[kept]) @ u[:, kept].T
    return known @ (core @ rows), int(kept.sum()), s / s[0]


def main():
    scores = np.load(DATA)
    every = pick(1, 160, 160)
    anchors, asking, items = every[:100], every[100:], pick(1, 800, 50)
    truth = scores[asking].astype(np.float64)
    exact, rank, s = complete(scores[anchors].astype(np.float64), items, truth[:, items])
    error = np.linalg.norm(exact - truth) / np.linalg.norm(truth)
    print(f"rank {rank}, singular values around the cut {s[rank - 1]:.4f} and {s[rank]:.4f}, relative error {error:.12f}")
    order = np.argsort(-exact, axis=1, kind="stable")
    print("the first query's first items", order[0, :5].tolist())
    best = np.argsort(-truth, axis=1, kind="stable")
    for k in (1, 10, 50, 100):
        hits = 0
        for i in range(len(asking)):
            shortlist = [item for item in order[i] if item not in items][:50]
            hits += len(set(best[i, :k]) & (set(shortlist) | set(items)))
        print(f"recall@{k}: {hits} of {60 * k}")

    for dtype, short in ((np.float32, "f32"), (np.float64, "f64")):
        rows, known = scores[anchors].astype(dtype), scores[asking][:, items].astype(dtype)
        inputs = {"anchor_rows": rows, "item_index": items.astype(np.int32), "query_scores": known}
        ours, record = peers.run("cur-search", inputs, {"topk": 100, "rcond": RCOND}, short)
        assert record["status"] == ["RANK_DEFICIENT"], record["status"]
        scale = np.abs(exact).max()
        own = np.abs(complete(rows, items, known)[0] - exact).max() / scale if dtype == np.float32 else 0
        allowed = FACTOR * max(own, 64 * np.finfo(dtype).eps)
        found = np.abs(ours["scores"] - exact).max() / scale
        assert found <= allowed, f"{short}: {found:.2e} from numpy, {allowed:.2e} is allowed"
        listed = np.take_along_axis(ours["scores"], ours["top_index"].astype(int), axis=1)
        assert (listed == ours["top_score"]).all() and (np.diff(listed, axis=1) <= 0).all()
        print(f"cur-search {short}: {found:.1e} from numpy, {allowed:.1e} is allowed")


if __name__ == "__main__":
    main()
