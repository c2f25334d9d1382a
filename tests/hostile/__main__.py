"""Damages twins and tells what the builders make of them.

python -m tests.hostile --mutants 1000 --seed 0
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # nothing of broken videos
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

from tests.hostile.campaign import Campaign, tally
from tests.hostile.judge import FAULTS


def main() -> int:
    """Returns 1 if there were faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--mutants", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one mutant")
    given = parser.parse_args()
    numbers = range(given.mutants) if given.only is None else [given.only]
    cases = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Campaign(Path(folder), given.seed) as campaign,
    ):
        for case in campaign.run(numbers):
            cases.append(case)
            if case.outcome in FAULTS or given.only is not None:
                print(case, flush=True)
    print(tally(cases))
    return any(case.outcome in FAULTS for case in cases)


if __name__ == "__main__":
    sys.exit(main())
