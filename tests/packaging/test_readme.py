"""What the README says about the code is true of the code."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_file_that_is_linked_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_reading_path_has_the_lines_it_claims():
    path = re.findall(r"\]\((mer_jax/[^)]+\.py)\)", README)
    lines = sum(len((ROOT / name).read_text().splitlines()) for name in path)
    (claimed,) = re.findall(r"(\d+) lines, docstrings included", README)
    assert int(claimed) == lines


def test_every_command_of_mer_is_named():
    files = sorted((ROOT / "mer_jax" / "cli").glob("main*.py"))
    text = "\n".join(path.read_text() for path in files)
    found = re.findall(r"^@(\w+)\.command.*\ndef ([a-z_]+?)_?\(", text, re.MULTILINE)
    assert len(found) >= 13 and {app for app, _ in found} == {"app", "data"}
    for app, function in found:
        command = function.removeprefix("data_")
        assert ("mer data " if app == "data" else "mer ") + command in README
