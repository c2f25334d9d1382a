"""Reads releases that may take all memory, in a process that may not.

Every line of its input is the corpus and config, the release, and a file for what came
of it, parted by tabs; every line of its output says that one is done.
"""

import pickle
import resource
import subprocess
import sys
from pathlib import Path

from tests.hostile.judge import Fault, attempt
from tests.hostile.worlds import corpora

_ROOM = 3 * 2**29  # bytes beyond what the process takes when it starts


class Worker:
    """The other process, from this side; it is started when it is needed."""

    def __init__(self):
        self.process = None

    def attempt(self, name, root: Path):
        """As `judge.attempt`; a process that dies of it is a crash."""
        if self.process is None:
            command = [sys.executable, "-m", "tests.hostile.worker"]
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
            )
        result = root.parent / "result"
        print(name, root, result, sep="\t", file=self.process.stdin, flush=True)
        if self.process.stdout.readline() == "done\n":
            return pickle.loads(result.read_bytes())
        code = self.process.wait()
        self.close()
        return Fault("crash", f"the process died ({code})"), []

    def close(self):
        """Ends the process."""
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()
        self.process = None


def main():
    """Answers line by line."""
    builders = corpora()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + _ROOM
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    for line in sys.stdin:
        name, root, result = line.rstrip("\n").split("\t")
        corpus, config = name.split("/")
        builder = builders[corpus](config=config, data_dir=str(Path(root).parent))
        Path(result).write_bytes(pickle.dumps(attempt(builder, Path(root))))
        print("done", flush=True)


if __name__ == "__main__":
    main()
