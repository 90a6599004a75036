"""DEIM-CUR's speed beside the same in numpy and scipy with a full thin SVD, interleaved, medians.

A is 2000 x 1000 with singular values that fall slowly, k = 50; the optimal core and the error are part of the work on both sides.
"""

import os
import resource
import sys

import numpy as np
import scipy.linalg

import peers
from clock import interleaved, milliseconds

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


def matrix():
    random = np.random.default_rng(1)
    left, right = random.standard_normal((M, N)), random.standard_normal((N, N))
    return (left * 0.99 ** np.arange(N)) @ right / N


def resident():
    """The most memory that a process of tandem has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


peers.run("cur", {"a": np.eye(4)}, {"k": 2}, dtype="f64")
print(f"tandem holds at most {resident():.0f} MiB for a matrix of 4 x 4: the program and its compiler")
failed = False
for dtype in ["f32", "f64"]:
    a = matrix().astype(np.float64 if dtype == "f64" else np.float32)

    def ours():
        return peers.run("cur", {"a": a}, {"k": K}, dtype=dtype)

    times = interleaved({"tandem": lambda: ours()[1]["run_ms"], "numpy": lambda: milliseconds(cur, a)}, ROUNDS)
    (outputs, _), (p, q, core, error) = ours(), cur(a)
    gap = abs(outputs["relative_error"] / error - 1)
    same = np.array_equal(outputs["row_index"], p) and np.array_equal(outputs["col_index"], q)
    assert gap < (1e-9 if dtype == "f64" else 1e-3), f"the two compute different things: {gap}"
    assert same or dtype == "f32", "the two choose different rows or columns"
    (mine, least), (other, least_other) = times["tandem"], times["numpy"]
    print(f"DEIM-CUR {dtype} {M} x {N}, k {K}, {ROUNDS} rounds interleaved, median (smallest):")
    print(f"  tandem          {mine:8.1f} ms ({least:.1f})")
    print(f"  numpy and scipy {other:8.1f} ms ({least_other:.1f})")
    print(f"  ratio           {mine / other:8.3f}   (same indices: {same}, errors differ by {gap:.1e})")
    print(f"  a process of tandem, with A ({a.nbytes / 2**20:.0f} MiB), held at most {resident():.0f} MiB")
    failed |= mine > 1.5 * other
if failed:
    sys.exit("tandem is more than 1.5 times as slow as numpy and scipy")
