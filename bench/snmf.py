"""Semi-NMF's speed beside the same updates under jax.jit, interleaved, medians.

Takes where JAX runs: `plugin`, the plugin that tandem uses, or `jaxlib`, its own newer XLA.
JAX's loop does what tandem's does: least squares by a Cholesky factorization written as a loop (a bare plugin has no
LAPACK), the multiplicative update, the explicit residual, the history, the best iterate.
"""

import os
import sys

import peers
from clock import interleaved, milliseconds

platform = sys.argv[1]
peers.choose_jax(platform)

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

ROUNDS = int(os.environ.get("ROUNDS", "7"))
D, N, K, ITERS = 1536, 1711, 100, 100
DATA = "examples/data/mlp_activations.npy"
jax.config.update("jax_default_matmul_precision", "highest")


def cholesky(a):
    """The upper triangular U with U'U = a, row by row."""
    n = a.shape[0]

    def row(j, u):
        r = a[j] - u[:, j] @ u
        r = jnp.where(jnp.arange(n) >= j, r / jnp.sqrt(r[j]), 0)
        return u.at[j].set(r)

    return lax.fori_loop(0, n, row, jnp.zeros_like(a))


def solve(u, b):
    """X with U'U X = b, by the inverse of the small factor as tandem does."""
    n = u.shape[0]

    def row(j, x):
        return x.at[j].set((jnp.eye(n, dtype=u.dtype)[j] - u[:, j] @ x) / u[j, j])

    inverse = lax.fori_loop(0, n, row, jnp.zeros_like(u))
    return inverse.T @ (inverse @ b)


def step(a, i, state):
    y, best_ft, best_y, best, history = state
    ft = solve(cholesky(y @ y.T), y @ a.T)
    p, q = ft @ a, ft @ ft.T
    up = jnp.maximum(p, 0) + jnp.maximum(-q, 0) @ y
    down = jnp.maximum(-p, 0) + jnp.maximum(q, 0) @ y
    y = y * jnp.sqrt(up / down)
    residual = a - ft.T @ y
    # Columns first: on this plugin one sum over both axes takes seven times as long.
    loss = lax.optimization_barrier(jnp.sum(residual * residual, axis=0)).sum()
    better = loss < best
    keep = lambda new, old: jnp.where(better, new, old)
    return y, keep(ft, best_ft), keep(y, best_y), keep(loss, best), history.at[i].set(loss)


@jax.jit
def snmf(a, y):
    start = (y, jnp.zeros((K, D), a.dtype), y, jnp.inf, jnp.zeros(ITERS, a.dtype))
    return lax.fori_loop(0, ITERS, lambda i, state: step(a, i, state), start)


a = np.load(DATA).T.astype(np.float32)
start, _ = peers.run("snmf", {"a": a}, {"k": K, "iters": 0})
device_a, device_y = jax.device_put(a), jax.device_put(start["y"])


def ours():
    return peers.run("snmf", {"a": a}, {"k": K, "iters": ITERS})


contestants = {"tandem": lambda: ours()[1]["run_ms"], "jax": lambda: milliseconds(snmf, device_a, device_y)}
times = interleaved(contestants, ROUNDS)
gap = np.abs(ours()[0]["loss"] / np.asarray(snmf(device_a, device_y)[-1]) - 1).max()
assert gap < 1e-4, f"the two compute different things: losses differ by {gap}"
(mine, least), (other, least_other) = times["tandem"], times["jax"]
print(f"snmf f32 d {D}, n {N}, k {K}, {ITERS} iterations, {ROUNDS} rounds interleaved, median (smallest):")
print(f"  tandem              {mine:8.1f} ms ({least:.1f})")
print(f"  jax.jit on {platform:8} {other:8.1f} ms ({least_other:.1f})")
print(f"  tandem / jax        {mine / other:8.3f}   (losses differ by at most {gap:.1e})")
if platform == "plugin" and mine > 1.05 * other:
    sys.exit("tandem is more than 1.05 times as slow as the same updates in JAX on the same plugin")
