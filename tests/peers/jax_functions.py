"""The functions of compile/examples/referee once more, by name, in JAX.

Each takes the arguments that index.json lists and returns an array or a tuple of arrays. Where the two libraries
differ on purpose, the function here is written so that JAX follows our convention, with the reason beside it.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

FUNCTIONS = {}


def function(f):
    FUNCTIONS[f.__name__.rstrip("_")] = f
    return f


def functions(**named):
    FUNCTIONS.update({name.rstrip("_"): f for name, f in named.items()})


# Single elements.

functions(
    abs=jnp.abs,
    sign=jnp.sign,
    neg=lambda x: -x,
    square=lambda x: x * x,
    exp=jnp.exp,
    expm1=jnp.expm1,
    log=jnp.log,
    log1p=jnp.log1p,
    sqrt=jnp.sqrt,
    rsqrt=lax.rsqrt,
    cbrt=jnp.cbrt,
    sin=jnp.sin,
    cos=jnp.cos,
    tan=jnp.tan,
    tanh=jnp.tanh,
    logistic=lax.logistic,
    erf=lax.erf,
    erf_inv=lax.erf_inv,
    floor=jnp.floor,
    ceil=jnp.ceil,
    round=lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN),
    round_away=lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
    through_f32=lambda x: jnp.sin(x.astype(jnp.float32)).astype(jnp.float64),
    stop_gradient=lambda x: lax.stop_gradient(jnp.sin(x)) * x,
    add=lambda x, y: x + y,
    sub=lambda x, y: x - y,
    mul=lambda x, y: x * y,
    div=lambda x, y: x / y,
    rem=lambda x, y: lax.rem(x, jnp.broadcast_to(y, x.shape)),
    pow=jnp.power,
    atan2=jnp.arctan2,
    maximum=jnp.maximum,
    minimum=jnp.minimum,
    pow_number=lambda x: (x**2.0, jnp.abs(x) ** 0.5, x**-3.0),
    # With an exponent of floats, as ours has.
    pow_whole=lambda x, n: lax.pow(x, n.astype(jnp.float64)),
    # The derivative at 0 is 0 in ours, the mean of those beside it as for the maximum of x and -x; 1 in JAX.
    abs_at_zero=lambda x: x * lax.stop_gradient(jnp.sign(x)),
    sign_at_zero=jnp.sign,
    roots_at_zero=lambda x: (jnp.sqrt(x), jnp.cbrt(x)),
    maximum_ties=jnp.maximum,
    minimum_ties=jnp.minimum,
    relu=lambda x: jnp.maximum(x, 0.0),
    # The derivative of x^0 by x is 0 in ours, also where x is 0; NaN in JAX, but for exponents that are integers.
    pow_edges=lambda x, y: jnp.where(y == 0, lax.stop_gradient(x) ** y, x ** jnp.where(y == 0, 1.0, y)),
    pow_curved=lax.pow,
    square_by_pow=lambda x: lax.pow(x, jnp.full_like(x, 2.0)),
    atan2_axes=jnp.arctan2,
    clamp_at_bounds=lambda x: lax.clamp(0.0, x, 1.0),
    clamp_bounds=lambda x, low, high: lax.clamp(low, x, high),
    clamp_scalar_bounds=lambda x, *bounds: lax.clamp(*(jnp.broadcast_to(b, x.shape) for b in (bounds[0], x, bounds[1]))),
    large=lambda x: (jnp.tanh(x), lax.logistic(x), lax.erf(x), jnp.log1p(jnp.exp(x))),
    select=lambda x, y: jnp.where(x > y, jnp.sin(x), jnp.cos(y)),
    where=lambda n, x, y: jnp.where(n != 0, x, y),
    softplus=lambda x: jnp.maximum(x, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(x))),
    gelu=lambda x: jax.nn.gelu(x, approximate=False),
    shifts=lambda x, n: (x << n, lax.shift_right_logical(x, n), x >> n),
    mixed=lambda x, n, y: (x * n.astype(jnp.float64) + y, jnp.sin(x[n]) * n, n + 1),
)


@function
def integers(x, y):
    quotient, rest, ones = lax.div(x, y), lax.rem(x, y), lax.population_count(x)
    return x + y, x * y, quotient, rest, x & y, x | y, x ^ y, jnp.maximum(x, y), jnp.abs(x), jnp.sign(x), ones


# Folds.

functions(
    sum=lambda x: jnp.sum(x * x, 0),
    mean=lambda x: jnp.mean(x * x, 1),
    product=lambda x: jnp.prod(x, 1),
    product_zeros=lambda x: jnp.prod(x, 1),
    product_whole=jnp.prod,
    max=lambda x: jnp.max(x, 0),
    max_ties=lambda x: jnp.max(x, 1),
    max_ties_whole=jnp.max,
    min_ties=lambda x: jnp.min(x, 1),
    argmax=lambda x: (jnp.argmax(x, 1), jnp.argmin(x, 1), jnp.argmax(x, 0)),
    # What the pairwise formula amounts to.
    reduce_general=jax.scipy.special.logsumexp,
    cumsum=lambda x: jnp.cumsum(jnp.sin(x), 1),
    cumsum_reverse=lambda x: lax.cumsum(jnp.sin(x), 0, reverse=True),
    cumprod=lambda x: jnp.cumprod(x, 1),
    cumprod_zeros=lambda x: jnp.cumprod(x, 1),
    cumprod_reverse=lambda x: lax.cumprod(x, 0, reverse=True),
    cummax=lambda x: lax.cummax(x, 1),
    cummax_ties=lambda x: lax.cummax(x, 1),
    cummin_ties=lambda x: lax.cummin(x, 1),
    cummax_reverse=lambda x: lax.cummax(x, 0, reverse=True),
    logsumexp=lambda x: jax.scipy.special.logsumexp(x, 1),
    logsumexp_whole=jax.scipy.special.logsumexp,
    logsumexp_large=lambda x: jax.scipy.special.logsumexp(x, 1),
    logsumexp_infinite=jax.scipy.special.logsumexp,
    softmax=lambda x: jax.nn.softmax(x, 1),
    softmax_large=lambda x: jax.nn.softmax(x, 1),
    log_softmax=lambda x: jax.nn.log_softmax(x, 0),
    log_softmax_large=lambda x: jax.nn.log_softmax(x, 1),
    var=lambda x: jnp.var(x, 0),
    std=lambda x: jnp.std(x, 1),
    norm=lambda x: jnp.linalg.norm(x, axis=1),
    norm_whole=jnp.linalg.norm,
    median_odd=lambda x: jnp.median(x, 0),
    median_even=lambda x: jnp.median(x, 1),
    sort=lambda x: jnp.sort(x, 1),
    sort_first_axis=lambda x: jnp.sort(x, 0),
    sort_ties=lambda x: jnp.sort(x, 1),
    argsort=lambda x: (jnp.argsort(x, 1), jnp.argsort(x, 0, descending=True)),
    sort_by_key=lambda k, x: lax.sort((k, x), num_keys=1),
    sort_by_keys=lambda k, x, y: lax.sort((k, x, y), num_keys=2),
    sort_pairs=lambda x, y: lax.sort((x, y), num_keys=1),
    top_k=lambda x: lax.top_k(x, 2),
    top_k_ties=lambda x: lax.top_k(x, 3),
)


def window(combine, start, sizes, strides, padding):
    return lambda x: lax.reduce_window(x, start, combine, sizes, strides, padding)


AVERAGE = window(lax.add, 0.0, (1, 1, 3, 2), (1, 1, 1, 2), ((0, 0), (0, 0), (1, 1), (0, 0)))
functions(
    max_pool=window(lax.max, -np.inf, (1, 1, 2, 2), (1, 1, 2, 1), ((0, 0), (0, 0), (1, 0), (0, 1))),
    max_pool_ties=window(lax.max, -np.inf, (3,), (1,), ((1, 1),)),
    min_pool=window(lax.min, np.inf, (3,), (2,), ((0, 0),)),
    avg_pool=lambda x: AVERAGE(x) / 6,
)

# Places. Ours move positions inside; JAX's negative ones would count from the end.


@function
def gather(x, positions):
    numbers = lax.GatherDimensionNumbers(offset_dims=(1, 2), collapsed_slice_dims=(), start_index_map=(0, 1))
    return lax.gather(x, positions, numbers, (2, 3), mode="clip")


functions(
    take=lambda x, i: x[i],
    take_outside=lambda x, i: x[jnp.clip(i, 0, 3)],
    take_columns=lambda x, i: jnp.sin(x)[:, i],
    take_along=lambda x, i: jnp.take_along_axis(x, jnp.clip(i, 0, 3), 1),
    at_index=lambda x: jnp.sin(x[:, -2]),
    index=lambda x, i: jnp.sin(x[:, i]),
    scatter_add=lambda x, i, u: x.at[i].add(u, mode="drop"),
    scatter_set=lambda x, i, u: x.at[i].set(u, mode="drop"),
    scatter_set_number=lambda x, i: jnp.sin(x).at[i].set(2.0, mode="drop"),
    scatter_max=lambda x, i, u: x.at[i].max(u, mode="drop"),
    scatter_min=lambda x, i, u: x.at[i].min(u, mode="drop"),
    scatter_max_ties=lambda x, i, u: x.at[i].max(u, mode="drop"),
    dynamic_slice=lambda x, i, j: lax.dynamic_slice(jnp.sin(x), (i, j), (2, 2)),
    dynamic_update_slice=lambda x, i, j, u: lax.dynamic_update_slice(jnp.sin(x), u, (i, j)),
    slice_strided=lambda x: jnp.sin(x)[1:6:2, ::2],
    pad=lambda x, value: lax.pad(jnp.sin(x), value, ((1, -1, 2), (-1, 2, 0))),
    reverse=lambda x: jnp.sin(x)[:, ::-1],
    concatenate=lambda x, y: jnp.concatenate((jnp.sin(x), y, x), 1),
    stack=lambda x, y: jnp.stack((jnp.sin(x), y), 1),
    reshape=lambda x: jnp.sin(x).reshape(3, 4).T,
    transpose=lambda x: jnp.sin(x).transpose(2, 0, 1),
    broadcast=lambda x: jnp.broadcast_to(jnp.sin(x), (3, 2, 4)),
    split=lambda x: tuple(jnp.split(jnp.sin(x), 3)),
    tril=lambda x: jnp.tril(jnp.sin(x)),
    triu=lambda x: jnp.triu(jnp.sin(x), 1),
    diag=lambda x: jnp.diag(jnp.sin(x)),
    diagonal=lambda x: jnp.diag(jnp.sin(x)),
    trace=lambda x: jnp.trace(jnp.sin(x)),
    kron=jnp.kron,
    outer=jnp.outer,
    one_hot=lambda n, x: jax.nn.one_hot(n, 3, dtype=jnp.float64) * jnp.sin(x),
)

# Products.


def einsum(formula):
    return lambda *x: jnp.einsum(formula, *x)


def conv(strides, padding, lhs=None, rhs=None, groups=1):
    def f(x, kernel):
        return lax.conv_general_dilated(
            x, kernel, strides, padding, lhs_dilation=lhs, rhs_dilation=rhs, feature_group_count=groups
        )

    return f


def solve(left, lower, transpose, unit):
    def f(x, b):
        return lax.linalg.triangular_solve(
            x + 4 * jnp.eye(3), b, left_side=left, lower=lower, transpose_a=transpose, unit_diagonal=unit
        )

    return f


def definite(x):
    return x @ x.T + jnp.eye(3)


def lower_half(x):
    """Ours reads the lower half alone, and its derivative is that of a function of the lower half."""
    return jnp.tril(x) + jnp.tril(x, -1).T


cholesky = lax.linalg.cholesky
functions(
    dot=lambda x, y: jnp.sin(x) @ y,
    dot_vectors=lambda x, y: jnp.sin(x @ y),
    dot_self=lambda x: x @ x,
    contract=lambda x, y: x @ y.T,
    matmul=jnp.matmul,
    matmul_vector=jnp.matmul,
    einsum_batch=einsum("bij,bjk->bki"),
    einsum_diagonal=einsum("iij,jk->ik"),
    einsum_three=einsum("ab,bc,cd->ad"),
    einsum_sum=einsum("ij,kj->k"),
    conv_valid=conv((1,), "VALID"),
    conv_strided=conv((2,), ((1, 2),), rhs=(2,)),
    conv_cut=conv((3,), ((-1, 3),), lhs=(2,)),
    conv_same=conv((2, 1), "SAME"),
    conv_groups=conv((1, 2), ((1, 0), (0, 1)), (2, 1), (1, 2), 2),
    conv_depthwise_kernel=lambda kernel, x: conv((1,), "VALID", groups=2)(x, kernel),
    cholesky_of_product=lambda x: cholesky(definite(x)),
    cholesky_batch=lambda x: cholesky(x @ x.transpose(0, 2, 1) + jnp.eye(3)),
    cholesky_lower_half=lambda x: cholesky((x + x.T) / 2 + 9 * jnp.eye(3)),
    cholesky=lambda x: cholesky(lower_half(x) + 9 * jnp.eye(3)),
    log_determinant=lambda x: jnp.linalg.slogdet(definite(x))[1],
    solve_left_lower=solve(True, True, False, False),
    solve_left_upper=solve(True, False, False, False),
    solve_left_lower_transposed=solve(True, True, True, False),
    solve_right_lower=solve(False, True, False, False),
    solve_right_upper_transposed=solve(False, False, True, False),
    solve_unit_diagonal=solve(True, True, False, True),
    solve_right_unit_diagonal=solve(False, False, False, True),
)

# Loops and branches.


@function
def scan_rnn(h, w, u, inputs):
    def step(h, x):
        h = jnp.tanh(h @ w + x @ u)
        return h, h

    return lax.scan(step, h, inputs)


@function
def scan_reversed(start, xs):
    return lax.scan(lambda c, x: (jnp.sin(c * 0.5 + x), c * x), start, xs, reverse=True)


@function
def scan_nested(start, rows):
    def step(c, row):
        c, partial = lax.scan(lambda c, x: (c * 0.9 + jnp.sin(x), c * x), c, row)
        return c * 0.5, jnp.sum(partial) + jnp.max(row)

    return lax.scan(step, start, rows)


@function
def scan_counts(n, y, numbers):
    def step(carry, i):
        n, y = carry
        z = y * (n + i).astype(jnp.float64) + y[i]
        return (n + 1, jnp.sin(z)), jnp.sum(z)

    (n, y), sums = lax.scan(step, (n, y), numbers)
    return n, y, sums


@function
def while_loop(y, n):
    return lax.while_loop(lambda c: jnp.sum(c[0] ** 2) < 50, lambda c: (c[0] * 1.7 + 0.3, c[1] + 1), (y, n))


@function
def scan_cond(y, flags):
    def step(y, i):
        y = lax.cond(i > 0, jnp.sin, lambda y: y * 0.5, y)
        return y, jnp.sum(y)

    return lax.scan(step, y, flags)


functions(
    map=lambda xs, y: lax.map(lambda row: jnp.sin(row) @ y, xs),
    fori_loop=lambda x, a: lax.fori_loop(2, 6, lambda i, y: jnp.sin(y * a + i), x),
    fori_nothing=lambda x: lax.fori_loop(3, 3, lambda _, y: jnp.sin(y), x),
    cond=lambda x, y: lax.cond(y > 0, lambda: jnp.sin(x) * y, lambda: x * x),
    cond_lazy=lambda x, n: lax.cond(n > 0, lambda: jnp.sqrt(x * x), lambda: jnp.log(x)),
    switch=lambda n, x: lax.switch(n, [lambda k=k: jnp.sin(x) * lax.integer_pow(x, k) for k in range(3)]),
    switch_outside=lambda n, x: lax.switch(n, [lambda: jnp.sin(x), lambda: jnp.exp(x)]),
)

# Derivatives of the user's own.


@jax.custom_jvp
def double(x):
    return jnp.sin(x)


@double.defjvp
def _(primals, tangents):
    (x,), (dx,) = primals, tangents
    return jnp.sin(x), 2 * jnp.cos(x) * dx


@jax.custom_vjp
def own(x, y):
    return x * jnp.sin(y)


own.defvjp(lambda x, y: (x * jnp.sin(y), (x, y)), lambda kept, ct: (2 * ct * kept[1], 3 * ct * kept[0]))


@function
def checkpoint_scan(c, xs):
    def step(c, x):
        c = jax.checkpoint(lambda c, x: jnp.tanh(c * jnp.sin(x)))(c, x)
        return c, c

    return lax.scan(step, c, xs)


@function
def mlp_loss(w, b, v, c, x, labels):
    scores = jax.nn.log_softmax(jnp.tanh(x @ w + b) @ v + c, 1)
    return -jnp.mean(jnp.take_along_axis(scores, labels[:, None], 1))


@function
def attention(q, k, v):
    return jax.nn.softmax(jnp.tril(q @ k.T / np.sqrt(2)), 1) @ v


@function
def layer_norm(x, scale, offset):
    centred = x - jnp.mean(x, 1, keepdims=True)
    return centred / jnp.sqrt(jnp.var(x, 1, keepdims=True) + 1e-5) * scale + offset


@function
def random_bits(key):
    """Word i is the first word of the cipher on the counter (i, 0)."""
    counters = jnp.concatenate([jnp.arange(1000, dtype=jnp.uint32), jnp.zeros(1000, jnp.uint32)])
    return jax.extend.random.threefry_2x32(key, counters)[:1000]


functions(
    custom_jvp=lambda x: double(x * x),
    custom_vjp=lambda x, y: own(x * x, y),
    checkpoint=lambda x, y: jax.checkpoint(lambda x, y: jnp.tanh(jnp.exp(jnp.sin(x) * y)))(x, y),
    optimization_barrier=lambda x: lax.optimization_barrier(jnp.sin(x)) * x,
)
