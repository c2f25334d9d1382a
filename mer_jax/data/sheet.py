"""The contact sheet of a prepared corpus."""

from mer_jax.data.prepared import Clip, Prepared
from mer_jax.errors import UserError
from mer_jax.preprocess.sheet import Strip, contact_sheet

ROWS = 24  # subjects shown


def sheet_of(prepared: Prepared) -> bytes:
    """Returns a PNG with a clip of each of the first subjects, as annotated.

    Raises:
      UserError: if the corpus stores no frames, or one is no picture.
    """
    if "frames" not in prepared.stored:
        raise UserError(f"{prepared.name} stores no frames to show")
    first: dict[str, Clip] = {}
    for clip in prepared.clips:
        first.setdefault(clip["subject"], clip)
    strips = []
    for clip in list(first.values())[:ROWS]:
        reading, frames = clip["annotated"], prepared.encoded(clip, "frames")
        onset, apex = (frames[reading[f"{p}_index"]] for p in ("onset", "apex"))
        strips.append(Strip(f"{clip['key']} {reading['emotion']}", onset, apex))
    return contact_sheet(strips, "SYNTHETIC" if prepared.synthetic else "")
