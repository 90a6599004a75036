"""JAX as a referee of functions and derivatives: what compile/examples/referee wrote into a folder, run in JAX's own
client, against jax.grad, jax.jvp, jax.vmap and jax.hessian of the same functions in JAX.

Takes the folder, and then the names of functions, if it is not to be all of them.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_ENABLE_X64"] = "1"
# Compiling is what takes the time; the programs themselves are small.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np

import peers
from jax_functions import FUNCTIONS

# Beside the largest element. The order of sums and the fusion of products are each program's own.
TOLERANCE = 1e-12
LOOSER = {}


def is_real(x):
    return jnp.issubdtype(x.dtype, jnp.floating)


def draw(rng, argument, count=None):
    """An argument's elements; with a count, as many arguments with a leading axis."""
    shape = tuple(argument["shape"]) if count is None else (count, *argument["shape"])
    dtype = {"f64": np.float64, "i32": np.int32, "u32": np.uint32}[argument["dtype"]]
    if "within" in argument:
        return rng.uniform(*argument["within"], shape).astype(dtype)
    if "given" in argument:
        given = np.array(argument["given"]).reshape(argument["shape"]).astype(dtype)
        return given if count is None else np.stack([np.roll(given, i) for i in range(count)])
    return rng.integers(2**32, size=shape).astype(dtype)


def results_of(f, x):
    y = f(*x)
    return list(y) if isinstance(y, (tuple, list)) else [y]


def weighted(results):
    """One number made of all real results: a sum in which no two elements have the same weight."""
    reals = [y for y in results if is_real(y)]
    weight = lambda k, y: jnp.cos(jnp.arange(y.size) + float(k)).reshape(y.shape)
    return sum(jnp.sum(y * weight(k, y)) for k, y in enumerate(reals))


def judged(f, names):
    """All transforms of a function as one program."""

    def reals_of(x):
        return [x for x in x if is_real(x)]

    def put(x, reals):
        reals = iter(reals)
        return [next(reals) if is_real(x) else x for x in x]

    def flat(x):
        return jax.tree.leaves(results_of(f, x))

    def gradient(x):
        return jax.grad(lambda reals: weighted(flat(put(x, reals))))(reals_of(x))

    def apply(name, x, dx, many):
        match name:
            case "value":
                return flat(x)
            case "grad":
                return gradient(x)
            case "jvp":
                return jax.jvp(lambda reals: reals_of(flat(put(x, reals))), (reals_of(x),), (dx,))[1]
            case "vmap":
                return jax.vmap(lambda *x: flat(x))(*many)
            case "vmap_first":
                return jax.vmap(lambda first: flat([first, *x[1:]]))(many[0])
            case "vmap_grad":
                return jax.vmap(lambda *x: gradient(x))(*many)
            case "grad_grad":
                return jax.grad(lambda reals: weighted(gradient(put(x, reals))))(reals_of(x))
            case "hessian":
                first, *others = reals_of(x)
                return [jax.hessian(lambda first: weighted(flat(put(x, [first, *others]))))(first)]

    return lambda x, dx, many: [y for name in names for y in apply(name, x, dx, many)]


def distance(ours, theirs):
    """The largest difference beside the largest element; infinite where one has NaN or infinity and the other not."""
    if ours.shape != theirs.shape:
        return np.inf
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    finite = np.isfinite(theirs)
    if not np.array_equal(np.where(finite, 0, ours), np.where(finite, 0, theirs), equal_nan=True):
        return np.inf
    gap, size = (np.abs(np.where(finite, x, 0)).max(initial=0) for x in (ours - np.where(finite, theirs, 0), theirs))
    return gap / size if gap else 0.0


def check(folder, entry):
    """Lines about a function whose results differ, the largest distance, and the number of results."""
    name = entry["name"]
    rng = np.random.default_rng(20)
    arguments = entry["arguments"]
    x = [draw(rng, a) for a in arguments]
    dx = [rng.uniform(-1, 1, y.shape) for y in x if is_real(y)]
    many = [draw(rng, a, 3) for a in arguments]
    with open(f"{folder}/{name}.mlir") as file:
        text = file.read()
    names = [transform for transform, count in entry["results"] for _ in range(count)]
    try:
        ours = peers.execute(text, [*x, *dx, *many])
        theirs = jax.jit(judged(FUNCTIONS[name], [t for t, _ in entry["results"]]))(x, dx, many)
    except Exception as problem:
        return [f"{name}: {type(problem).__name__}: {problem}"], 0.0, len(names)
    if len(theirs) != len(names):
        return [f"{name}: JAX has {len(theirs)} results, there should be {len(names)}"], 0.0, len(names)
    complaints, worst = [], 0.0
    limit, _ = LOOSER.get(name, (TOLERANCE, ""))
    for number, (transform, mine, other) in enumerate(zip(names, ours, map(np.asarray, theirs), strict=True)):
        gap = distance(mine, other)
        worst = max(worst, gap)
        if not gap <= limit:
            complaints.append(f"{name}, {transform} (result {number}): {gap:.1e} apart\nours\n{mine}\nJAX's\n{other}")
    return complaints, worst, len(names)


def main(folder, wanted):
    with open(f"{folder}/index.json") as file:
        entries = [entry for entry in json.load(file) if not wanted or entry["name"] in wanted]
    names = {entry["name"] for entry in entries}
    assert wanted or names == FUNCTIONS.keys(), f"only on one side: {sorted(names ^ FUNCTIONS.keys())}"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        checked = list(pool.map(lambda entry: check(folder, entry), entries))
    complaints = [line for lines, _, _ in checked for line in lines]
    if complaints:
        sys.exit("\n".join(complaints))
    worst, at = max((worst, entry["name"]) for entry, (_, worst, _) in zip(entries, checked, strict=True))
    count = sum(count for _, _, count in checked)
    print(f"{len(entries)} functions, {count} results of them and their transforms agree with JAX: {worst:.1e} ({at})")


main(sys.argv[1], sys.argv[2:])
