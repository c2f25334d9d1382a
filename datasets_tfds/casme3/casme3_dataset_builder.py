"""TFDS builder of CAS(ME)^3, Part A."""

import dataclasses
from pathlib import Path

import tensorflow_datasets as tfds

from datasets_tfds.casme3 import release
from datasets_tfds.film import Found
from datasets_tfds.film_builder import FilmBuilder
from datasets_tfds.record import DEPTH


@dataclasses.dataclass(kw_only=True)
class Casme3Config(tfds.core.BuilderConfig):
    """Which expressions, seen how.

    Attributes:
      kind: 'micro' or 'macro'.
      modality: 'color' or 'depth'.
    """

    kind: str
    modality: str = "color"


class Builder(FilmBuilder):
    """Micro- and macro-expressions of 30 fps in colour and depth, seven emotions.

    Example:
      >>> config = tfds.download.DownloadConfig(manual_dir="CASME3")
      >>> builder = Builder(data_dir="data", file_format="array_record")
      >>> builder.download_and_prepare(download_config=config)  # doctest: +SKIP
      >>> clips = builder.as_data_source("clips")  # doctest: +SKIP
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    HOMEPAGE = "http://casme.psych.ac.cn/casme/e4"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Ask the authors for CAS(ME)^3 (casme3/README.md), unpack Part A, and give a "
        "folder that holds, at any depth, spNO.1/a/color/355.jpg ... and "
        "spNO.1/a/depth/355.png ..., or Part_A_ME_clip/frame/spNO.1_a_355/355.jpg ..., "
        "and cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx (micro) or "
        "cas(me)3_part_A_MaE_label_JpgIndex_v2_emotion.xlsx (macro)."
    )
    BUILDER_CONFIGS = [
        Casme3Config(
            name="micro", description="Micro-expressions in colour.", kind="micro"
        ),
        Casme3Config(
            name="micro-depth",
            description="Micro-expressions as 16-bit depth maps.",
            kind="micro",
            modality=DEPTH,
        ),
        Casme3Config(
            name="macro", description="Macro-expressions in colour.", kind="macro"
        ),
        Casme3Config(
            name="macro-depth",
            description="Macro-expressions as 16-bit depth maps.",
            kind="macro",
            modality=DEPTH,
        ),
    ]

    @property
    def depth(self) -> bool:
        """Whether the config's frames are depth maps."""
        return self.builder_config.modality == DEPTH

    def find(self, root: Path) -> Found:
        """Returns the annotated clips with frames.

        Raises:
          ReleaseError: naming all that is wrong with the release.
        """
        config = self.builder_config
        return release.read_release(root, config.kind, config.modality)
