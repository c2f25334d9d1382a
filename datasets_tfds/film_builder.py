"""The builder that all releases of filmed clips share."""

import abc
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from datasets_tfds import record
from datasets_tfds.film import Film, Found, example, nothing_shown
from datasets_tfds.repairs import read_repairs
from datasets_tfds.tree import image_folders


class FilmBuilder(  # type: ignore[call-arg]
    tfds.core.GeneratorBasedBuilder, skip_registration=True
):
    """Packages the clips that `find` finds in a release.

    A builder is a subclass named `Builder` with `VERSION`, `RELEASE_NOTES`,
    `MANUAL_DOWNLOAD_INSTRUCTIONS`, `BUILDER_CONFIGS` (the first is the default) and
    `find`.
    """

    HOMEPAGE = ""

    @property
    def depth(self) -> bool:
        """Whether the config's frames are depth maps."""
        return False

    @abc.abstractmethod
    def find(self, root: Path) -> Found:
        """Returns the clips of a release for `self.builder_config`.

        Raises:
          ReleaseError: naming all that is wrong with the release.
        """

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=record.film_features(depth=self.depth),
            supervised_keys=None,
            homepage=self.HOMEPAGE,
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        try:
            root = Path(dl_manager.manual_dir)
        except (AssertionError, NotADirectoryError) as error:
            # The first is how TFDS says that it is absent or empty.
            raise record.ReleaseError(str(error)) from error
        films, lines = self.find(root)
        for line in lines:
            text = f"{self.name}/{self.builder_config.name}: {line}"
            print(record.printable(text))
        if not films:
            raise self._none_found(root)
        times = Counter(film.key for film in films)
        problems = [
            f"{key}: {n} clips have this key" for key, n in times.items() if n > 1
        ]
        problems += [f"{f.key}: {why}" for f in films if (why := nothing_shown(f))]
        if problems:
            raise record.problems_found(
                root, problems, "give a folder that holds each clip once, as released"
            )
        synthetic = record.is_synthetic(root)
        return {record.SPLIT: self._generate_examples(films, synthetic)}

    def _none_found(self, root: Path) -> record.ReleaseError:
        folders = image_folders(root)
        seen = f", the first of them {folders[0].path}" if folders else ""
        return record.ReleaseError(
            f"{root}: no clip found for {self.info.full_name}. {len(folders)} folders "
            f"with images were looked at{seen}; links to folders are not followed.\n"
            f"{self.MANUAL_DOWNLOAD_INSTRUCTIONS}"
        )

    def _generate_examples(
        self, films: Sequence[Film], synthetic: bool
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        repairs = read_repairs(type(self).__module__.rpartition(".")[0])
        for film in films:
            yield (
                film.key,
                example(film, repairs.get(film.key, ()), synthetic=synthetic),
            )
