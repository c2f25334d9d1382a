"""Tests for mer_jax/data/protocols.py: definitions pinned, own files checked."""

import pytest

from datasets_tfds.synthetic.corpus import COMPOSITE, OTHERS
from datasets_tfds.synthetic.corpus import MACRO as MACRO_FACES
from mer_jax.data import protocols
from mer_jax.data.protocols import Protocol
from mer_jax.errors import UserError

# A changed sample is another version; raise it, and pin the new hash here.
PINNED = {
    "casme2_5": (1, "b0169f1777b99fd4"),
    "casme2_5_2019": (1, "1901feae5154ad1d"),
    "casme2_5_alt": (1, "47c9891c8082dbbf"),
    "casme3_3": (1, "1c305b482d61decf"),
    "casme3_4": (1, "15a52b94835cc8e6"),
    "casme3_7": (1, "e3be0a2c12726c44"),
    "cde3": (1, "7d4eae033c7155c8"),
    "confounded3": (1, "9eaa602d85077da0"),
    "crowd3": (1, "5030dd6e583791d4"),
    "demo3": (1, "3092c465c3285756"),
    "demo_macro3": (1, "43c5b77a441c07b0"),
    "demo_macro3_turned": (1, "13e5ca7aa1ea1658"),
    "few3": (1, "bc242ab1ca330ee7"),
    "macro3": (1, "5945fb2004dd72e0"),
    "macro_casme2_5_fold": (1, "25830d213beb5c8f"),
    "macro_casme2_5_mask": (1, "23e40eb05295fe7f"),
    "macro_samm_5_fold": (1, "3abcd4247dc04753"),
    "macro_samm_5_mask": (1, "0f0ecf01d8c9233a"),
    "mmew_3": (1, "2a035060ecb05aad"),
    "mmew_4": (1, "5f4576b4fae8cd19"),
    "mmew_6": (1, "c72099f1e8c40f58"),
    "mmew_7": (1, "910ca0ac17b665c5"),
    "samm_5": (1, "efb5291fb24f3884"),
    "samm_5_alt": (1, "553283db180c41bf"),
    "sdu_6": (1, "3ad6276d4768de2e"),
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
    assert (definition.version, definition.hash) == PINNED.get(name)


# Clips, subjects and classes as the papers and official tables print them.
PUBLISHED = {
    "cde3": ({"casme2": (88, 32, 25), "samm": (92, 26, 15), "smic": (70, 51, 43)}, 68),
    "casme2_5": ({"casme2": (32, 25, 63, 27, 99)}, 26),
    "casme2_5_2019": ({"casme2": (32, 28, 63, 27, 99)}, 26),
    "samm_5": ({"samm": (57, 12, 26, 15, 26)}, 27),
    "smic_3": ({"smic": (70, 51, 43)}, 16),
    "smic_vis_3": ({"smic": (24, 28, 19)}, 8),
    "smic_nir_3": ({"smic": (24, 28, 19)}, 8),
    "casme3_7": ({"casme3": (55, 250, 86, 64, 57, 187, 161)}, 94),
    "casme3_4": ({"casme3": (457, 55, 187, 161)}, 94),
    "casme3_3": ({"casme3": (457, 55, 187)}, 88),
    "mmew_7": ({"mmew": (36, 89, 72, 8, 16, 13, 66)}, 0),
    "mmew_6": ({"mmew": (36, 89, 72, 8, 16, 13)}, 0),
    "mmew_4": ({"mmew": (36, 89, 72, 66)}, 0),
    "mmew_3": ({"mmew": (109, 36, 89)}, 0),
    "macro3": ({"ckplus": (175, 69, 83)}, 118),
    "macro_casme2_5_mask": ({"ckplus": (69, 83, 59, 0, 0)}, 0),
    "macro_casme2_5_fold": ({"ckplus": (69, 83, 59, 0, 116)}, 118),
    "macro_samm_5_mask": ({"ckplus": (45, 18, 69, 83, 0)}, 0),
    "macro_samm_5_fold": ({"ckplus": (45, 18, 69, 83, 112)}, 118),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_definition_has_the_published_counts(name):
    parts = Protocol(name=name).definition().parts
    counts, subjects = PUBLISHED[name]
    assert {c: part.counts for c, part in parts.items() if part.counts} == counts
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


# Drawn faces: each corpus as a config of the builder has it.
DRAWN = {"demo3": COMPOSITE, "demo_macro3": (MACRO_FACES, OTHERS)}


@pytest.mark.parametrize("name", DRAWN)
def test_a_definition_of_drawn_faces_counts_what_is_drawn(name):
    definition = Protocol(name=name).definition()
    assert definition.parts.keys() == {corpus.name for corpus in DRAWN[name]}
    for corpus in DRAWN[name]:
        part = definition.parts[corpus.name]
        assert part.subjects == corpus.num_subjects
        assert part.counts == corpus.label_counts
        for label, emotions in enumerate(corpus.emotions):
            assert {part.labels[emotion] for emotion in emotions} == {label}
    # Of a pool any corpus will do, with the classes of the sample it is beside.
    assert definition.any_of == (name == "demo_macro3")
    assert definition.classes == Protocol(name="demo3").definition().classes


def test_turned_classes_are_those_of_the_demo_each_moved_on_by_one():
    plain, turned = (
        Protocol(name=name).definition().parts["synthetic_macro"]
        for name in ("demo_macro3", "demo_macro3_turned")
    )
    assert turned.labels == {k: (c + 1) % 3 for k, c in plain.labels.items()}
    assert turned.counts == (plain.counts[-1], *plain.counts[:-1])
    assert turned.subjects == plain.subjects


# What each corpus of macro-expressions writes, and in what order.
MACRO = {
    "ckplus": "anger contempt disgust fear happy sadness surprise",
    "mmi": "anger disgust fear happiness sadness surprise",
    "casme3": "anger disgust fear happiness sadness surprise others",
    "mmew": "anger disgust fear happiness sadness surprise",
}
# The class of each of these, '-' where it is left out.
MACRO_CLASSES = {
    "macro3": {
        "ckplus": "negative negative negative negative positive negative surprise",
        "mmi": "negative negative negative positive negative surprise",
        "casme3": "negative negative negative positive negative surprise -",
        "mmew": "negative negative negative positive negative surprise",
    },
    "macro_casme2_5_mask": {
        "ckplus": "- - disgust - happiness - surprise",
        "mmi": "- disgust - happiness - surprise",
        "casme3": "- disgust - happiness - surprise others",
        "mmew": "- disgust - happiness - surprise",
    },
    "macro_casme2_5_fold": {
        "ckplus": "others others disgust others happiness others surprise",
        "mmi": "others disgust others happiness others surprise",
        "casme3": "others disgust others happiness others surprise others",
        "mmew": "others disgust others happiness others surprise",
    },
    "macro_samm_5_mask": {
        "ckplus": "anger contempt - - happiness - surprise",
        "mmi": "anger - - happiness - surprise",
        "casme3": "anger - - happiness - surprise other",
        "mmew": "anger - - happiness - surprise",
    },
    "macro_samm_5_fold": {
        "ckplus": "anger contempt other other happiness other surprise",
        "mmi": "anger other other happiness other surprise",
        "casme3": "anger other other happiness other surprise other",
        "mmew": "anger other other happiness other surprise",
    },
}


@pytest.mark.parametrize("name", MACRO_CLASSES)
def test_macro_expressions_have_the_classes_of_micro_expressions(name):
    definition = Protocol(name=name).definition()
    assert definition.any_of and definition.parts.keys() == MACRO.keys()
    for corpus, part in definition.parts.items():
        emotions, classes = MACRO[corpus].split(), MACRO_CLASSES[name][corpus].split()
        wanted = dict(zip(emotions, classes, strict=True))
        assert {e: definition.classes[n] for e, n in part.labels.items()} == {
            emotion: wanted[emotion] for emotion in emotions if wanted[emotion] != "-"
        }
    assert definition.parts["casme3"].configs == ("macro", "macro-depth")
    assert definition.parts["mmew"].configs == ("macro",)


@pytest.mark.parametrize("classes", [3, 4])
def test_fewer_classes_of_casme3_are_sums_of_the_seven(classes):
    seven = Protocol(name="casme3_7").definition()
    fewer = Protocol(name=f"casme3_{classes}").definition()
    numbers = dict(zip(seven.classes, seven.parts["casme3"].counts, strict=True))
    sums = [0] * classes
    for emotion, label in fewer.parts["casme3"].labels.items():
        sums[label] += numbers[emotion]
    assert tuple(sums) == fewer.parts["casme3"].counts


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
