"""Mutations of files and folders: bytes, names, places and links."""

import os
import random
import socket
import unicodedata

from tests.hostile.scene import LABELS, TABLES, NotHere, Scene
from tests.hostile.worlds import IMAGES

_ANY = (*IMAGES, *TABLES, *LABELS, ".avi")


def _file(scene: Scene):
    """A file of any kind; every kind has the same chance."""
    kinds = sorted({path.suffix.lower() for path in scene.files(*_ANY)})
    kind = scene.pick(kinds)
    return scene.frame() if kind in IMAGES else scene.pick(scene.files(kind))


def delete_a_file(scene):
    _without(scene, _file(scene))


def delete_an_annotation(scene):
    _without(scene, scene.pick(scene.files(*TABLES, *LABELS)))


def _without(scene, path):
    scene.touch(path).unlink()
    if path.suffix in LABELS:
        scene.garbled.append(path)


def delete_a_folder(scene):
    folder = scene.touch(scene.pick(scene.folders()))
    scene.garbled += [p for p in scene.files(*LABELS) if folder in p.parents]
    _remove(folder)


def _remove(folder):
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_symlink() or not path.is_dir() else path.rmdir()
    folder.rmdir()


def truncate(scene):
    data = (path := _file(scene)).read_bytes()
    scene.write(path, data[: scene.rng.randrange(len(data) + 1)])


def flip_bytes(scene):
    data = bytearray((path := _file(scene)).read_bytes())
    for _ in range(scene.rng.choice((1, 3, 20))):
        if data:
            data[scene.rng.randrange(len(data))] ^= scene.rng.randrange(1, 256)
    scene.write(path, bytes(data))


def empty_a_file(scene):
    scene.write(_file(scene), b"")


def noise_in_a_file(scene):
    scene.write(_file(scene), scene.rng.randbytes(scene.rng.choice((1, 99, 5000))))


def text_in_a_frame(scene):
    scene.write(scene.frame(), b"<html><body>404 Not Found</body></html>\n")


def _odd_names(rng: random.Random, stem):
    return (
        stem.swapcase(),
        unicodedata.normalize("NFD", f"{stem}é"),
        unicodedata.normalize("NFC", f"{stem}é"),
        f"{stem}\N{GRINNING FACE}",
        f" {stem} ",
        stem.replace("_", " "),
        f"{stem}.",
        f"{stem}...",
        f"{stem}{'x' * 180}",
        f"{stem} (1)",
        f"Copy of {stem}",
        f"{stem}\n",
        f"{stem}%02d",
        f"-{stem}",
        stem.replace("0", "\N{ARABIC-INDIC DIGIT ZERO}"),
        f"{stem}\N{RIGHT-TO-LEFT OVERRIDE}gpj",
        f"{stem}{rng.randrange(10**6)}",
    )


def rename_a_file(scene):
    path = _file(scene)
    stem = scene.pick(_odd_names(scene.rng, path.stem))
    scene.move(path, path.with_name(f"{stem}{path.suffix}"))


def rename_an_ending(scene):
    path = _file(scene)
    suffix = scene.pick((path.suffix.upper(), ".png", ".jpg", ".avi", ".xlsx", ""))
    scene.move(path, path.with_name(path.stem + suffix))


def rename_a_folder(scene):
    folder = scene.pick([scene.leaf(), *scene.folders()[:4]])
    scene.move(folder, folder.with_name(scene.pick(_odd_names(scene.rng, folder.name))))


def name_that_is_no_text(scene):
    path = scene.pick([_file(scene), scene.leaf()])
    name = os.fsdecode(os.fsencode(path.stem) + b"\xff\xfe")
    scene.move(path, path.with_name(name + path.suffix))


def swap_the_case_of_everything(scene):
    scene.everywhere = scene.moved = True
    for path in sorted(scene.root.rglob("*"), reverse=True):
        if path.name != "SYNTHETIC":
            new = path.with_name(path.name.swapcase())
            path if new.exists() else path.rename(new)


def _wrap(scene, *names):
    """Puts all that is in the release into a folder of it."""
    if scene.root.joinpath(names[0]).exists():
        raise NotHere
    scene.everywhere = scene.moved = True
    children = list(scene.root.iterdir())
    inner = scene.root.joinpath(*names)
    inner.mkdir(parents=True)
    for child in children:
        child.rename(inner / child.name)


def double_the_top_folder(scene):
    _wrap(scene, scene.root.name)


def nest_deeper(scene):
    _wrap(scene, scene.pick(("new", "Data (1)", "backup", "2014", "s7", "happiness")))


def big_number(scene):
    path = scene.frame()
    number = scene.pick((10**12, 2**31, 2**31 - 1, 2**63, int("9" * 60)))
    scene.move(path, path.with_name(f"{path.stem}_{number}{path.suffix}"))


def negative_number(scene):
    path = scene.frame()
    stem = path.stem.rstrip("0123456789")
    scene.move(path, path.with_name(f"{stem}-{path.stem[len(stem) :]}{path.suffix}"))


def same_number_twice(scene):
    path = scene.frame()
    stem = path.stem.rstrip("0123456789")
    name = f"{stem}0{path.stem[len(stem) :]}{path.suffix}"
    scene.copy(path, path.with_name(name))


def clip_twice(scene):
    folder = scene.leaf()
    inside = folder.relative_to(scene.root)
    place = scene.pick((f"copy/{inside}", f"{inside.parts[0]} (2)/{inside}"))
    scene.copy(folder, scene.root / place)


def annotation_twice(scene):
    path = scene.pick(scene.files(*TABLES, *LABELS))
    name = scene.pick((f"Copy of {path.name}", f"old/{path.name}"))
    scene.copy(path, path.parent / name)


def swap_two_folders(scene):
    one, two = scene.leaf(), scene.leaf()
    aside = one.with_name("aside")
    scene.move(one, aside)
    scene.move(two, one)
    scene.move(aside, two)


def move_to_another_folder(scene):
    folder, home = scene.leaf(), scene.pick(scene.folders())
    if home.is_relative_to(folder):
        raise NotHere
    scene.move(folder, home / folder.name)


def link_to_above(scene):
    folder = scene.touch(scene.pick(scene.folders()))
    above = scene.pick([scene.root, *folder.parents][: 2 + len(folder.parents)])
    folder.joinpath("loop").symlink_to(above)


def link_to_itself(scene):
    _without(scene, path := _file(scene))
    path.symlink_to(path.name)


def folder_linked_from_outside(scene):
    folder = scene.touch(scene.leaf())
    _remove(folder)
    folder.symlink_to(scene.outside)


def file_linked_from_outside(scene):
    _without(scene, path := _file(scene))
    suffix = path.suffix.lower()
    path.symlink_to(scene.outside / f"canary{suffix}")


def link_within(scene):
    path = _file(scene)
    scene.touch(path).rename(aside := scene.root / f"kept{path.suffix}")
    path.symlink_to(os.path.relpath(aside, path.parent))
    scene.moved = True


def hard_link(scene):
    path = scene.touch(_file(scene))
    os.link(path, scene.root / f"again{path.suffix}")


def fifo_for_a_file(scene):
    _without(scene, path := _file(scene))
    os.mkfifo(path)


def socket_for_a_frame(scene):
    scene.touch(path := scene.frame()).unlink()
    with socket.socket(socket.AF_UNIX) as one:
        here = os.open(path.parent, os.O_RDONLY)
        try:  # by a short name: those of sockets may have 107 bytes
            one.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


def folder_for_a_file(scene):
    _without(scene, path := _file(scene))
    path.mkdir()


def unreadable_file(scene):
    scene.touch(path := _file(scene))
    if os.geteuid() == 0:
        raise NotHere  # root reads everything
    path.chmod(0)


FILES = (
    delete_a_file,
    delete_an_annotation,
    delete_a_folder,
    truncate,
    flip_bytes,
    empty_a_file,
    noise_in_a_file,
    text_in_a_frame,
    rename_a_file,
    rename_an_ending,
    rename_a_folder,
    name_that_is_no_text,
    swap_the_case_of_everything,
    double_the_top_folder,
    nest_deeper,
    big_number,
    negative_number,
    same_number_twice,
    clip_twice,
    annotation_twice,
    swap_two_folders,
    move_to_another_folder,
    link_to_above,
    link_to_itself,
    folder_linked_from_outside,
    file_linked_from_outside,
    link_within,
    hard_link,
    fifo_for_a_file,
    socket_for_a_frame,
    folder_for_a_file,
    unreadable_file,
)
