"""TFDS builder of SAMM."""

from pathlib import Path

import tensorflow_datasets as tfds

from datasets_tfds.film import Found
from datasets_tfds.film_builder import FilmBuilder
from datasets_tfds.samm import release


class Builder(FilmBuilder):
    """Grey clips of 200 fps, 29 subjects, eight emotions.

    Example:
      >>> config = tfds.download.DownloadConfig(manual_dir="SAMM")
      >>> builder = Builder(data_dir="data", file_format="array_record")
      >>> builder.download_and_prepare(download_config=config)  # doctest: +SKIP
      >>> clips = builder.as_data_source("clips")  # doctest: +SKIP
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    HOMEPAGE = "https://helward.mmu.ac.uk/STAFF/M.Yap/dataset.php"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Ask the authors for SAMM (samm/README.md), unpack it, and give a folder that "
        "holds, at any depth, 006/006_1_2/006_05562.jpg ... (full), or the same below "
        "a folder SAMM_CROP (cropped), and SAMM_Micro_FACS_Codes_v2.xlsx."
    )
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="full", description="Frames as filmed."),
        tfds.core.BuilderConfig(
            name="cropped", description="Frames cropped to the face by the authors."
        ),
    ]

    def find(self, root: Path) -> Found:
        """Returns the annotated clips with frames.

        Raises:
          ReleaseError: naming all that is wrong with the release.
        """
        return release.read_release(root, self.builder_config.name)
