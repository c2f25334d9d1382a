"""TFDS builder of CASME II."""

import dataclasses
from pathlib import Path

import tensorflow_datasets as tfds

from datasets_tfds.casme2 import release
from datasets_tfds.film import Found
from datasets_tfds.film_builder import FilmBuilder


@dataclasses.dataclass(kw_only=True)
class Casme2Config(tfds.core.BuilderConfig):
    """Which frames, annotated when.

    Attributes:
      frames: 'cropped' or 'raw'.
      generation: of the annotation, '2014' or '2019'.
    """

    frames: str
    generation: str = "2014"


class Builder(FilmBuilder):
    """Clips of 200 fps, 26 subjects, seven emotions.

    Example:
      >>> config = tfds.download.DownloadConfig(manual_dir="CASME2")
      >>> builder = Builder(data_dir="data", file_format="array_record")
      >>> builder.download_and_prepare(download_config=config)  # doctest: +SKIP
      >>> clips = builder.as_data_source("clips")  # doctest: +SKIP
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    HOMEPAGE = "http://casme.psych.ac.cn/casme/e2"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Ask the authors for CASME II (casme2/README.md), unpack it, and give a folder "
        "that holds, at any depth, sub01/EP02_01f/reg_img46.jpg ... (cropped) or "
        "sub01/EP02_01f/img46.jpg ... (raw) and CASME2-coding-20140508.xlsx or "
        "CASME2-coding-20190701.xlsx."
    )
    BUILDER_CONFIGS = [
        Casme2Config(
            name="cropped",
            description="Registered and cropped frames, annotation of 2014.",
            frames="cropped",
        ),
        Casme2Config(
            name="cropped-2019",
            description="Registered and cropped frames, annotation of 2019.",
            frames="cropped",
            generation="2019",
        ),
        Casme2Config(
            name="raw",
            description="Frames as filmed, annotation of 2014.",
            frames="raw",
        ),
        Casme2Config(
            name="raw-2019",
            description="Frames as filmed, annotation of 2019.",
            frames="raw",
            generation="2019",
        ),
    ]

    def find(self, root: Path) -> Found:
        """Returns the annotated clips with frames.

        Raises:
          ReleaseError: naming all that is wrong with the release.
        """
        config = self.builder_config
        return release.read_release(root, config.frames, config.generation)
