"""The training of examples/train_mlp.rs beside the same written in JAX under jax.jit, interleaved, medians.

Takes where both run: `plugin`, the plugin that tandem uses, or `jaxlib`, its own newer XLA. Both programs run in JAX's
client, so that what differs is the program alone.
"""

import os
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

ROUNDS = int(os.environ.get("ROUNDS", "7"))
TRAIN, BATCH, EPOCHS = 1437, 64, 20
jax.config.update("jax_default_matmul_precision", "highest")


def logits(p, x):
    return jnp.maximum(x @ p["w1"] + p["b1"], 0) @ p["w2"] + p["b2"]


def loss(p, x, labels):
    return -(jax.nn.log_softmax(logits(p, x)) * jax.nn.one_hot(labels, 10)).sum(1).mean()


def step(state, x, labels):
    p, m, v, t = state
    value, g = jax.value_and_grad(loss)(p, x, labels)
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    rate = 4e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    p = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), p, m, v)
    return (p, m, v, t), value


@jax.jit
def train(images, labels):
    order = jax.random.permutation(jax.random.key(3), 1797)
    images, labels = (images.astype(jnp.float32) / 16)[order], labels[order]
    x, y, held_x, held_y = images[:TRAIN], labels[:TRAIN], images[TRAIN:], labels[TRAIN:]
    k1, k2 = jax.random.split(jax.random.key(1))
    p = {
        "w1": jax.random.normal(k1, (64, 256)) * np.sqrt(2 / 64),
        "b1": jnp.zeros(256),
        "w2": jax.random.normal(k2, (256, 10)) * np.sqrt(2 / 256),
        "b2": jnp.zeros(10),
    }
    nothing = jax.tree.map(jnp.zeros_like, p)

    def epoch(state, key):
        rows = jax.random.permutation(key, TRAIN)[: TRAIN // BATCH * BATCH].reshape(-1, BATCH)
        state, losses = lax.scan(lambda state, rows: step(state, x[rows], y[rows]), state, rows)
        right = (logits(state[0], held_x).argmax(1) == held_y).mean()
        return state, (losses.mean(), right)

    return lax.scan(epoch, (p, nothing, nothing, 0.0), jax.random.split(jax.random.key(4), EPOCHS))[1]


data = np.load("examples/data/digits.npz")
images, labels = (jax.device_put(data[name].astype(np.int32)) for name in ("images", "labels"))
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "train.mlir")
    subprocess.run([peers.example("train_mlp"), path], check=True, stdout=subprocess.DEVNULL)
    with open(path) as module:
        ours = peers.load(module.read())

programs = {"tandem": ours, "jax": train}
accuracies = {name: program(images, labels)[1][-1] for name, program in programs.items()}
contestants = {name: (lambda program=program: milliseconds(program, images, labels)) for name, program in programs.items()}
times = interleaved(contestants, ROUNDS)
print(f"digits, 64 -> 256 -> 10, Adam, {EPOCHS} epochs, in JAX's client on {platform}, {ROUNDS} rounds interleaved:")
for name, accuracy in accuracies.items():
    print(f"  {name:8} {times[name][0]:8.1f} ms ({times[name][1]:.1f})  held-out accuracy {100 * float(accuracy):.2f} %")
print(f"  tandem / jax {times['tandem'][0] / times['jax'][0]:.3f}")
for name, accuracy in accuracies.items():
    assert accuracy >= 0.96, f"{name} reads only {accuracy} of the held-out digits"
