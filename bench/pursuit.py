"""The pursuits' speed: omp beside scikit-learn's orthogonal_mp_gram, mp beside the same steps under jax.jit; interleaved, medians.

Takes where JAX runs: `plugin`, the plugin that tandem uses, or `jaxlib`, its own newer XLA. Both programs, ours as exported, are
run by JAX's client with arguments and results on the device.
"""

import functools
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

ROUNDS = int(os.environ.get("ROUNDS", "11"))
P, D, STEPS = 2048, 512, 50
jax.config.update("jax_default_matmul_precision", "highest")


def matching_pursuit(x, dictionary):
    """The residual route as one writes it in JAX, with everything that tandem gives: codes, choices, norms, counts."""
    batch, rows = x.shape[0], jnp.arange(x.shape[0])
    sizes = jnp.linalg.norm(dictionary, axis=1)
    atoms = dictionary / sizes[:, None]
    norm = jnp.linalg.norm(x, axis=1)
    goal = 16 * 2.0**-24 * norm

    def step(n, state):
        r, codes, support, norms, count, going = state
        scores = r @ atoms.T
        at = jnp.argmax(jnp.abs(scores), axis=1)
        c = jnp.take_along_axis(scores, at[:, None], axis=1)[:, 0]
        going = going & (c != 0)
        c = jnp.where(going, c, 0)
        r = r - c[:, None] * atoms[at]
        norm = jnp.linalg.norm(r, axis=1)
        support = support.at[n].set(jnp.where(going, at, -1))
        return r, codes.at[rows, at].add(c), support, norms.at[n + 1].set(norm), count + going, going & (norm > goal)

    zeros = jnp.zeros((STEPS + 1, batch), x.dtype).at[0].set(norm)
    support = jnp.full((STEPS, batch), -1)
    start = (x, jnp.zeros((batch, P), x.dtype), support, zeros, jnp.zeros(batch, jnp.int32), norm > goal)
    _, codes, support, norms, count, _ = lax.fori_loop(0, STEPS, step, start)
    return codes / sizes, support.T, norms.T, count


def exported_text(method, x, dictionary, k, route):
    types = {"x": f"f32[{x.shape[0]},{x.shape[1]}]", "dictionary": f"f32[{dictionary.shape[0]},{dictionary.shape[1]}]"}
    return peers.export(method, types, {"k": k, "route": route})


def exported(method, x, dictionary, k, route):
    return peers.load(exported_text(method, x, dictionary, k, route))


def memory(stats):
    parts = [("arguments", stats.argument_size_in_bytes), ("results", stats.output_size_in_bytes)]
    parts.append(("everything between", stats.temp_size_in_bytes))
    return "MiB of " + ", ".join(f"{name} {size / 2**20:.1f}" for name, size in parts)


def problem(batch, d, p, seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in ((batch, d), (p, d))]


def against_scikit_learn():
    from sklearn.linear_model import orthogonal_mp_gram

    batch, d, p, k = 4096, 64, 256, 8
    x, dictionary = problem(batch, d, p, 1)
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    gram, products = dictionary @ dictionary.T, dictionary @ x.T
    arguments = [jax.device_put(x), jax.device_put(dictionary)]
    theirs = functools.partial(orthogonal_mp_gram, gram, products, n_nonzero_coefs=k)
    calls = {route: exported("omp", x, dictionary, k, route) for route in ("auto", "gram", "residual")}

    contestants = {"scikit-learn": lambda: milliseconds(theirs)}
    contestants |= {route: (lambda call=call: milliseconds(call, *arguments)) for route, call in calls.items()}
    times = interleaved(contestants, ROUNDS)
    codes = theirs().T
    same = np.mean(np.all((np.asarray(calls["auto"](*arguments)[0]) != 0) == (codes != 0), axis=1))
    assert same > 0.99, f"only {same} of the supports are equal"
    print(f"omp f32, {batch} signals, d {d}, p {p}, k {k}, {ROUNDS} rounds interleaved, median (smallest); {100 * same:.2f} % same supports")
    print(f"  scikit-learn, Gram matrix and products given {times['scikit-learn'][0]:9.1f} ms ({times['scikit-learn'][1]:.1f})")
    for route in calls:
        print(f"  tandem, route {route:10} {times[route][0]:9.1f} ms ({times[route][1]:.1f}): {times['scikit-learn'][0] / times[route][0]:.1f} times as fast; {memory(calls[route].memory())}")
    return times["scikit-learn"][0] >= 5 * times["auto"][0]


def against_jax(batch):
    x, dictionary = problem(batch, D, P, 2)
    arguments = [jax.device_put(x), jax.device_put(dictionary)]
    # One signal is done in the time of a call: more of them make a median.
    rounds = ROUNDS if batch > 1 else 10 * ROUNDS
    # JAX's program goes the way of ours, as text, for a call of jit is a tenth of a millisecond faster than one by the client.
    calls = {"jax": peers.load(jax.jit(matching_pursuit).lower(*arguments).as_text())}
    calls |= {route: exported("mp", x, dictionary, STEPS, route) for route in ("residual", "gram", "auto")}
    times = interleaved({name: (lambda call=call: milliseconds(call, *arguments)) for name, call in calls.items()}, rounds)
    same = np.mean(np.asarray(calls["jax"](*arguments)[1]) == np.asarray(calls["residual"](*arguments)[1]))
    assert same > 0.9, f"only {same} of the choices are equal"
    print(f"mp f32, {batch} signals, d {D}, p {P}, {STEPS} steps, {rounds} rounds interleaved, median (smallest); {100 * same:.1f} % same choices")
    for name in calls:
        ratio = times[name][0] / times["jax"][0]
        print(f"  {name if name == 'jax' else 'tandem, route ' + name:24} {times[name][0]:9.2f} ms ({times[name][1]:.2f})  / jax {ratio:.3f}; {memory(calls[name].memory())}")
    return times["residual"][0] <= 1.05 * times["jax"][0]


def routes():
    """Both routes where one or the other is the cheaper, and the one that `auto` takes: the one whose program it has."""
    print(f"routes, f32, {ROUNDS} rounds interleaved, medians in ms: gram, residual, the one that auto takes")
    shapes = [("omp", 1024, 64, 256, k) for k in (4, 8, 16, 32)] + [("omp", 1024, 256, 1024, k) for k in (8, 16, 32, 64)]
    shapes += [("mp", batch, 512, 2048, 50) for batch in (1, 4, 16, 64)] + [("mp", 1024, 32, 256, 8), ("gp", 1024, 64, 256, 16)]
    for method, batch, d, p, k in shapes:
        x, dictionary = problem(batch, d, p, 3)
        arguments = [jax.device_put(x), jax.device_put(dictionary)]
        texts = {route: exported_text(method, x, dictionary, k, route) for route in ("gram", "residual", "auto")}
        taken = next(route for route in ("gram", "residual") if texts[route] == texts["auto"])
        calls = {route: peers.load(texts[route]) for route in ("gram", "residual")}
        times = interleaved({name: (lambda call=call: milliseconds(call, *arguments)) for name, call in calls.items()}, ROUNDS)
        better = min(times, key=lambda route: times[route][0])
        lost = times[taken][0] / times[better][0]
        print(
            f"  {method:3} {batch:4} x {d:3}, p {p:4}, k {k:2} {times['gram'][0]:8.2f} {times['residual'][0]:8.2f}  {taken:8} {lost:.2f} x the better"
        )


good = [against_scikit_learn()] + [against_jax(batch) for batch in (64, 1)]
routes()
if platform == "plugin" and not good[0]:
    sys.exit("omp is less than 5 times as fast as scikit-learn")
if platform == "plugin" and not all(good):
    sys.exit("mp is more than 1.05 times as slow as the same steps in JAX on the same plugin")
