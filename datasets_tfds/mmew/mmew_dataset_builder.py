"""TFDS builder of MMEW."""

from pathlib import Path

import tensorflow_datasets as tfds

from datasets_tfds.film import Found
from datasets_tfds.film_builder import FilmBuilder
from datasets_tfds.mmew.release import read_release
from datasets_tfds.mmew.stills import read_stills


class Builder(FilmBuilder):
    """Micro-expressions of 90 fps and stills of macro-expressions of the same people.

    Example:
      >>> config = tfds.download.DownloadConfig(manual_dir="MMEW_Final")
      >>> builder = Builder(data_dir="data", file_format="array_record")
      >>> builder.download_and_prepare(download_config=config)  # doctest: +SKIP
      >>> clips = builder.as_data_source("clips")  # doctest: +SKIP
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    HOMEPAGE = "http://www.dpailab.com/database.html"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Ask the authors for MMEW (mmew/README.md), unpack it, and give a folder that "
        "holds, at any depth, anger/S13-07-001/1.jpg ... and MMEW_Micro_Exp.xlsx "
        "(micro), or anger/S01-07-001.jpg ... (macro)."
    )
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="micro", description="Films, annotated."),
        tfds.core.BuilderConfig(
            name="macro", description="Stills, labelled by their folders."
        ),
    ]

    def find(self, root: Path) -> Found:
        """Returns the annotated films with frames, or the stills.

        Raises:
          ReleaseError: naming all that is wrong with the release.
        """
        micro = self.builder_config.name == "micro"
        return read_release(root) if micro else read_stills(root)
