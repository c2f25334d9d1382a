"""TFDS builder of a corpus of one's own: a table of clips beside their frames."""

from pathlib import Path

import tensorflow_datasets as tfds

from datasets_tfds.custom import release
from datasets_tfds.film import Found
from datasets_tfds.film_builder import FilmBuilder


class Builder(FilmBuilder):
    """Clips as `clips.csv` lists them: folders of images, or videos.

    Example:
      >>> config = tfds.download.DownloadConfig(manual_dir="my_corpus")
      >>> builder = Builder(data_dir="data", file_format="array_record")
      >>> builder.download_and_prepare(download_config=config)  # doctest: +SKIP
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "clips.csv or clips.xlsx; folders of images and videos."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Give a folder that holds clips.csv (columns subject, clip, path, emotion; "
        "README.md of custom shows an example) and the frames or videos it names"
    )
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="clips", description="All that the table lists.")
    ]

    def find(self, root: Path) -> Found:
        """Returns the clips of the table."""
        return release.read_release(root)
