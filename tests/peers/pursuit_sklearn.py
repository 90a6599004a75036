"""Orthogonal matching pursuit against scikit-learn's orthogonal_mp_gram: the same support and codes on well separated problems.

scikit-learn assumes atoms of norm 1, and its results say which atoms, not in which order; ours takes atoms of any norm.
"""

import numpy as np
from sklearn.linear_model import orthogonal_mp_gram

import peers


def check(name, x, dictionary, k, separated):
    """Compares both routes and precisions with scikit-learn in f64."""
    sizes = np.linalg.norm(dictionary, axis=1)
    unit = dictionary / sizes[:, None]
    theirs = orthogonal_mp_gram(unit @ unit.T, unit @ x.T, n_nonzero_coefs=k, copy_Gram=True).T / sizes
    for dtype, short, digits in ((np.float32, "f32", 2e-4), (np.float64, "f64", 1e-10)):
        for route in ("gram", "residual"):
            inputs = {"x": x.astype(dtype), "dictionary": dictionary.astype(dtype)}
            ours, record = peers.run("omp", inputs, {"k": k, "route": route}, short)
            assert record["status"] == [], record["status"]
            codes = ours["codes"].astype(np.float64)
            same = np.all((codes != 0) == (theirs != 0), axis=1)
            # A problem that is not planted may have a tie within f32's rounding.
            least = len(x) if separated or short == "f64" else 0.99 * len(x)
            assert same.sum() >= least, f"{name} {short} {route}: other supports for {np.flatnonzero(~same)}"
            gap = np.abs((codes - theirs) * sizes)[same].max() / np.abs(theirs * sizes).max()
            assert gap < digits, f"{name} {short} {route}: codes differ by {gap}"
            chosen = [set(s[s >= 0]) == set(np.flatnonzero(z)) for s, z in zip(ours["support"], codes)]
            assert all(chosen), f"{name} {short} {route}: support and codes differ"
            print(f"omp {short} {route} {name}: {same.sum()} of {len(x)} supports equal, codes within {gap:.1e}", flush=True)


def planted(batch, d, p, k, seed):
    """Sums of k atoms of a random dictionary with codes of magnitude 1 to 2, far apart enough to be found."""
    rng = np.random.default_rng(seed)
    dictionary = rng.standard_normal((p, d))
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    codes = np.zeros((batch, p))
    for row in codes:
        at = rng.choice(p, k, replace=False)
        row[at] = rng.choice([-1, 1], k) * rng.uniform(1, 2, k)
    noise = 0.01 * rng.standard_normal((batch, d))
    return codes @ dictionary + noise, dictionary * rng.uniform(0.3, 3, (p, 1))


def noise(batch, d, p, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, d)), rng.standard_normal((p, d))


check("planted [300, 128], 256 atoms, k 6", *planted(300, 128, 256, 6, 1), 6, True)
check("planted [64, 40], 50 atoms, k 3", *planted(64, 40, 50, 3, 2), 3, True)
check("noise [300, 64], 256 atoms, k 8", *noise(300, 64, 256, 3), 8, False)
check("noise [5, 12], 9 atoms, k 9", *noise(5, 12, 9, 4), 9, False)
print("omp agrees with scikit-learn")
