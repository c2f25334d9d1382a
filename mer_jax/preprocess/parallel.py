"""Work on many clips at once, in threads: OpenCV and MediaPipe release the GIL."""

import collections
import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Result]:
    """Yields work(item) of every item, in their order, several at a time.

    At most two items per worker are begun and not yet yielded, however many there
    are: that bounds the memory.

    Args:
      work: called in other threads, once per item.
      items: what to work on.
      workers: threads, by default one per core.
      progress: called in this thread with (yielded so far, all), before each yield.

    Yields:
      The results.

    Raises:
      Exception: what `work` raised, at the item's turn; items not yet begun are
        dropped, as they are when the caller stops early.
    """
    workers = workers or os.cpu_count() or 1
    pending: collections.deque[Future[Result]] = collections.deque()
    pool = ThreadPoolExecutor(workers, "clip")
    try:
        for done in range(len(items)):
            ahead = items[done + len(pending) : done + 2 * workers]
            pending.extend(pool.submit(work, item) for item in ahead)
            result = pending.popleft().result()
            if progress is not None:
                progress(done + 1, len(items))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


_pin = threading.Lock()
_pinned = 0  # how many blocks of `one_cv2_thread` are running
_threads_before = 0


@contextlib.contextmanager
def one_cv2_thread() -> Iterator[None]:
    """Holds OpenCV to one thread per call, process-wide, until the last block ends.

    OpenCV may cut an image by the number of its threads; and the clips already
    keep the cores busy.
    """
    import cv2

    global _pinned, _threads_before
    with _pin:
        if _pinned == 0:
            _threads_before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _pinned += 1
    try:
        yield
    finally:
        with _pin:
            _pinned -= 1
            if _pinned == 0:
                cv2.setNumThreads(_threads_before)
