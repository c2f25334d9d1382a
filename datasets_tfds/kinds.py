"""What kind of thing each line is about that a builder tells of a release.

Issues, repairs and the lines of `Found` are written for people. Who counts them asks
here, and nobody else takes them apart.
"""

import re

REMARK = "remark"  # the kind of a line that is none of those below

# The first pattern that matches the whole of a line tells its kind.
_KINDS = (
    # Issues of a clip: `film.example`, `film.positions`, long clips of some corpora.
    (r"frame \d+ left out: .*", "corrupt frame"),
    (r"\d+ frame numbers between \d+ and \d+ absent", "gap"),
    (r"onset .* after offset .*", "onset after offset"),
    (r"(onset|apex|offset) .* (?:is no frame number|has no frame): .*", r"no \1"),
    (r"no (onset|offset) in the table.*", r"no \1"),
    (r"apex .* outside of .*", "apex outside"),
    (r"apex .* is the (onset|offset)", r"apex is \1"),
    # Of a clip's repairs: `repairs.repair`.
    (r"(?:made|not needed, .*): .*", "repair"),
    (r"not made, .*", "repair not made"),
    # Of a release: `matching.told`, and what is said where a whole table is absent.
    (r"\d+ of \d+ annotated clips have frames; without: .*", "rows without frames"),
    (r"folders without a row: .*", "folders without a row"),
    (r"no (?:\S+ )?annotation .*|no \S+\.(?:xlsx|csv)\. .*", "no annotation"),
)


def kind_of(line: str) -> str:
    """Returns what a line is about, `REMARK` where it is a builder's own remark.

    Args:
      line: one of a record's 'issues' or 'repairs', of `Found.lines`, or of a
        `ReleaseError`.
    """
    for pattern, kind in _KINDS:
        if match := re.fullmatch(pattern, line, re.DOTALL):
            return match.expand(kind)
    return REMARK
