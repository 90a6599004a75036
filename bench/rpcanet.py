"""One training step of RPCANet++ (forward, backward, Adam), f32, beside the same network written in JAX under jax.jit; interleaved,
medians.

Takes where both run: `plugin`, the plugin that tandem uses, or `jaxlib`, its own newer XLA. Both programs run in JAX's client, so
that what differs is the program alone. JAX's network is written twice, its stages one after the other and as a scan over their
stacked weights: the faster one counts.
"""

import os
import re
import subprocess
import sys
import tempfile

import peers
from clock import interleaved, milliseconds

platform = sys.argv[1]
peers.choose_jax(platform)

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

ROUNDS = int(os.environ.get("ROUNDS", "11"))
STAGES, CHANNELS, BATCH, H, W = (int(x) for x in os.environ.get("SIZES", "3 8 8 48 64").split())
RATE = 1e-3
jax.config.update("jax_default_matmul_precision", "highest")


def conv(x, p, name):
    return correlate(x, p[f"{name}.weight"]) + p[f"{name}.bias"]


def correlate(x, kernel):
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "OIHW", "NHWC"))


def norm(x, p, name, moments):
    """Batch norm by the batch's moments; the running ones, by name, follow."""
    axes = tuple(range(x.ndim - 1))
    mean, var = x.mean(axes), x.var(axes)
    count = x.size // x.shape[-1]
    for part, new in (("mean", mean), ("var", var * count / (count - 1))):
        key = f"{name}.running_{part}"
        moments[key] = 0.9 * moments[key] + 0.1 * lax.stop_gradient(new)
    return (x - mean) / jnp.sqrt(var + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def memory(y, p, state, first):
    """The convolutional LSTM: all gates' convolutions of what comes in are one, and so are those of the memory."""
    h, cell = state
    both = []
    for x, letter in ((y, "x"), (h, "h")):
        names = [f"lowrank.ConvLSTM.conv_{letter}{gate}" for gate in "fioj"]
        kernel, bias = (jnp.concatenate([p[f"{name}.{part}"] for name in names]) for part in ("weight", "bias"))
        both.append(correlate(x, kernel) + bias)
    gates = both[0] + jnp.where(first, 0, both[1])
    f, i, o, j = jnp.split(gates, 4, axis=3)
    cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(j)
    h = jax.nn.sigmoid(o) * jnp.where(first, cell, jnp.tanh(cell))
    return h, cell


def residual(y, p, name):
    return y + conv(jax.nn.relu(conv(y, p, f"{name}.conv1")), p, f"{name}.conv2")


def contrast(x, p, moments):
    z = jax.nn.relu(conv(x, p, "sparse.contrast.0"))
    attention = "sparse.contrast.2.attn.avg_channel"
    t = z.mean((1, 2), keepdims=True)
    t = jax.nn.relu(norm(conv(t, p, f"{attention}.1"), p, f"{attention}.2", moments))
    theta = jax.nn.sigmoid(norm(conv(t, p, f"{attention}.4"), p, f"{attention}.5", moments))
    kernel = p["sparse.contrast.2.conv.weight"]
    centre = jnp.einsum("nhwi,oi->nhwo", z, kernel.sum((2, 3)))
    y = norm(theta * centre - correlate(z, kernel), p, "sparse.contrast.3", moments)
    return conv(jax.nn.leaky_relu(y, 0.1), p, "sparse.contrast.5")


def stage(p, moments, first, image, target, state):
    moments = dict(moments)
    x = image - target
    y = jax.nn.relu(norm(conv(x, p, "lowrank.conv1_C.0"), p, "lowrank.conv1_C.1", moments))
    state = memory(residual(y, p, "lowrank.RB_1"), p, state, first)
    background = x + conv(residual(state[0], p, "lowrank.RB_2"), p, "lowrank.convC_1")
    x = target + image - background
    y = x + contrast(x, p, moments)
    for layer in range(7):
        y = jax.nn.relu(conv(y, p, f"sparse.convs.{2 * layer}"))
    target = x - p["sparse.epsilon"] * conv(y, p, "sparse.convs.14")
    y = background + target
    for layer in range(4):
        y = jax.nn.relu(norm(conv(y, p, f"merge.mapping.{3 * layer}"), p, f"merge.mapping.{3 * layer + 1}", moments))
    return conv(y, p, "merge.mapping.12"), target, state, moments


def network(scanned, p, moments, frames):
    image = frames[..., None]
    state = (jnp.zeros(frames.shape + (CHANNELS,), frames.dtype),) * 2
    carry = (image, jnp.zeros_like(image), state)
    if scanned:

        def step(carry, slices):
            image, target, state, moments = stage(*slices[:2], slices[2] == 0, *carry)
            return (image, target, state), moments

        (image, target, _), moments = lax.scan(step, carry, (p, moments, jnp.arange(STAGES)))
        return image, target, moments
    after = []
    for k in range(STAGES):
        of_stage = lambda tree: {name: x[k] for name, x in tree.items()}
        *carry, changed = stage(of_stage(p), of_stage(moments), k == 0, *carry)
        after.append(changed)
    return carry[0], carry[1], {name: jnp.stack([m[name] for m in after]) for name in moments}


def loss(p, scanned, moments, frames, masks):
    image, target, moments = network(scanned, p, moments, frames)
    prob, target_mask = jax.nn.sigmoid(target), masks[..., None]
    sums = lambda x: x.sum((1, 2, 3))
    common = sums(prob * target_mask)
    soft = 1 - ((common + 1) / (sums(prob) + sums(target_mask) - common + 1)).mean()
    return soft + 0.01 * jnp.mean((image - frames[..., None]) ** 2), moments


def trained(scanned):
    def step(p, moments, m, v, t, epoch, frames, masks):
        (value, moments), g = jax.value_and_grad(loss, has_aux=True)(p, scanned, moments, frames, masks)
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        c1, c2 = 1 - 0.9 ** t.astype(jnp.float32), 1 - 0.999 ** t.astype(jnp.float32)
        p = jax.tree.map(lambda p, m, v: p - RATE * (m / c1) / (jnp.sqrt(v / c2) + 1e-8), p, m, v)
        return p, moments, m, v, t, epoch, value

    return step


def ours():
    """The exported step, and what its arguments are: kind, name and shape."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/step.mlir"
        words = ["plusplus", STAGES, CHANNELS, BATCH, H, W, path]
        said = subprocess.run([peers.example("rpcanet_step"), *map(str, words)], check=True, capture_output=True, text=True)
        rows = [re.fullmatch(r"(\w+) (\S+) \[(.*)\]", line).groups() for line in said.stdout.splitlines()]
        with open(path) as module:
            return peers.load(module.read()), [(kind, name, tuple(map(int, shape.split(", ")))) for kind, name, shape in rows]


def problem(rows):
    """Numbers of every part by name, in the order of the rows."""
    rng = np.random.default_rng(1)
    parts = {kind: {} for kind in ("weight", "moment", "mean", "square")}
    for kind, name, shape in rows:
        if kind != "weight":
            value = np.ones(shape) if name.endswith("running_var") else np.zeros(shape)
        elif len(shape) == 5:
            value = rng.standard_normal(shape) * np.sqrt(2 / ((shape[1] + shape[2]) * shape[3] * shape[4]))
        elif "epsilon" in name:
            value = np.full(shape, 0.01)
        elif re.search(r"(conv1_C\.1|contrast\.3|avg_channel\.[25]|mapping\.(1|4|7|10))\.weight", name):
            value = np.ones(shape)
        else:
            value = 0.05 * rng.standard_normal(shape)
        parts[kind][name] = jax.device_put(value.astype(np.float32))
    frames = jax.device_put(rng.random((BATCH, H, W)).astype(np.float32))
    masks = jax.device_put((rng.random((BATCH, H, W)) < 0.03).astype(np.float32))
    return parts, [jax.device_put(np.int32(0))] * 2, [frames, masks]


step, rows = ours()
parts, counts, data = problem(rows)
flat = [x for part in parts.values() for x in part.values()] + counts + data
trees = [*parts.values(), *counts, *data]
programs = {"tandem": lambda: step(*flat)}
for name, scanned in (("jax, stages in turn", False), ("jax, stages as a scan", True)):
    compiled = jax.jit(trained(scanned)).lower(*trees).compile()
    programs[name] = lambda compiled=compiled: jax.tree.leaves(compiled(*trees))
results = {name: [np.asarray(x) for x in program()] for name, program in programs.items()}
losses = {name: float(result[-1]) for name, result in results.items()}
for name, value in losses.items():
    assert abs(value - losses["tandem"]) < 1e-5 * abs(value), losses
# The weights after the step, by name: of a first step of Adam no weight moves further than the rate.
names = list(parts["weight"])
after = dict(zip(names, results["tandem"]))
changed = compiled(*trees)[0]
farthest = max(float(np.abs(np.asarray(changed[name]) - x).max()) for name, x in after.items())
moved = np.mean([np.mean(np.abs(np.asarray(changed[name]) - x) < 1e-4) for name, x in after.items()])
assert farthest <= 2.1 * RATE and moved > 0.95, (farthest, moved)
# The moments are computed alike in all.
means = dict(zip(names, results["tandem"][len(names) + len(parts["moment"]) :]))
theirs = compiled(*trees)[2]
scale = max(float(np.abs(np.asarray(x)).max()) for x in theirs.values())
apart = max(float(np.abs(np.asarray(theirs[name]) - means[name]).max()) for name in theirs) / scale
assert apart < 1e-3, apart

times = interleaved({name: (lambda f=f: milliseconds(f)) for name, f in programs.items()}, ROUNDS)
best = min(median for name, (median, _) in times.items() if name != "tandem")
ratio = times["tandem"][0] / best
print(f"a training step of RPCANet++, f32, {STAGES} stages, {CHANNELS} channels, {BATCH} frames of {H} x {W}, in JAX's client on {platform}, {ROUNDS} rounds interleaved:")
for name, (median, least) in times.items():
    print(f"  {name:24} {median:9.1f} ms ({least:.1f})  loss {losses[name]:.6f}")
print(f"  tandem / the faster of JAX's {ratio:.3f}; gradients differ by {apart:.1e} of the largest")
if platform == "plugin" and ratio > 1.05:
    sys.exit("the step is more than 1.05 times as slow as the same network in JAX on the same plugin")
