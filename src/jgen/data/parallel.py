"""Maps a function over items in threads: results in order, few of them pending."""

from __future__ import annotations

import collections
import concurrent.futures
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield function(item) for each of `items`, in their order, from one thread per CPU, at most 16.

    Threads suffice, for Pillow releases the interpreter's lock while it decodes and resizes; Jittor's SIGCHLD handler
    ends the program when a worker process dies. At most four results per thread are held, so memory does not grow with
    the number of items.
    """
    workers = min(len(os.sched_getaffinity(0)), 16)
    pool = concurrent.futures.ThreadPoolExecutor(workers, thread_name_prefix="jgen-images")
    pending = collections.deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= 4 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
