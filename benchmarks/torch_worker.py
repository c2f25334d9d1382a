"""What PyTorch's workers share: their arguments, and the loop that answers."""

import argparse
import contextlib
import time
from collections.abc import Callable
from typing import Protocol

import torch

from benchmarks.interleaved import answer

MODES = ("no", "default", "reduce-overhead")


class Timed(Protocol):
    """A training whose images lie ready."""

    def steps(self, count: int) -> None:
        """Takes so many steps."""
        ...


def parser(channels_last: str = "channels_last") -> argparse.ArgumentParser:
    """Returns a parser of what every worker is told, beside its sizes.

    Args:
      channels_last: PyTorch's name of that memory format.
    """
    parser = argparse.ArgumentParser(description="Times training steps, as JSON.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--memory",
        choices=("contiguous_format", channels_last),
        default=channels_last,
    )
    parser.add_argument("--compile", choices=MODES, default="no")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--half", action="store_true", help="autocast to bfloat16")
    return parser


def compiled(function: Callable, mode: str) -> Callable:
    """Returns a function compiled in a mode of `MODES`."""
    return function if mode == "no" else torch.compile(function, mode=mode)


def autocast(device: str, half: bool):
    """Returns the context of a forward pass: bfloat16 where that is wanted."""
    return torch.autocast(device, torch.bfloat16) if half else contextlib.nullcontext()


def work(args: argparse.Namespace, made: Callable[[argparse.Namespace], Timed]) -> None:
    """Answers every line of standard input with what that many steps took.

    Args:
      args: of the command line.
      made: makes the training of them.
    """
    torch.set_num_threads(args.threads)
    start = time.perf_counter()
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    timed = made(args)

    def steps(count):
        timed.steps(count)
        if args.device == "cuda":
            torch.cuda.synchronize()

    steps(3)
    took = time.perf_counter() - start
    answer(steps, {"seconds": took, "torch": torch.__version__})
