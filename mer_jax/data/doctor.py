"""What is wrong with a release, told before anything is made of it.

Nothing is packaged and nothing written: a builder's own parser finds the clips, every
frame is decoded once, and what is odd becomes findings of a few kinds.
"""

import dataclasses
import functools
import io
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mer_jax.data import findings as found
from mer_jax.data.builders import builder_class, names
from mer_jax.data.counts import Count, counts_of
from mer_jax.data.findings import Finding, finding
from mer_jax.data.prepared import Clip, Progress
from mer_jax.data.sheet import face_of, strip_of
from mer_jax.errors import UserError
from mer_jax.preprocess.landmarks import (
    VARIABLE,
    Landmarker,
    Landmarks,
    model_path,
)
from mer_jax.preprocess.parallel import in_order, one_cv2_thread
from mer_jax.preprocess.sheet import contact_sheet

if TYPE_CHECKING:
    from datasets_tfds.film import Film

NO_MODEL = "not looked for: no landmarker given"
NO_PICTURES = "not looked for: these are depths"

Save = Callable[[str, str, bytes], None]  # (corpus/config, corpus/subject, PNG)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkup:
    """What there is to say of a release as one config of its builder sees it.

    Attributes:
      config: 'corpus/config'.
      synthetic: whether it is a twin.
      clips, subjects, frames: how many can be used.
      annotations: files, with the number of their rows.
      counts: of every shipped protocol that has this corpus and config.
      findings: errors and notes.
    """

    config: str
    synthetic: bool = False
    clips: int = 0
    subjects: int = 0
    frames: int = 0
    annotations: tuple[str, ...] = ()
    counts: tuple[Count, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.error for finding in self.findings)


class _Content(NamedTuple):
    """What a builder finds in a release.

    Attributes:
      films: its clips.
      lines: what it tells.
      refusal: why there are no clips.
      nothing: whether there is nothing for this config, rather than what is broken.
    """

    films: "Sequence[Film]"
    lines: list[str]
    refusal: list[str]
    nothing: bool


class _Seen(NamedTuple):
    """What one clip turned out to be.

    Attributes:
      subject: 'corpus/subject'.
      clip: its record without frames, None if it cannot be used.
      findings: about it.
      strip: its drawing, if one is wanted.
    """

    subject: str
    clip: Clip | None
    findings: tuple[Finding, ...]
    strip: np.ndarray | None


def examine(
    name: str,
    release: Path,
    *,
    landmarks: Landmarks | None,
    save: Save | None = None,
    progress: Progress,
) -> Iterator[Checkup]:
    """Yields what is wrong with a release, config by config.

    Args:
      name: "corpus", for all configs of which the release has anything, or
        "corpus/config".
      release: its folder.
      landmarks: finds faces, a `Landmarker`; None leaves them alone.
      save: gets a contact sheet of every subject's clips, None draws none.
      progress: told what is being done.

    Raises:
      UserError: if there is no such folder, or no such corpus of filmed clips.
    """
    from datasets_tfds.record import is_synthetic

    root = release.expanduser().resolve()
    builder = _film_builder(name)
    if not root.is_dir():
        raise UserError(f"no folder {root}. Give the release, unpacked")
    corpus, _, config = name.partition("/")
    configs = [config] if config else [c.name for c in builder.BUILDER_CONFIGS]
    with tempfile.TemporaryDirectory() as nowhere:
        builders = [builder(config=c, data_dir=nowhere) for c in configs]
        progress(f"reading {release}", 0, 1)
        contents = [_find(one, root) for one in builders]
        some = not all(content.nothing for content in contents)
        synthetic = is_synthetic(root)
        for one, content in zip(builders, contents, strict=True):
            full = f"{corpus}/{one.builder_config.name}"
            look = _Examination(one, full, synthetic, landmarks, save, progress)
            if some and content.nothing:
                yield look.refused("nothing", content.refusal[:1])
            elif content.refusal:
                yield look.refused("refused", content.refusal)
            else:
                yield look.checkup(content)


def landmarker_at_hand(path: str | None) -> Landmarker | None:
    """Returns a landmarker, None if nobody named a model and none lies in the cache.

    Raises:
      UserError: if the one that `path` or the environment names is none.
    """
    try:
        return Landmarker(model_path(path))
    except UserError:
        if path or os.environ.get(VARIABLE):
            raise
        return None


def _film_builder(name: str) -> Any:
    from datasets_tfds.film_builder import FilmBuilder

    builder = builder_class(name)
    if not issubclass(builder, FilmBuilder):
        filmed = [n for n in names() if issubclass(builder_class(n), FilmBuilder)]
        raise UserError(
            f"{name} is no release of filmed clips; those are: {', '.join(filmed)}"
        )
    return builder


def _find(builder: Any, root: Path) -> _Content:
    from datasets_tfds.kinds import kind_of
    from datasets_tfds.record import ReleaseError

    try:
        films, lines = builder.find(root)
    except ReleaseError as error:
        head, *rest = str(error).removeprefix(f"{root}: ").split("\n  ")
        why = rest or [head]
        return _Content([], [], why, nothing=kind_of(why[0]) == "no annotation")
    why = [] if films else ["no clip found"]
    return _Content(films, lines, why, nothing=not films)


class _Examination:
    """Of the clips of one config, several at a time."""

    def __init__(
        self,
        builder: Any,
        config: str,
        synthetic: bool,
        landmarks: Landmarks | None,
        save: Save | None,
        progress: Progress,
    ) -> None:
        from datasets_tfds.repairs import read_repairs

        self.builder, self.config = builder, config
        self.repairs = read_repairs(type(builder).__module__.rpartition(".")[0])
        self.synthetic = synthetic
        self.landmarks = None if builder.depth else landmarks
        self.save, self.progress = save, progress

    def refused(self, kind: str, lines: Sequence[str]) -> Checkup:
        """Returns that there are no clips, and why."""
        findings = tuple(finding(kind, "", line) for line in lines)
        return Checkup(config=self.config, synthetic=self.synthetic, findings=findings)

    def checkup(self, content: _Content) -> Checkup:
        """Returns all there is to say of the clips a builder found."""
        films = sorted(content.films, key=lambda film: film.key)
        findings = [*found.told(content.lines), *self._of_all(films)]
        clips = []
        for seen in self._look(films):
            findings += seen.findings
            if seen.clip is not None:
                clips.append(seen.clip)
        counts = tuple(counts_of(clips, self.builder.builder_config.name))
        versions = sorted({clip["annotation_version"] for clip in clips})
        findings += found.of_counts(counts, versions)
        return Checkup(
            config=self.config,
            synthetic=self.synthetic,
            clips=len(clips),
            subjects=len({clip["subject"] for clip in clips}),
            frames=sum(len(clip["frame_numbers"]) for clip in clips),
            annotations=tuple(versions),
            counts=counts,
            findings=tuple(findings),
        )

    def _of_all(self, films: "Sequence[Film]") -> Iterator[Finding]:
        for key, n in Counter(film.key for film in films).items():
            if n > 1:
                yield finding("duplicate key", key, f"{n} clips have this key")
        if self.landmarks is None:
            why = NO_PICTURES if self.builder.depth else NO_MODEL
            yield finding("faces", "", why)

    def _look(self, films: "Sequence[Film]") -> Iterator[_Seen]:
        """Yields every clip, looked at; saves a subject's sheet when it is done."""
        what = f"examining {self.config}"
        self.progress(what, 0, len(films))
        told = functools.partial(self.progress, what)
        with one_cv2_thread():
            looked = in_order(self._see, films, progress=told)
            for subject, group in itertools.groupby(looked, lambda seen: seen.subject):
                whole = list(group)
                strips = [seen.strip for seen in whole if seen.strip is not None]
                if self.save is not None and strips:
                    self.save(self.config, subject, contact_sheet(strips))
                yield from (seen._replace(strip=None) for seen in whole)

    def _see(self, film: "Film") -> _Seen:
        from datasets_tfds.film import example, nothing_shown
        from datasets_tfds.record import ReleaseError

        subject = f"{film.corpus}/{film.subject}"
        if why := nothing_shown(film):
            return _Seen(subject, None, (finding("refused", film.key, why),), None)
        try:
            repairs = self.repairs.get(film.key, ())
            record = example(film, repairs, synthetic=self.synthetic)
        except ReleaseError as error:
            why = str(error).removeprefix(f"{film.key}: ")
            return _Seen(subject, None, (finding("refused", film.key, why),), None)
        findings = [*found.of_clip(film, record)]
        frames, crops, strip = record.pop("frames"), None, None
        encoded = lambda: [_bytes(frame) for frame in frames]
        try:
            if self.landmarks is not None:
                crops = face_of(record, encoded, self.landmarks)
                if crops is None:
                    findings.append(finding("no face", film.key, "none at its onset"))
            if self.save is not None:
                kinds = dict.fromkeys(one.kind for one in findings)
                strip = strip_of(record, encoded(), crops, mark=", ".join(kinds))
        except UserError as error:  # PIL reads a frame that OpenCV does not
            findings.append(finding("corrupt frame", film.key, str(error)))
        return _Seen(subject, record, tuple(findings), strip)


def _bytes(frame: Path | io.BytesIO) -> bytes:
    return frame.getvalue() if isinstance(frame, io.BytesIO) else frame.read_bytes()
