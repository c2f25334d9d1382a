"""TFDS builder of MMI: videos of posed and induced expressions."""

from pathlib import Path

import tensorflow_datasets as tfds

from datasets_tfds.film import Found
from datasets_tfds.film_builder import FilmBuilder
from datasets_tfds.mmi import release


class Builder(FilmBuilder):
    """Expressions of six emotions, from neutral to neutral; no annotated apex.

    Example:
      >>> config = tfds.download.DownloadConfig(manual_dir="MMI")
      >>> builder = Builder(data_dir="data", file_format="array_record")
      >>> builder.download_and_prepare(download_config=config)  # doctest: +SKIP
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Sessions of six emotions with a view of the front."}
    HOMEPAGE = "https://mmifacedb.eu/"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Ask the authors of MMI for an account (https://mmifacedb.eu/), download the "
        "sessions with an emotion, unpack them, and give the folder that holds "
        "Sessions/<number>/S001-001.avi, S001-001.xml and session.xml"
    )
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(
            name="sessions", description="All that were downloaded and are fit."
        )
    ]

    def find(self, root: Path) -> Found:
        """Returns the fit sessions."""
        return release.find_films(root)
