"""The local interaction basis of the modular-addition network (p = 113, random weights, all p^2 inputs, f64) beside the same
mathematics in JAX: moments, Jacobians' Gram matrices, two eigenproblems per layer, edges.

Takes where JAX runs: `plugin`, the plugin that tandem uses, or `jaxlib`, its own newer XLA. There ours runs as exported, by
StableHLO alone. Beside both, tandem with its native kernels in a process of its own (`examples/lib`), which waits while
others run.
"""

import os
import subprocess
import sys
import tempfile

import clock
import peers

peers.choose_jax(sys.argv[1])

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")

ROUNDS = int(os.environ.get("ROUNDS", "5"))
P = int(os.environ.get("P", "113"))
WIDTH, HEADS, HIDDEN = 128, 4, 512
BATCH, THRESHOLD = 512, 1e-10
NAMES = ["embedding", "position", "query", "key", "value", "gather", "enter", "enter_bias", "leave", "leave_bias", "unembedding"]
SHAPES = [(P + 1, WIDTH), (3, WIDTH)] + 4 * [(WIDTH, WIDTH)] + [(WIDTH, HIDDEN), (HIDDEN,), (HIDDEN, WIDTH), (WIDTH,), (WIDTH, P)]


def normal(seed, shape):
    """Box and Muller's numbers from splitmix64."""
    count = int(np.prod(shape))
    words = np.arange(1, 2 * ((count + 1) // 2) + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + words * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    unit = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(unit[0::2] + 2.0**-53)), 2 * np.pi * unit[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[:count].reshape(shape)


def weights():
    scales = [WIDTH if at < 2 else shape[0] for at, shape in enumerate(SHAPES)]
    return [normal(500 + at, shape) / np.sqrt(scale) for at, (shape, scale) in enumerate(zip(SHAPES, scales))]


def relu(x):
    return jnp.where(x > 0, x, 0)


def sections(w):
    def attention(f):
        r, one = f[..., :-1], f[:, 2, -1:]
        n, last = len(r), r[:, 2]
        split = lambda x: x.reshape(*x.shape[:-1], HEADS, WIDTH // HEADS)
        q, k, v = split(last @ w["query"]), split(r @ w["key"]), split(r @ w["value"])
        scores = jnp.einsum("nhe,nshe->nhs", q, k) / np.sqrt(WIDTH // HEADS)
        mixed = jnp.einsum("nhs,nshe->nhe", jax.nn.softmax(scores, -1), v).reshape(n, WIDTH)
        return jnp.concatenate([last + mixed @ w["gather"], one], 1)

    def mlp(f):
        r, one = f[:, :-1], f[:, -1:]
        hidden = relu(r @ w["enter"] + one * w["enter_bias"])
        return jnp.concatenate([r + hidden @ w["leave"] + one * w["leave_bias"], one], 1)

    return [attention, mlp, lambda f: f[:, :-1] @ w["unembedding"]]


def batches(x):
    count = -(-len(x) // BATCH)
    padded = jnp.concatenate([x, x[: count * BATCH - len(x)]])
    weight = (jnp.arange(count * BATCH) < len(x)).astype(x.dtype)
    return padded.reshape(count, BATCH, *x.shape[1:]), weight.reshape(count, BATCH)


def descending(a):
    w, v = jnp.linalg.eigh(a)
    w, v = w[::-1], v[:, ::-1]
    return w, v, (w > THRESHOLD * w[0]) & (w > 0)


def flat(f):
    return f.reshape(-1, f.shape[-1])


def over(batched, init, step):
    return lax.scan(lambda sum, slice: (step(sum, *slice), None), init, batched)[0]


def interaction(values, pairs):
    w = dict(zip(NAMES, values))
    tokens = jnp.concatenate([pairs, jnp.full((len(pairs), 1), P)], 1)
    r = w["embedding"][tokens] + w["position"]
    x = jnp.concatenate([r, jnp.ones((*r.shape[:2], 1))], 2)
    net, data, samples = sections(w), batches(x), len(x)

    def through(l, x):
        for section in net[:l]:
            x = section(x)
        return x

    def weigh(f, weight):
        return f * weight.reshape(-1, *[1] * (f.ndim - 1))

    found, next_c = [], None
    for l in reversed(range(3)):
        d = WIDTH + 1
        places = 3 if l == 0 else 1
        count = samples * places
        hat = (lambda f, l=l, c=next_c: net[l](f)) if next_c is None else (lambda f, l=l, c=next_c: net[l](f) @ c)
        mean = over(data, jnp.zeros(d), lambda s, x, a: s + flat(weigh(through(l, x), a)).sum(0)) / count

        def gram(s, x, a):
            f = flat(weigh(through(l, x) - mean, a))
            return s + f.T @ f

        g = over(data, jnp.zeros((d, d)), gram) / count
        lam, u, keep = descending(g[:-1, :-1])
        root = jnp.where(keep, jnp.sqrt(jnp.where(keep, lam, 1)), 1)
        inner, back = jnp.where(keep, u / root, 0), jnp.where(keep, u * root, 0).T
        white = jnp.block([[jnp.zeros((d - 1, 1)), inner], [jnp.ones((1, 1)), -mean[None, :-1] @ inner]])
        plus = jnp.block([[mean[None, :-1], jnp.ones((1, 1))], [back, jnp.zeros((d - 1, 1))]])
        outputs = P if l == 2 else d

        def jacobian(s, x, a):
            _, pull = jax.vjp(hat, through(l, x))

            def row(s, i):
                source = jnp.broadcast_to((jnp.arange(outputs) == i) * 1.0, (BATCH, outputs)) * a[:, None]
                turned = flat(pull(source)[0]) @ plus.T
                return s + turned.T @ turned, None

            return lax.scan(row, s, jnp.arange(outputs))[0]

        m = over(data, jnp.zeros((d, d)), jacobian) / count
        lam, v, keep = descending(m[1:, 1:])
        lam = jnp.concatenate([m[:1, 0], jnp.where(keep, lam, 0)])
        v = jnp.block([[jnp.ones((1, 1)), jnp.zeros((1, d - 1))], [jnp.zeros((d - 1, 1)), v]])
        whole = lam > 0
        root = jnp.where(whole, jnp.sqrt(jnp.where(whole, lam, 1)), 1)
        c, c_plus = white @ jnp.where(whole, v * root, 0), jnp.where(whole, v / root, 0).T @ plus

        def edge(s, x, a):
            f = through(l, x)
            base, own = f @ c @ c_plus, weigh(f @ c, a)
            if d <= outputs:
                _, push = jax.linearize(hat, base)
                column = lambda j: (push(own[..., j, None] * c_plus[j]) ** 2).sum(0)
                return s + lax.map(column, jnp.arange(d)).T
            _, pull = jax.vjp(hat, base)

            def row(i):
                g = pull(jnp.broadcast_to((jnp.arange(outputs) == i) * 1.0, (BATCH, outputs)))[0] @ c_plus.T
                along = (g * own).reshape(BATCH, places, d).sum(1)
                return (along**2).sum(0)

            return s + lax.map(row, jnp.arange(outputs))

        edges = over(data, jnp.zeros((outputs, d)), edge) / count
        found.append((lam, edges, whole.sum()))
        next_c = c
    return found[::-1]


def native():
    """tandem with native kernels: its process, and lambda of the first layer."""
    process = subprocess.Popen([peers.example("lib"), "time", str(P)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    compiled, *lam = process.stdout.readline().split()
    print(f"tandem, native, compiled in {float(compiled) / 1e3:.1f} s")

    def once():
        print(file=process.stdin, flush=True)
        return float(process.stdout.readline())

    return once, np.array(lam, float)


def exported():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lib.mlir")
        subprocess.run([peers.example("lib"), "export", str(P), path], check=True)
        with open(path) as file:
            return peers.load(file.read())


pairs = np.stack(np.divmod(np.arange(P * P), P), 1).astype(np.int32)
arguments = [jax.device_put(value) for value in weights()] + [jax.device_put(pairs)]
theirs, portable = jax.jit(lambda *a: interaction(a[:-1], a[-1])), exported()
once, lam = native()
expected = np.asarray(theirs(*arguments)[0][0])
for name, values in [("native", lam), ("portable", np.asarray(portable(*arguments)[0]))]:
    off = np.abs(values - expected).max() / expected.max()
    assert off < 1e-8, f"{name}: lambda is off JAX's by {off} of the largest"
times = clock.interleaved(
    {
        "jax": lambda: clock.milliseconds(theirs, *arguments),
        "tandem, portable": lambda: clock.milliseconds(portable, *arguments),
        "tandem, native": once,
    },
    ROUNDS,
)
print(f"lib f64, modular addition p = {P}, {P * P} inputs, JAX on {sys.argv[1]}, {ROUNDS} rounds interleaved, median (smallest):")
for name, (median, least) in times.items():
    print(f"  {name:18} {median / 1e3:8.2f} s ({least / 1e3:.2f})  / jax {median / times['jax'][0]:.3f}")
