"""DEIM-CUR's speed beside the same in numpy and scipy with a full thin SVD, interleaved, medians.

A is 2000 x 1000 with singular values that fall slowly, k = 50; the optimal core and the error are part of the work on both sides.
"""

import os
import statistics
import sys
import time

import numpy as np
import scipy.linalg

import peers

ROUNDS = int(os.environ.get("ROUNDS", "7"))
M, N, K = 2000, 1000, 50


def deim(v):
    """The pivots of LU with partial pivoting."""
    n, k = v.shape
    _, pivots = scipy.linalg.lu_factor(v, check_finite=False)
    order = np.arange(n)
    for i, pivot in enumerate(pivots[:k]):
        order[[i, pivot]] = order[[pivot, i]]
    return order[:k]


def cur(a):
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    p, q = deim(u[:, :K]), deim(vt[:K].T)
    c, r = a[:, q], a[p]
    (qc, tc), (qr, tr) = np.linalg.qr(c), np.linalg.qr(r.T)
    middle = qc.T @ a @ qr
    core = scipy.linalg.solve_triangular(tc, scipy.linalg.solve_triangular(tr, middle.T, trans=0).T)
    error = np.linalg.norm(a - qc @ middle @ qr.T) / np.linalg.norm(a)
    return p, q, core, error


def matrix(dtype):
    random = np.random.default_rng(1)
    left, right = random.standard_normal((M, N)), random.standard_normal((N, N))
    return (left * 0.99 ** np.arange(N)) @ right.astype(np.float64) / N


failed = False
for dtype in ["f64", "f32"]:
    a = matrix(dtype).astype(np.float64 if dtype == "f64" else np.float32)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        outputs, record = peers.run("cur", {"a": a}, {"k": K}, dtype=dtype)
        ours.append(record["run_ms"])
        start = time.perf_counter()
        p, q, core, error = cur(a)
        theirs.append(1e3 * (time.perf_counter() - start))
    gap = abs(outputs["relative_error"] / error - 1)
    same = np.array_equal(outputs["row_index"], p) and np.array_equal(outputs["col_index"], q)
    assert gap < (1e-9 if dtype == "f64" else 1e-3), f"the two compute different things: {gap}"
    assert same or dtype == "f32", "the two choose different rows or columns"
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"DEIM-CUR {dtype} {M} x {N}, k {K}, {ROUNDS} rounds interleaved, median (smallest):")
    print(f"  tandem          {mine:8.1f} ms ({min(ours):.1f})")
    print(f"  numpy and scipy {other:8.1f} ms ({min(theirs):.1f})")
    print(f"  ratio           {mine / other:8.3f}   (same indices: {same}, errors differ by {gap:.1e})")
    failed |= mine > 1.5 * other
if failed:
    sys.exit("tandem is more than 1.5 times as slow as numpy and scipy")
