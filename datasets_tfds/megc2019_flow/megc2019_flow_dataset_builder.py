"""TFDS builder of the MEGC2019 composite as published optical-flow images."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from datasets_tfds import record
from datasets_tfds.megc2019_flow import release


class Builder(tfds.core.GeneratorBasedBuilder):
    """442 clips, 28x28 images of flow and strain between onset and apex.

    Example:
      >>> config = tfds.download.DownloadConfig(manual_dir="norm_u_v_os")
      >>> builder = Builder(data_dir="data", file_format="array_record")
      >>> builder.download_and_prepare(download_config=config)  # doctest: +SKIP
      >>> clips = builder.as_data_source(record.SPLIT)  # doctest: +SKIP
    """

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {
        "1.0.0": "The 442 published images, bytes untouched.",
        "2.0.0": "'annotated' emotion in place of a class number.",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Download the input data that the README of "
        "https://github.com/christy1206/STSTNet links to, unpack it, and give the "
        "folder that holds sub01, s01, 006 ..."
    )
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(
            name="full", description="All 442 clips; anything less is an error."
        ),
        tfds.core.BuilderConfig(
            name="partial", description="Any subset of the 442 clips; not for results."
        ),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "full"

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(
            shape=(release.SIZE, release.SIZE, 3), encoding_format="png"
        )
        return self.dataset_info_from_configs(
            features=record.clip_features({"flow": image}),
            supervised_keys=None,
            homepage="https://github.com/christy1206/STSTNet",
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        try:
            folder = Path(dl_manager.manual_dir)
        except AssertionError as error:  # how TFDS says that it is absent or empty
            raise record.ReleaseError(str(error)) from error
        complete = self.builder_config.name == "full"
        clips = release.read_release(folder, complete=complete)
        total = len(release.published_clips())
        if len(clips) < total:
            subjects = {clip.published.subject for clip in clips}
            print(
                f"{self.info.full_name}: reduced, {len(clips)} of {total} clips, "
                f"{len(subjects)} subjects, from {folder}"
            )
        synthetic = record.is_synthetic(folder)
        return {record.SPLIT: self._generate_examples(clips, synthetic)}

    def _generate_examples(
        self, clips: Sequence[release.Clip], synthetic: bool
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for row, png in clips:
            yield (
                row.key,
                {
                    "key": row.key,
                    "corpus": row.corpus,
                    "subject": f"{row.corpus}/{row.subject}",
                    "synthetic": synthetic,
                    "annotated": {"emotion": release.CLASSES[row.label]},
                    "flow": io.BytesIO(png),  # the file's own bytes are stored
                },
            )
