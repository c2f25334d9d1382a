"""Mutations of pictures and videos: other modes, formats, sizes and promises."""

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image

from tests.hostile.scene import Scene


def _saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format=format, **options)
    return file.getvalue()


def _noise(scene):
    pixels = np.frombuffer(scene.rng.randbytes(6 * 8 * 3), np.uint8)
    return Image.fromarray(pixels.reshape(6, 8, 3))


def another_mode(scene: Scene):
    """A frame becomes one of other pixels, whatever its name says."""
    image = _noise(scene)
    glass = image.convert("RGBA")
    glass.putalpha(128)
    sixteen = np.full((6, 8, 3), 40_000, np.uint16)
    ways = (
        _saved(image.convert("CMYK"), "JPEG"),
        _saved(image.convert("P"), "PNG"),
        _saved(image.convert("P"), "PNG", transparency=0),
        _saved(image.convert("1"), "PNG"),
        _saved(image.convert("1"), "BMP"),
        _saved(image.convert("LA"), "PNG"),
        _saved(image.convert("F"), "TIFF"),
        _saved(image.convert("I"), "TIFF"),
        _saved(image, "WEBP"),
        _saved(image, "PPM"),
        _saved(image, "ICO"),
        _saved(glass, "PNG"),
        _saved(image, "GIF", save_all=True, append_images=[_noise(scene)]),
        _saved(image, "PNG", save_all=True, append_images=[_noise(scene)]),
        cv2.imencode(".png", sixteen)[1].tobytes(),
        cv2.imencode(".png", sixteen[..., 0])[1].tobytes(),
        cv2.imencode(".tiff", sixteen)[1].tobytes(),
        b"P6 # a comment\n8 6 255\n" + scene.rng.randbytes(100),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\nshowpage\n",
    )
    scene.write(scene.frame(), scene.pick(ways))


def junk_after_a_frame(scene):
    path = scene.frame()
    scene.write(path, path.read_bytes() + scene.rng.randbytes(2_000))


def _png(width, height, depth=8, kind=2):
    """A PNG of one colour, of which little has to be written."""
    file = _saved(Image.new("RGB", (1, 1)), "PNG")
    at = file.index(b"IHDR")
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    check = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return file[: at + 4] + header + check + file[at + 4 + 13 + 4 :]


def _bmp(width, height):
    file = bytearray(_saved(Image.new("RGB", (1, 1)), "BMP"))
    file[18:26] = struct.pack("<ii", width, height)
    return bytes(file)


def _jpeg(width, height):
    file = bytearray(_saved(Image.new("RGB", (8, 8)), "JPEG"))
    at = file.index(b"\xff\xc0")
    file[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(file)


def huge_frame(scene: Scene):
    """The header of a frame promises more pixels than memory holds."""
    size = scene.pick(((30_000, 30_000), (13_000, 13_000), (65_500, 65_500)))
    make = scene.pick((_png, _bmp, _jpeg))
    scene.bomb = True
    scene.write(scene.frame(), make(*size))


def large_real_frame(scene: Scene):
    """All pixels are there: 150 million of them, which compress well."""
    image = Image.new("L", (12_500, 12_000))
    scene.bomb = True
    scene.write(scene.frame(), _saved(image, "PNG", compress_level=1))


def _avi(scene):
    path = scene.pick(scene.files(".avi"))
    data = bytearray(path.read_bytes()[: 2**20])
    scene.pick([mark for mark in (b"avih",) if mark in data])
    return path, data


def frames_promised_by_a_video(scene: Scene):
    """The headers of an AVI say another number of frames than it has."""
    path, data = _avi(scene)
    number = struct.pack("<I", scene.pick((0, 1, 10**6, 2**31 - 1, 2**32 - 1)))
    at = data.index(b"avih") + 8 + 16
    data[at : at + 4] = number
    at = data.index(b"strh") + 8 + 32
    data[at : at + 4] = number
    scene.write(path, bytes(data))


def size_promised_by_a_video(scene: Scene):
    """The headers of an AVI say that its frames are enormous."""
    path, data = _avi(scene)
    size = struct.pack("<II", *scene.pick(((65_500, 65_500), (0, 0), (2**31 - 1, 8))))
    at = data.index(b"avih") + 8 + 32
    data[at : at + 8] = size
    at = data.index(b"strf") + 8 + 4
    data[at : at + 8] = size
    scene.bomb = True
    scene.write(path, bytes(data))


def playlist_for_a_video(scene: Scene):
    """A text file that video libraries follow to other files."""
    path = scene.pick(scene.files(".avi"))
    target = scene.outside / "canary.avi"
    ways = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nfile://{target}\n"
        "#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{target}'\n",
        f"ffconcat version 1.0\nfile '../{scene.outside.name}/canary.avi'\n",
    )
    scene.write(path, scene.pick(ways).encode())


PICTURES = (
    another_mode,
    junk_after_a_frame,
    huge_frame,
    large_real_frame,
    frames_promised_by_a_video,
    size_promised_by_a_video,
    playlist_for_a_video,
)
