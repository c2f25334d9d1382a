"""The XML files of MMI: what a session shows, and how it was filmed.

They come from outside, so a document type, the place of entities that expand to
gigabytes or name other files, is refused before any of it is read.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree

from datasets_tfds.record import ReleaseError

FRONTAL, PROFILE, DUAL = "0", "1", "2"  # views; the second is inferred


class _NoDocumentType(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise ReleaseError("it has a document type (<!DOCTYPE), which is not read")


def read_emotion(path: Path) -> int | None:
    """Returns the code of a clip's emotion, None if it has none.

    Args:
      path: of the clip's own file, with <Metatag Name="Emotion" Value="4"/> at any
        depth.

    Raises:
      ReleaseError: if it is no XML, has different codes, or one that is no number.
    """
    values = {
        e["value"].strip()
        for tag, e in _elements(path)
        if tag == "metatag" and e.get("name", "").strip().lower() == "emotion"
    } - {""}
    if not values:
        return None
    if len(values) > 1:
        raise ReleaseError(f"{path}: several emotions, {', '.join(sorted(values))}")
    (text,) = values
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise ReleaseError(
            f"{path}: emotion {text!r}, expected a number, as 1 (anger) to 6 (surprise)"
        )
    return int(text)


def read_view(path: Path, clip: str) -> str:
    """Returns the code of a clip's view, '' if there is none.

    Args:
      path: of session.xml, with <track view="0"/> at any depth. Of several tracks the
        one with the clip's file counts, else the first.
      clip: its file's name, without the ending.

    Raises:
      ReleaseError: if it is no XML.
    """
    tracks = [e for tag, e in _elements(path) if tag == "track" and "view" in e]
    own = [e for e in tracks if _stem(e.get("filename", "")) == clip.lower()]
    return (own or tracks or [{"view": ""}])[0]["view"].strip()


def _stem(filename: str) -> str:
    return filename.strip().rpartition(".")[0].lower()


def _elements(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields tag and attributes of each element, in lower case, without namespaces."""
    for element in _parse(path).iter():
        attributes = {_local(name): value for name, value in element.items()}
        yield _local(element.tag), {"value": "", **attributes}


def _local(name: str) -> str:
    return name.rpartition("}")[2].lower()


def _parse(path: Path) -> ElementTree.Element:
    """Returns the root element; text that is not as it is declared is taken as Latin.

    All that is looked at is ASCII, and names of people in other letters are not worth
    an error.
    """
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8).lstrip()
    try:
        try:
            return _fed(data)
        except (ElementTree.ParseError, ValueError, LookupError):
            return _fed(data.decode("latin-1"))
    except ElementTree.ParseError as error:
        raise ReleaseError(f"{path} is no XML ({error}); unpack it again") from None
    except ReleaseError as error:
        raise ReleaseError(f"{path}: {error}") from None


def _fed(data: bytes | str) -> ElementTree.Element:
    parser = ElementTree.XMLParser(target=_NoDocumentType())
    parser.feed(data)
    return parser.close()
