"""Ctrl-C and SIGTERM as a wish, for work that stops between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def stop_on_signals(
    screen: Console, what: str = "stopping after this step, saving first"
) -> Iterator[threading.Event]:
    """Turns the first Ctrl-C or SIGTERM into a wish; a second one kills.

    Args:
      screen: where the wish is answered.
      what: will be done.

    Yields:
      What is set by the wish.
    """
    stop = threading.Event()

    def wish(number, frame):
        screen.print(f"{what}; again to stop at once")
        stop.set()
        for name, handler in before.items():
            signal.signal(name, handler)

    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    for name in before:
        signal.signal(name, wish)
    try:
        yield stop
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
