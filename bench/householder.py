"""Products of reflections, f32, forward and backward, beside the compact WY formula written in JAX under jax.jit with its gradient,
beside jax.lax.linalg.householder_product (forward: it has no gradient on plugins), and beside the sequential form, one loop over
the reflections forward and one backward; interleaved, medians.

Takes where all run: `plugin`, the plugin that tandem uses, or `jaxlib`, its own newer XLA. All programs run in JAX's client, so
that what differs is the program alone. For CPUs JAX calls LAPACK, which jaxlib has and the plugin has not: there JAX's programs are
those that it makes for platforms without LAPACK, with XLA's own triangular solve and product of reflectors.
"""

import os
import subprocess
import sys

import peers
from clock import interleaved, milliseconds

platform = sys.argv[1]
peers.choose_jax(platform)

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

ROUNDS = int(os.environ.get("ROUNDS", "7"))
SIZES = [(512, 512), (1024, 64)]
BATCH = int(os.environ.get("BATCH", "32"))
jax.config.update("jax_default_matmul_precision", "highest")


def compact(v):
    """The first k columns of H(v_1) ... H(v_k): I - V S^-1 V'."""
    d, k = v.shape
    gram = v.T @ v
    s = jnp.triu(gram, 1) + jnp.diag(jnp.diag(gram) / 2)
    return jnp.eye(d, k, dtype=v.dtype) - v @ jax.scipy.linalg.solve_triangular(s, v[:k].T)


def program(what, d, k):
    words = [what, d, k, BATCH]
    text = subprocess.run([peers.example("reflections"), *map(str, words)], check=True, capture_output=True, text=True)
    return peers.load(text.stdout)


def placed(f, *arguments):
    """JAX's program for `f` where all run."""
    if platform == "jaxlib":
        return jax.jit(f)
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in arguments]
    program = peers.load(jax.export.export(jax.jit(f), platforms=["tpu"])(*shapes).mlir_module())
    return lambda *arguments: (lambda results: results if len(results) > 1 else results[0])(program(*arguments))


def farthest(found, expected):
    return float(np.abs(np.asarray(found, np.float64) - np.asarray(expected, np.float64)).max())


def by_jax(v, m):
    return jax.value_and_grad(lambda v: (jax.vmap(compact)(v) * m).sum())(v)


def gradient(d, k):
    rng = np.random.default_rng(1)
    v, m = (jax.device_put(rng.standard_normal((BATCH, d, k)).astype(np.float32)) for _ in range(2))
    programs = {"tandem": program("gradient", d, k), "jax": placed(by_jax, v, m), "sequential": program("sequential", d, k)}
    gradients = {name: np.asarray(f(v, m)[1]) for name, f in programs.items()}
    scale = np.abs(gradients["jax"]).max()
    for name in ["tandem", "sequential"]:
        assert farthest(gradients[name], gradients["jax"]) < 1e-4 * scale, name
    contestants = {name: (lambda f=f: milliseconds(f, v, m)) for name, f in programs.items()}
    times = {name: median for name, (median, _) in interleaved(contestants, ROUNDS).items()}
    ours = times["tandem"]
    print(
        f"| forward and backward | {d} x {k} | {ours:.1f} | {times['jax']:.1f} | {ours / times['jax']:.2f} "
        f"| {times['sequential']:.0f} | {times['sequential'] / ours:.1f} |",
        flush=True,
    )


def forward(d, k):
    rng = np.random.default_rng(2)
    tails = np.tril(rng.standard_normal((BATCH, d, k)), -1).astype(np.float32)
    v = jax.device_put(tails + np.eye(d, k, dtype=np.float32))
    taus = jax.device_put((2 / (1 + (tails.astype(np.float64) ** 2).sum(1))).astype(np.float32))
    a = jax.device_put(tails)
    lapack = placed(jax.lax.linalg.householder_product, a, taus)
    ours = program("forward", d, k)
    assert farthest(ours(v, v)[0], lapack(a, taus)) < 1e-5
    contestants = {"tandem": lambda: milliseconds(ours, v, v), "jax": lambda: milliseconds(lapack, a, taus)}
    times = {name: median for name, (median, _) in interleaved(contestants, ROUNDS).items()}
    ratio = times["tandem"] / times["jax"]
    print(f"| forward | {d} x {k} | {times['tandem']:.1f} | {times['jax']:.1f} | {ratio:.2f} | | |", flush=True)


print(f"in JAX's client on {platform}, batch {BATCH}, f32, medians of {ROUNDS} rounds in ms")
print("JAX: the compact WY formula with its gradient; forward alone: householder_product")
print("| | d x k | tandem | JAX | tandem / JAX | sequential | sequential / tandem |")
print("|---|---|---|---|---|---|---|")
for size in SIZES:
    gradient(*size)
for size in SIZES:
    forward(*size)
