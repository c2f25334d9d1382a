"""Alignment, false motion, flow, apex spotting and speed, on drawn clips, as JSON.

    python benchmarks/preprocessing.py --model face_landmarker.task [--json FILE]

Faces are drawn (datasets_tfds/synthetic), so true landmarks and true motion are known
in every pixel; they are found by the real MediaPipe model. What is measured here says
how the parts compare, not how well any of them does on real skin.
"""

import argparse
import datetime
import functools
import importlib.metadata
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from datasets_tfds.synthetic import footage
from datasets_tfds.synthetic.performance import Setting
from mer_jax.preprocess.align import compose, crop_transform, warp
from mer_jax.preprocess.apex import spot_apex
from mer_jax.preprocess.crops import Alignment, Footage, crop_clip, crops_of_clips
from mer_jax.preprocess.flow import METHODS, grey, optical_flow
from mer_jax.preprocess.landmarks import Landmarker, Landmarks
from mer_jax.preprocess.parallel import in_order, one_cv2_thread
from mer_jax.preprocess.stabilise import face_oval, steady

HERE = Path(__file__).parent
EMOTIONS = ("happiness", "surprise", "disgust", "repression", "anger", "sadness")
CAMERA = footage.Camera(height=480, width=640, face=220, centre=(320, 200))
MOVING = 0.5  # px of a 224 px crop: skin that moves more is moving skin

Row = dict[str, float]
Table = dict[str, Row]


def film(number: int, *, camera=CAMERA, num_frames=16, **options) -> footage.Footage:
    """Returns a clip of its own subject; deterministic."""
    options = {"emotion": EMOTIONS[number % len(EMOTIONS)], **options}
    subject = f"benchmark/sub{number:03d}"
    return footage.film(
        seed=0,
        subject=subject,
        clip="EP01_01",
        camera=camera,
        num_frames=num_frames,
        **options,
    )


def truth(clip: footage.Footage, t: int = 0) -> np.ndarray:
    """Returns float64[478, 2], the true landmarks, 0 where they are not known."""
    points = np.zeros((478, 2))
    for number, place in clip.landmarks(t).items():
        points[number] = place
    return points


def quantiles(values: Sequence[float]) -> Row:
    """Returns what the tables show of a sample."""
    return {
        "median": float(np.median(values)),
        "mean": float(np.mean(values)),
        "95 %": float(np.percentile(values, 95)),
        "count": len(values),
    }


def alignment(find: Landmarks, count: int) -> Table:
    """Error (px) at the corners of a 224 px crop, against true landmarks.

    Drawn and found points differ in what they mean, by the same amount in every clip;
    the second row of each recipe is without that constant.
    """
    errors: dict[str, list[np.ndarray]] = defaultdict(list)
    corners = np.array([[0, 223, 0, 223], [0, 0, 223, 223], [1, 1, 1, 1]])
    for number in range(count):
        face, x, y = (number * k % m for k, m in ((53, 140), (71, 121), (37, 61)))
        camera = footage.Camera(
            height=480, width=640, face=120 + face, centre=(260 + x, 170 + y)
        )
        clip = film(number, camera=camera, num_frames=2)
        found = find(clip.frame(0))
        for align in ("template", "moext") if found is not None else ():
            true = np.vstack([crop_transform(truth(clip), align, 224), [0, 0, 1]])
            ours = crop_transform(found, align, 224)
            moved = compose(ours, np.linalg.inv(true)[:2]) @ corners - corners[:2]
            errors[align].append(moved)
    table = {}
    for align, moved in errors.items():
        for name, constant in (("", 0), (", less its mean", np.mean(moved, 0))):
            away = np.linalg.norm(np.array(moved) - constant, axis=1)
            table[align + name] = quantiles(away.ravel())
    return table


def ecc(onset: np.ndarray, frame: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Returns the crop steadied by OpenCV's ECC instead of `steady`."""
    size = len(onset)
    crop = warp(frame, transform, size)
    start, mask = np.eye(2, 3, dtype=np.float32), 255 * face_oval(size, size)
    try:
        _, motion = cv2.findTransformECC(
            grey(onset),
            grey(crop),
            start,
            cv2.MOTION_EUCLIDEAN,
            (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-5),
            mask.astype(np.uint8),
            5,
        )
    except cv2.error:  # does not converge
        return crop
    back = np.linalg.inv(np.vstack([motion, [0, 0, 1]]))[:2]
    return warp(frame, compose(back, transform), size)


def false_motion(find: Landmarks, count: int, size: int = 128) -> Table:
    """Mean flow (px of a 128 px crop) over a neutral face whose head sways."""
    found: dict[str, list[float]] = defaultdict(list)
    oval = face_oval(size, size)
    for number in range(count):
        setting = Setting(nuisance=0)
        clip = film(number, emotion="neutral", setting=setting)
        first = clip.frame(0)
        transform = crop_transform(find(first), "template", size)
        onset, scale = warp(first, transform, size), np.hypot(*transform[:, 0])
        place = cv2.warpAffine(
            oval.astype(np.uint8), transform, (640, 480), flags=cv2.WARP_INVERSE_MAP
        )
        for t in (5, 10, 15):
            frame = clip.frame(t)
            whole = scale * optical_flow(grey(first), grey(frame))
            own = crop_transform(find(frame), "template", size)
            crops = {
                "aligned by the onset": warp(frame, transform, size),
                "aligned, stabilised": steady(onset, frame, transform),
                "aligned, ECC": ecc(onset, frame, transform),
                "landmarks of every frame": warp(frame, own, size),
            }
            mean = lambda flow, where: np.linalg.norm(flow, axis=-1)[where].mean()
            found["true head motion"].append(
                mean(scale * clip.head_motion(t), place > 0)
            )
            found["frames as they are"].append(mean(whole, place > 0))
            for name, crop in crops.items():
                flow = optical_flow(grey(onset), grey(crop))
                found[name].append(mean(flow, oval))
    return {name: quantiles(values) for name, values in found.items()}


def in_crop(field: np.ndarray, transform: np.ndarray, size: int) -> np.ndarray:
    """Returns float32[S, S, 2], a field of motion as the crop shows it."""
    turned = (field @ transform[:, :2].T).astype(np.float32)
    return cv2.warpAffine(turned, transform, (size, size))


def flow_error(_: Landmarks, count: int, size: int = 224) -> Table:
    """End point error (px) from onset to apex in aligned 224 px crops, and ms."""
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    oval = face_oval(size, size)
    for number in range(count):
        clip = film(number)
        transform = crop_transform(truth(clip), "template", size)
        pair = [grey(warp(clip.frame(t), transform, size)) for t in (0, clip.apex)]
        true = in_crop(clip.motion(clip.apex), transform, size)
        skin = true - in_crop(clip.head_motion(clip.apex), transform, size)
        moving = oval & (np.linalg.norm(skin, axis=-1) > MOVING)
        for method in ("zero", *METHODS):
            start = time.perf_counter()
            if method == "zero":
                flow = np.zeros_like(true)
            else:
                flow = optical_flow(*pair, method=method)
            row = samples[method]
            row["ms"].append(1000 * (time.perf_counter() - start))
            error = np.linalg.norm(flow - true, axis=-1)
            row["face"].append(error[oval].mean())
            row["moving skin"].extend(error[moving].tolist())
    return {
        method: {
            "face": float(np.mean(row["face"])),
            "moving skin": float(np.mean(row["moving skin"])),
            "ms": statistics.median(row["ms"]),
            "count": len(row["face"]),
        }
        for method, row in samples.items()
    }


def apexes(find: Landmarks, count: int, length: int = 24) -> Table:
    """Errors in frames of 24, apexes anywhere between 15 and 85 % of the clip."""
    found: dict[str, list[int]] = defaultdict(list)
    oval = face_oval(128, 128)
    camera = footage.Camera(height=300, width=400, face=140, centre=(200, 125))
    for number in range(count):
        apex = 3 + number * 7 % 17
        clip = film(number, camera=camera, num_frames=length, apex=apex)
        shown = footage_of([clip])[0]
        crops = crop_clip(shown, Alignment(), find).frames
        flows = [optical_flow(grey(crops[0]), grey(crop)) for crop in crops]
        plain = [np.linalg.norm(flow, axis=-1)[oval].mean() for flow in flows]
        guesses = {
            "spotted": spot_apex(crops),
            "middle frame": (length - 1) // 2,
            "largest plain flow": int(np.argmax(plain)),
        }
        for name, guess in guesses.items():
            found[name].append(abs(guess - apex))
    within = lambda errors: {"within 2": float(np.mean(np.array(errors) <= 2))}
    return {name: quantiles(errors) | within(errors) for name, errors in found.items()}


def footage_of(clips: Sequence[footage.Footage]) -> list[Footage]:
    """Returns drawn clips as a release has them: JPEG files of quality 95."""
    shown = []
    for number, clip in enumerate(clips):
        encoded = [
            cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
            for frame in clip.frames()
        ]
        read = functools.partial(lambda data: data, [e.tobytes() for e in encoded])
        whole = tuple(range(clip.num_frames))
        shown.append(Footage(f"clip {number}", f"content {number}", read, 0, whole))
    return shown


def every_frame(clips: Sequence[Footage], find: Landmarks, size: int) -> None:
    """The same chain, with landmarks and a transform of every frame; no cache."""

    def crop(clip: Footage) -> np.ndarray:
        crops = []
        for data in clip.frames():
            frame = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
            transform = crop_transform(find(frame), "template", size)
            crops.append(warp(frame, transform, size))
        return np.stack(crops)

    with one_cv2_thread():
        for _ in in_order(crop, clips):
            pass


def speed(find: Landmarks, count: int, *, rounds: int) -> Table:
    """Wall and processor ms per clip of 16 frames 640x480, every round anew."""
    clips = footage_of([film(number) for number in range(count)])
    pairs = [clip._replace(wanted=(0, 8)) for clip in clips]
    stabilised = Alignment(stabilise=True)
    seconds: dict[str, list[float]] = defaultdict(list)
    processor: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, work: Callable[[], object]) -> None:
        start, busy = time.perf_counter(), time.process_time()
        work()
        seconds[name].append((time.perf_counter() - start) / count)
        processor[name].append((time.process_time() - busy) / count)

    def crop(clips, alignment, directory):
        for _ in crops_of_clips(clips, alignment, find, directory=directory):
            pass

    every_frame(clips[:2], find, 128)  # opens the landmarkers
    ways = {
        "first run": (clips, Alignment()),
        "first run, onset and apex": (pairs, Alignment()),
        "first run, stabilised": (clips, stabilised),
    }
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            work = functools.partial(every_frame, clips, find, 128)
            timed("landmarks of every frame", work)
            for name, way in ways.items():
                first = functools.partial(crop, *way, Path(folder))
                timed(name, first)
                timed(name.replace("first", "second"), first)
    return {
        name: {
            "median ms": 1000 * statistics.median(values),
            "min ms": 1000 * min(values),
            "max ms": 1000 * max(values),
            "processor ms": 1000 * statistics.median(processor[name]),
            "count": count,
        }
        for name, values in seconds.items()
    } | {"wall ratios": ratios(seconds), "processor ratios": ratios(processor)}


def ratios(seconds: dict[str, list[float]]) -> Row:
    """Returns how many times faster, as medians over the rounds."""
    over = lambda slow, fast: statistics.median(
        s / f for s, f in zip(seconds[slow], seconds[fast], strict=True)
    )
    pairs = ", onset and apex"
    return {
        "every frame over first run": over("landmarks of every frame", "first run"),
        "first over second run": over("first run", "second run"),
        "of pairs": over("first run" + pairs, "second run" + pairs),
        "stabilised": over("first run, stabilised", "second run, stabilised"),
    }


def about() -> dict[str, object]:
    """Returns when, where and with what this was measured."""
    git = lambda *words: subprocess.run(
        ["git", "-C", HERE, *words], capture_output=True, text=True, check=False
    ).stdout.strip()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    packages = ("mer_jax", "mediapipe", "numpy", "opencv-contrib-python")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD")
        + ("+" if git("status", "--porcelain") else ""),
        "host": platform.node(),
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }


def show(title: str, table: Table) -> None:
    """Prints a table whose rows may have columns of their own."""
    print(f"\n{title}")
    for columns, rows in itertools.groupby(table.items(), lambda row: tuple(row[1])):
        width = max(12, 2 + max(map(len, columns)))
        print(f"{'':28}" + "".join(f"{name:>{width}}" for name in columns))
        for name, row in rows:
            cells = (f"{row[c]:{width}.4g}" for c in columns)
            print(f"{name:28}" + "".join(cells))


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="of MediaPipe, by default where mer looks")
    parser.add_argument("--clips", type=int, default=24, help="drawn for each table")
    parser.add_argument("--rounds", type=int, default=5, help="of timing")
    parser.add_argument("--json", type=Path, help="default: results/, with the date")
    args = parser.parse_args()
    result = about() | {"clips": args.clips, "rounds": args.rounds}
    with Landmarker(args.model) as find:
        for measure in (alignment, false_motion, flow_error, apexes, speed):
            options = {"rounds": args.rounds} if measure is speed else {}
            result[measure.__name__] = table = measure(find, args.clips, **options)
            show(str(measure.__doc__).splitlines()[0], table)
    path = args.json or HERE / "results" / f"preprocessing-{result['date'][:10]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nstored in {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
