"""CITATION.cff says of the package what pyproject.toml says."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CITATION = (ROOT / "CITATION.cff").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]


def value(key: str) -> str:
    """Returns what the file says of itself: its references are indented."""
    (found,) = re.findall(rf"^{key}: (.+)$", CITATION, re.MULTILINE)
    return found


def test_name_version_and_licence_are_those_of_the_package():
    assert value("title") == PROJECT["name"]
    assert value("version") == PROJECT["version"]
    assert value("license") == PROJECT["license"]


def test_no_line_is_one_that_yaml_misreads():
    """No parser is among the dependencies: nothing but plain blocks is used."""
    assert value("cff-version") == "1.2.0"
    for line in CITATION.splitlines():
        assert "\t" not in line and line == line.rstrip()
        indent = len(line) - len(line.lstrip(" "))
        assert indent % 2 == 0, line
        assert line.count("{") == line.count("}") and line.count('"') % 2 == 0, line


def test_a_reference_names_the_system_it_is_of():
    systems = re.findall(r"^    notes: ([\w/]+)", CITATION, re.MULTILINE)
    assert len(systems) == CITATION.count("\n  - type: ") == len({*systems})
    assert [name for name in systems if not (ROOT / name / "system.py").is_file()] == []


def test_what_a_reference_has_of_an_archive_stands_in_a_readme():
    papers = re.findall(r"arXiv:(\d{4}\.\d{5})", CITATION)
    readmes = (ROOT / "mer_jax" / "systems").glob("*/README.md")
    text = "\n".join(path.read_text() for path in readmes)
    assert papers and all(f"arXiv {paper}" in text for paper in papers)


def test_source_distributions_hold_it():
    included = PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert "CITATION.cff" in included
