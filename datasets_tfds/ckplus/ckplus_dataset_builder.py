"""TFDS builder of CK+, the extended Cohn-Kanade data set."""

from pathlib import Path

import tensorflow_datasets as tfds

from datasets_tfds.ckplus import release
from datasets_tfds.film import Found
from datasets_tfds.film_builder import FilmBuilder


class Builder(FilmBuilder):
    """Posed expressions from neutral to the peak; those that have an emotion.

    Example:
      >>> config = tfds.download.DownloadConfig(manual_dir="CK+")
      >>> builder = Builder(data_dir="data", file_format="array_record")
      >>> builder.download_and_prepare(download_config=config)  # doctest: +SKIP
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Sequences with an emotion, and their action units."}
    HOMEPAGE = "https://www.jeffcohn.net/Resources/"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Ask the authors of CK+ for it (https://www.jeffcohn.net/Resources/), unpack "
        "its archives into one folder, and give that: it holds cohn-kanade-images/"
        "S005/001/S005_001_00000001.png and Emotion/S005/001/"
        "S005_001_00000011_emotion.txt (and FACS, if you want action units)"
    )
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(
            name="sequences", description="327 sequences of 118 people."
        )
    ]

    def find(self, root: Path) -> Found:
        """Returns the sequences with an emotion."""
        return release.find_films(root)
