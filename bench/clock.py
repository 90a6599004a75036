"""How the benchmarks take times: contestants in turns, a call each per round, and the medians."""

import random
import statistics
import time


def milliseconds(f, *arguments):
    """How long one call of `f` takes until its results are there, whether in this machine's memory or on a device."""
    start = time.perf_counter()
    result = f(*arguments)
    for leaf in result if isinstance(result, (tuple, list)) else [result]:
        getattr(leaf, "block_until_ready", lambda: None)()
    return 1e3 * (time.perf_counter() - start)


def interleaved(contestants, rounds):
    """(median, smallest) of every contestant's times; a contestant answers with the time that one call took.

    A first call of each is not counted. Every round has an order of its own, for a call finds the caches as the one before left
    them.
    """
    draw = random.Random(1)
    for call in contestants.values():
        call()
    times = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in draw.sample(list(contestants.items()), len(contestants)):
            times[name].append(call())
    return {name: (statistics.median(values), min(values)) for name, values in times.items()}
