"""TFDS builder of SMIC: high-speed, visible and near-infrared clips, and SMIC-E-HS."""

from pathlib import Path

import tensorflow_datasets as tfds

from datasets_tfds.film import Found
from datasets_tfds.film_builder import FilmBuilder
from datasets_tfds.smic import long_clips, release


class Builder(FilmBuilder):
    """Micro-expressions of 16 people; labels from folders, no annotated apex.

    Example:
      >>> config = tfds.download.DownloadConfig(manual_dir="SMIC_all_cropped")
      >>> builder = Builder(config="hs", data_dir="data", file_format="array_record")
      >>> builder.download_and_prepare(download_config=config)  # doctest: +SKIP
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "HS, VIS, NIR and the long clips of SMIC-E-HS."}
    HOMEPAGE = "https://www.oulu.fi/cmvs/node/41319"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Ask the authors of SMIC for it (https://www.oulu.fi/cmvs/node/41319), unpack "
        "it, and give the folder that holds SMIC_all_cropped/HS/s1/micro/negative/"
        "s1_ne_01/... or, for hs-long, HS_long/SMIC-HS-E/s01/s1_ne_01/... and "
        "SMIC-HS-E_annotation.xlsx"
    )
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(
            name="hs", description="High speed, 100 fps: 164 clips of 16 people."
        ),
        tfds.core.BuilderConfig(
            name="vis", description="Visible light, 25 fps: 71 clips of 8 people."
        ),
        tfds.core.BuilderConfig(
            name="nir", description="Near infrared, 25 fps: 71 clips of 8 people."
        ),
        tfds.core.BuilderConfig(
            name="hs-long", description="SMIC-E-HS, 100 fps: 157 long clips."
        ),
    ]

    def find(self, root: Path) -> Found:
        """Returns the clips of the config."""
        name = self.builder_config.name
        find = long_clips.find_films if name == "hs-long" else release.find_films
        return find(root, name)
