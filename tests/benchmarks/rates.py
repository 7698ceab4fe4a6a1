"""What this machine can do: the shortest time of a call, and the rate of copying memory with several threads."""

import concurrent.futures
import time

import numpy as np


def repeated(function, seconds):
    """Seconds of the fastest call of `function` among as many as fit in `seconds` (three at least)."""
    function()
    times, started = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        function()
        times.append(time.perf_counter() - before)
    return min(times)


def copy_rate(n_bytes, threads, seconds):
    """GB/s, read and written bytes counted, of copying within a working set of `n_bytes`, on `threads` threads."""
    n = max(1024, n_bytes // 2 // threads)
    pairs = [(np.zeros(n, np.uint8), np.ones(n, np.uint8)) for _ in range(threads)]
    rounds = max(1, 2**28 // n_bytes)  # one call lasts long enough for the start of the threads not to count

    def copy(pair):
        for _ in range(rounds):
            np.copyto(*pair)  # releases the interpreter's lock

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        duration = repeated(lambda: list(pool.map(copy, pairs)), seconds)
    return 2e-9 * n * threads * rounds / duration
