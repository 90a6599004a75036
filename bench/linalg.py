"""The factorizations beside jnp.linalg under jax.jit on jaxlib's own XLA (which calls LAPACK): both lowerings, interleaved with
JAX round by round, medians; arguments and results stay on the device.

A process of tandem answers with the time of one run at a time (linalg/examples/stopwatch.rs), so that both are warm, and
neither runs while the other does.
"""

import os
import subprocess
import sys

import peers
from clock import interleaved, milliseconds

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")

ROUNDS = int(os.environ.get("ROUNDS", "7"))
SIZES = [int(n) for n in os.environ.get("SIZES", "128,512,1024").split(",")]
# From these on a portable run takes seconds, and says nothing new.
LARGEST_PORTABLE = int(os.environ.get("LARGEST_PORTABLE", "512"))
# JAX's multiple that is allowed, by lowering and precision, for portable ones of 512 x 512; others are only reported.
LIMITS = {
    "product": {"native": {"f64": 1.5}},
    "qr": {"native": {"f32": 1.5, "f64": 1.5}, "portable": {"f32": 6}},
    "cholesky": {"native": {"f32": 1.5, "f64": 1.5}, "portable": {"f32": 6}},
    "lu": {"native": {"f32": 1.5, "f64": 1.5}, "portable": {"f32": 10}},
    "svd": {"native": {"f32": 1.5, "f64": 1.5}, "portable": {"f32": 4, "f64": 4}},
    "eigh": {"native": {"f32": 2, "f64": 2}, "portable": {"f32": 4, "f64": 4}},
}
JAX = {
    "product": lambda a: a @ a,
    "qr": jnp.linalg.qr,
    "cholesky": jnp.linalg.cholesky,
    "lu": jax.scipy.linalg.lu,
    "eigh": jnp.linalg.eigh,
    "svd": lambda a: jnp.linalg.svd(a, full_matrices=False),
}


class Stopwatch:
    """tandem, in a process of its own."""

    def __init__(self):
        program = peers.example("stopwatch")
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().split()


def problem(operation, shape, dtype):
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape)
    n = shape[-1]
    if operation == "eigh":
        x = x + np.swapaxes(x, -1, -2)
    if operation == "cholesky":
        x = (x + np.swapaxes(x, -1, -2)) / n + 6 * np.eye(n)
    return jax.device_put(x.astype(dtype))


def compare(stopwatch, operation, shape, name):
    dtype = {"f32": np.float32, "f64": np.float64}[name]
    size = "x".join(map(str, shape))
    lowerings = ["native"]
    if max(shape[-2:]) <= LARGEST_PORTABLE:
        lowerings.append("portable")
    compiled = {lowering: float(stopwatch.ask(operation, size, name, lowering)[1]) for lowering in lowerings}
    a, f = problem(operation, shape, dtype), jax.jit(JAX[operation])
    contestants = {"jax": lambda: milliseconds(f, a)}
    for lowering in lowerings:
        contestants[lowering] = lambda lowering=lowering: float(stopwatch.ask(operation, size, name, lowering)[0])
    median = {who: times[0] for who, times in interleaved(contestants, ROUNDS).items()}
    line = f"| {operation} | {size} | {name} | {median['jax']:.2f} |"
    for lowering in ["native", "portable"]:
        if lowering not in median:
            line += " | | |"
            continue
        ratio = median[lowering] / median["jax"]
        limited = len(shape) == 2 and (lowering == "native" or shape == (512, 512))
        limit = LIMITS.get(operation, {}).get(lowering, {}).get(name) if limited else None
        verdict = "" if limit is None else (f" <= {limit}" if ratio <= limit else f" > {limit}")
        line += f" {median[lowering]:.2f} | {ratio:.2f}{verdict} | {compiled[lowering] / 1e3:.1f} |"
    print(line, flush=True)


stopwatch = Stopwatch()
print(f"medians of {ROUNDS} rounds in ms; the ratios to JAX with their limits; seconds to trace and compile")
print("| | shape | dtype | JAX | native | / JAX | compile | portable | / JAX | compile |")
print("|---|---|---|---|---|---|---|---|---|---|")
wanted = sys.argv[1].split(",") if len(sys.argv) > 1 else list(JAX)
for operation in wanted:
    for n in SIZES:
        for name in ["f32", "f64"]:
            compare(stopwatch, operation, (n, n), name)
if "svd" in wanted:
    for name in ["f32", "f64"]:
        compare(stopwatch, "svd", (1000, 16, 8), name)
