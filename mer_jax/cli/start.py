"""Begins the command line in memory that training is fast in."""

import os
import sys

# For the C library: memory asked for in large pieces comes in pages of 2 MiB.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def start() -> None:
    """Runs the command line; the console script `mer`."""
    in_huge_pages()
    from mer_jax.cli.main import main

    main()


def in_huge_pages() -> None:
    """Begins this process once more, with `HUGE_PAGES`, unless it has its own.

    On a CPU, XLA asks for the memory of a step anew each time. In pages of 4 KiB a
    step of MoExt takes a quarter longer. The C library reads its settings only when a
    process begins; those that the user made stay. Elsewhere than on Linux nothing
    happens, nor under a debugger, nor where the program itself came by standard input.
    """
    again = len(sys.orig_argv) > 1 and sys.orig_argv[1] != "-" and not sys.gettrace()
    if not again or sys.platform != "linux" or HUGE_PAGES.keys() & os.environ.keys():
        return
    command = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, command, {**os.environ, **HUGE_PAGES})
