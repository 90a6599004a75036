"""The exported program runs in JAX's own client: on the same plugin with the same bits, and on jaxlib's own XLA.

Takes the platform as its argument: `plugin` or `jaxlib`. A process can load only one of them.
"""

import os
import sys

import numpy as np

import peers

platform = sys.argv[1]
peers.choose_jax(platform)
os.environ["JAX_ENABLE_X64"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NAMES = ["z", "y", "loss", "iterations", "top_index"]


def problem(d, n, dtype, seed):
    rng = np.random.default_rng(seed)
    return np.maximum(rng.standard_normal((d, n)), -0.1).astype(dtype)


def check(d, n, dtype, settings):
    short = {np.float32: "f32", np.float64: "f64"}[dtype]
    a = problem(d, n, dtype, 7)
    ours, _ = peers.run("snmf", {"a": a}, settings, short)
    text = peers.export("snmf", {"a": f"{short}[{d},{n}]"}, settings, short)
    assert "custom_call" not in text
    theirs = dict(zip(NAMES, peers.execute(text, [a]), strict=True))
    for name in NAMES:
        assert ours[name].dtype == theirs[name].dtype and ours[name].shape == theirs[name].shape, name
        if platform == "plugin":
            assert np.array_equal(ours[name], theirs[name]), f"{name} differs in its bits ({short}, {settings})"
    gap = np.abs(ours["loss"] / theirs["loss"] - 1).max()
    unit = np.finfo(dtype).eps
    assert gap < 1000 * unit, f"the losses differ by {gap} ({short}, {settings})"
    print(f"{platform}: snmf {short} [{d}, {n}] {settings}: losses differ by {gap:.1e}", flush=True)


for dtype in (np.float32, np.float64):
    check(96, 130, dtype, {"k": 7, "iters": 30})
    check(64, 50, dtype, {"k": 5, "iters": 20, "sparsity": 0.2})
    check(64, 80, dtype, {"k": 6, "iters": 20, "init": "kmeans", "seed": 3})
check(768, 900, np.float32, {"k": 40, "iters": 25})
