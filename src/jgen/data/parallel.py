"""Work on many items in threads, in order and with a bounded number under way."""

import collections
import concurrent.futures
import os


def ordered_map(function, items, workers=None):
    """Yield function(item) for each of `items`, in their order, from `workers` threads (default: one a CPU).

    Threads, not processes: Pillow releases the interpreter while it decodes and resizes, and Jittor's SIGCHLD
    handler would end the program with the first worker process that dies. At most four results per worker are
    held, so memory does not grow with the number of items.
    """
    workers = workers or min(len(os.sched_getaffinity(0)), 16)
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
