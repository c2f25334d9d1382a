"""Tests for mer_jax/data/protocols.py: definitions pinned, own files checked."""

import pytest

from mer_jax.data import protocols
from mer_jax.data.protocols import Protocol
from mer_jax.errors import UserError

# A changed sample is another version; raise it, and pin the new hash here.
PINNED = {
    "casme2_5": (1, "b0169f1777b99fd4"),
    "casme2_5_2019": (1, "1901feae5154ad1d"),
    "casme2_5_alt": (1, "47c9891c8082dbbf"),
    "cde3": (1, "7d4eae033c7155c8"),
    "demo3": (1, "3092c465c3285756"),
    "samm_5": (1, "efb5291fb24f3884"),
    "samm_5_alt": (1, "553283db180c41bf"),
    "smic_3": (1, "9b7cbf6116a90e61"),
    "smic_nir_3": (1, "7427f32f483a294b"),
    "smic_vis_3": (1, "fabd1a7169738a4f"),
}

OWN = """
version = 3
about = "mine"
classes = ["calm", "cross"]
[corpora.lab]
subjects = 2
counts = [4, 5]
[corpora.lab.labels]
calm = ["Neutral", "happiness"]
cross = ["anger"]
"""


@pytest.mark.parametrize("name", protocols.names())
def test_a_shipped_definition_is_what_its_version_was(name):
    definition = Protocol(name=name).definition()
    assert (definition.version, definition.hash) == PINNED[name]


# Clips, subjects and classes as the papers and official tables print them.
PUBLISHED = {
    "cde3": ({"casme2": (88, 32, 25), "samm": (92, 26, 15), "smic": (70, 51, 43)}, 68),
    "casme2_5": ({"casme2": (32, 25, 63, 27, 99)}, 26),
    "casme2_5_2019": ({"casme2": (32, 28, 63, 27, 99)}, 26),
    "samm_5": ({"samm": (57, 12, 26, 15, 26)}, 27),
    "smic_3": ({"smic": (70, 51, 43)}, 16),
    "smic_vis_3": ({"smic": (24, 28, 19)}, 8),
    "smic_nir_3": ({"smic": (24, 28, 19)}, 8),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_definition_has_the_published_counts(name):
    parts = Protocol(name=name).definition().parts
    counts, subjects = PUBLISHED[name]
    assert {corpus: part.counts for corpus, part in parts.items()} == counts
    assert sum(part.subjects for part in parts.values()) == subjects


def test_the_composite_is_listed_clip_by_clip():
    definition = Protocol(name="cde3").definition()
    assert len(definition.listed) == 442
    assert definition.listed["casme2/sub01/EP02_01f"] == 1
    assert definition.listed["samm/006/006_1_2"] == 0
    assert "casme2/sub04/EP12_01f" not in definition.listed  # it has no apex
    for corpus, part in definition.parts.items():
        own = [k for k in definition.listed if k.startswith(f"{corpus}/")]
        labels = [definition.listed[k] for k in own]
        assert tuple(map(labels.count, range(3))) == part.counts
        assert len({k.rsplit("/", 1)[0] for k in own}) == part.subjects


def test_a_definition_of_your_own_is_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    protocol = Protocol(name=str(path))
    definition = protocol.definition()
    assert (protocol.title, definition.name, definition.version) == ("mine", "mine", 3)
    assert definition.parts["lab"].labels == {"neutral": 0, "happiness": 0, "anger": 1}
    assert definition.parts["lab"].counts == (4, 5)


def test_the_hash_changes_with_what_decides_clips_and_labels(tmp_path):
    def hash_of(number, text):
        path = tmp_path / f"p{number}.toml"
        path.write_text(text)
        return Protocol(name=str(path)).definition().hash

    same = hash_of(0, OWN)
    assert hash_of(1, OWN.replace("mine", "yours")) == same
    for number, (old, new) in enumerate(
        [('"Neutral", ', ""), ("calm", "quiet"), ("[4, 5]", "[4, 6]"), ("lab", "lob")]
    ):
        assert hash_of(number + 2, OWN.replace(old, new)) != same


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 3", "", "version"),
        ("[4, 5]", "[4, 5, 6]", "3 counts for 2 classes"),
        ('cross = ["anger"]', 'angry = ["anger"]', "angry"),
        ("version", "version =", "TOML"),
        ('about = "mine"', 'listed = "none.csv"\nabout = ""', "none.csv"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(tmp_path, old, new, said):
    path = tmp_path / "broken.toml"
    path.write_text(OWN.replace(old, new, 1))
    with pytest.raises(UserError, match=r"broken\.toml") as error:
        Protocol(name=str(path)).definition()
    assert said in str(error.value)


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(UserError, match="no protocol 'cde4'; there are: casme2_5"):
        Protocol(name="cde4").definition()
