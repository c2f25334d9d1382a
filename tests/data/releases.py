"""A release of one's own, for tests: frames of noise with a square that moves."""

import io
import json

import numpy as np
from PIL import Image

SIZE = 48  # px
FRAMES = 5


def write(folder, *, subjects=3, clips=2, apex="2", synthetic=False, seed=0):
    """Writes `subjects` x `clips` clips of emotions happiness and anger in turn."""
    rng = np.random.default_rng(seed)
    rows = ["subject,clip,path,emotion,onset,apex,offset"]
    for subject in range(subjects):
        background = rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        for clip in range(clips):
            path = f"frames/p{subject}/c{clip}"
            emotion = ("happiness", "anger")[clip % 2]
            rows.append(f"p{subject},c{clip},{path},{emotion},0,{apex},{FRAMES - 1}")
            write_frames(folder / path, background)
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    if synthetic:
        (folder / "SYNTHETIC").write_text(json.dumps({"drawn": True}))
    return folder


def write_frames(folder, background):
    """Frames 0..4 of a bright square that moves most in frame 3."""
    folder.mkdir(parents=True)
    for number, shift in enumerate((0, 1, 2, 4, 2)):
        frame = background // 2
        frame[16:32, 10 + shift : 26 + shift] += 100
        (folder / f"img{number}.png").write_bytes(png(frame))


def png(frame):
    file = io.BytesIO()
    Image.fromarray(frame).save(file, format="PNG")
    return file.getvalue()


PROTOCOL = """
version = 1
about = "two classes of a corpus of one's own"
classes = ["calm", "cross"]
[corpora.custom]
{counts}
[corpora.custom.labels]
calm = ["happiness"]
cross = ["anger"]
"""


def write_protocol(folder, counts=""):
    path = folder / "own2.toml"
    path.write_text(PROTOCOL.format(counts=counts))
    return str(path)
