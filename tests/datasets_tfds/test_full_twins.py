"""Full-size twins: the parsers, the protocols and the published counts.

The twins were written from the same documents as the parsers, by somebody who did not
see them. Their frames are grey tiles here, as nobody looks at them.
"""

import functools
import importlib
from collections import Counter

import pytest
from releases import prepare, records, told
from test_smic import emotions, published

from datasets_tfds.casme2.casme2_dataset_builder import Builder as casme2
from datasets_tfds.casme3.casme3_dataset_builder import Builder as casme3
from datasets_tfds.ckplus.ckplus_dataset_builder import Builder as ckplus
from datasets_tfds.custom.custom_dataset_builder import Builder as custom
from datasets_tfds.mmew.mmew_dataset_builder import Builder as mmew
from datasets_tfds.mmi.mmi_dataset_builder import Builder as mmi
from datasets_tfds.samm.samm_dataset_builder import Builder as samm
from datasets_tfds.smic.smic_dataset_builder import Builder as smic
from mer_jax.data import prepared
from mer_jax.data.protocols import Protocol
from mer_jax.data.selection import select
from tests import tiles

IMAGES = {"casme2": 8441, "samm": 2628, "smic": 7787, "custom": 1044}
IMAGES |= {"ckplus": 4213, "mmi": 226}
IMAGES |= {"casme3": 26518, "mmew": 4867}


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """Returns corpus -> folder of its full-size twin, written once."""

    @functools.cache
    def written(corpus):
        writer = importlib.import_module(f"datasets_tfds.{corpus}.fake_release")
        folder = tmp_path_factory.mktemp("twins") / corpus
        with tiles.instead_of_faces():
            done = writer.write_release(folder, seed=0)
        assert done.images == IMAGES[corpus]
        return folder

    return written


# Protocol -> the prepared configs it needs, and clips of each class as published.
PROTOCOLS = {
    "cde3": (("casme2/cropped", "samm/full", "smic/hs"), (250, 109, 83), 68),
    "casme2_5": (("casme2/cropped",), (32, 25, 63, 27, 99), 26),
    "casme2_5_2019": (("casme2/cropped-2019",), (32, 28, 63, 27, 99), 26),
    "casme2_5_alt": (("casme2/raw",), (32, 25, 63, 2, 7), None),
    "samm_5": (("samm/full",), (57, 12, 26, 15, 26), 27),
    "samm_5_alt": (("samm/full",), (26, 15, 57, 8, 9), None),
    "smic_3": (("smic/hs",), (70, 51, 43), 16),
    "smic_vis_3": (("smic/vis",), (24, 28, 19), 8),
    "smic_nir_3": (("smic/nir",), (24, 28, 19), 8),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "cde3" else pytest.mark.slow)
        for name in PROTOCOLS
    ],
)
def test_a_protocol_finds_its_published_sample(name, twin, tmp_path):
    configs, counts, subjects = PROTOCOLS[name]
    clips = clips_of(configs, twin, tmp_path)
    check(clips, name, counts, subjects)


def clips_of(configs, twin, cache):
    quiet = lambda what, done, total: None
    corpora = [
        prepared.prepare(
            config, str(twin(config.partition("/")[0])), cache=cache, progress=quiet
        )
        for config in configs
    ]
    return [clip for one in corpora for clip in one.clips]


def check(clips, name, counts, subjects):
    # As of a real release: a sample that is not the published one is an error.
    real = [{**clip, "synthetic": False} for clip in clips]
    sample = select(real, Protocol(name=name), "repair")
    found = Counter(chosen.label for chosen in sample.chosen)
    assert tuple(found[label] for label in range(len(counts))) == counts
    people = len({chosen.clip["subject"] for chosen in sample.chosen})
    assert subjects in (None, people)
    assert not sample.reduced and not any("not made" in rule for rule in sample.rules)
    assert not select(clips, Protocol(name=name), "repair").reduced


# The large twins: protocol -> clips of each class, and people.
CASME3 = {
    "casme3_7": ((55, 250, 86, 64, 57, 187, 161), 94),
    "casme3_4": ((457, 55, 187, 161), 94),
    "casme3_3": ((457, 55, 187), 88),
}
MMEW = {
    "mmew_7": (36, 89, 72, 8, 16, 13, 66),
    "mmew_6": (36, 89, 72, 8, 16, 13),
    "mmew_4": (36, 89, 72, 66),
    "mmew_3": (109, 36, 89),
}
# Of CK+ 327, MMI 205 and MMEW 900; CAS(ME)^3 has whatever its twin was given.
MACRO = {
    "macro3": (175 + 123 + 600, 69 + 42 + 150, 83 + 40 + 150),
    "macro_casme2_5_mask": (69 + 42 + 150, 83 + 40 + 150, 59 + 32 + 150, 0, 0),
    "macro_casme2_5_fold": (261, 273, 241, 0, 116 + 91 + 450),
    "macro_samm_5_mask": (45 + 31 + 150, 18, 261, 273, 0),
    "macro_samm_5_fold": (226, 18, 261, 273, 112 + 92 + 450),
}


@pytest.mark.slow
@pytest.mark.parametrize("config", ["micro", "micro-depth"])
def test_the_protocols_of_casme3_find_their_published_samples(config, twin, tmp_path):
    clips = clips_of([f"casme3/{config}"], twin, tmp_path)
    for name, (counts, subjects) in CASME3.items():
        check(clips, name, counts, subjects)


@pytest.mark.slow
def test_the_protocols_of_mmew_find_their_published_samples(twin, tmp_path):
    clips = clips_of(["mmew/micro"], twin, tmp_path)
    for name, counts in MMEW.items():
        check(clips, name, counts, None)


@pytest.mark.slow
def test_the_protocols_of_macro_expressions_take_any_of_their_corpora(twin, tmp_path):
    configs = ["ckplus", "mmi", "mmew/macro", "casme3/macro"]
    clips = clips_of(configs, twin, tmp_path)
    three = [clip for clip in clips if clip["corpus"] != "casme3"]
    for name, counts in MACRO.items():
        check(three, name, counts, None)
        assert select(clips, Protocol(name=name), "repair").reduced == ""
    alone = [clip for clip in clips if clip["corpus"] == "ckplus"]
    check(alone, "macro3", (175, 69, 83), 118)


APEX_ON_AN_END = {
    "casme2/sub05/EP09_05f": ["apex 69 is the onset"],
    "casme2/sub05/EP16_04f": ["apex 181 is the offset"],
    "casme2/sub12/EP09_06": ["apex 111 is the offset"],
    "casme2/sub20/EP16_01": ["apex 111 is the offset"],
    "casme2/sub25/EP18_04f": ["apex 116 is the offset"],
}
NO_APEX = {
    "casme2/sub04/EP12_01f": ["apex '/' is no frame number: middle taken"],
}
CUT_SHORT = {"casme2/sub16/EP01_08": ["offset 110 has no frame: 96 taken"]}
REPAIRED = {
    "casme2/sub04/EP12_01f": "apex '/' -> '279'",
    "casme2/sub05/EP05_03": "action_units '?' -> '16+24'",
    "casme2/sub05/EP07_01": "action_units '?' -> '6'",
    "casme2/sub05/EP09_05f": "apex '69' -> '81'",
    "casme2/sub05/EP13_04f": "action_units '?' -> '12+16'",
    "casme2/sub07/EP06_01": "offset '68' -> '91'",
    "casme2/sub19/EP11_01f": "action_units '?' -> '14'",
    "casme2/sub26/EP13_01": "action_units '?' -> '14+24'",
}
EMOTIONS = {"happiness": 32, "surprise": 25, "disgust": 63, "repression": 27} | {
    "others": 99,
    "sadness": 7,
    "fear": 2,
}


@pytest.mark.parametrize("config", ["cropped", "cropped-2019", "raw", "raw-2019"])
def test_casme2_has_the_published_counts_and_oddities(config, twin, tmp_path, capsys):
    clips = records(prepare(casme2, twin("casme2"), tmp_path, config))
    assert told(capsys.readouterr().out, f"casme2/{config}")[:1] == [
        "255 of 255 annotated clips have frames"
    ]
    later = config.endswith("2019")
    assert len({clip["subject"] for clip in clips.values()}) == 26
    assert Counter(c["annotated"]["emotion"] for c in clips.values()) == EMOTIONS | (
        {"surprise": 28, "sadness": 4} if later else {}
    )
    cut_short = CUT_SHORT if config.startswith("cropped") else {}
    assert {key: clip["issues"] for key, clip in clips.items() if clip["issues"]} == (
        APEX_ON_AN_END | NO_APEX | cut_short
    )
    made = {key: line for key, clip in clips.items() for line in clip["repairs"]}
    assert made.keys() == REPAIRED.keys()
    for key, change in REPAIRED.items():
        done = later and "action_units" in change
        head = "not needed, the release says so already" if done else "made"
        assert made[key].startswith(f"{head}: {change} (")
    assert all(clip["synthetic"] for clip in clips.values())
    if not later:
        assert Counter(c["objective_class"] for c in clips.values()) == {
            **{"1": 25, "2": 15, "3": 99, "4": 26},
            **{"5": 20, "6": 1, "7": 69},
        }


def test_samm_has_the_published_counts_and_oddities(twin, tmp_path, capsys):
    clips = records(prepare(samm, twin("samm"), tmp_path))
    assert told(capsys.readouterr().out, "samm/full")[:1] == [
        "159 of 159 annotated clips have frames"
    ]
    assert len({clip["subject"] for clip in clips.values()}) == 29
    assert Counter(clip["annotated"]["emotion"] for clip in clips.values()) == {
        **{"Anger": 57, "Other": 26, "Happiness": 26, "Surprise": 15},
        **{"Contempt": 12, "Disgust": 9, "Fear": 8, "Sadness": 6},
    }
    assert Counter(clip["objective_class"] for clip in clips.values()) == {
        **{"1": 24, "2": 13, "3": 20, "4": 8},
        **{"5": 3, "6": 7, "7": 84},
    }
    assert {key: clip["issues"] for key, clip in clips.items() if clip["issues"]} == {
        "samm/028/028_4_1": ["apex 1143 outside of 1071..1134: middle taken"],
        "samm/032/032_3_1": ["apex 1930 outside of 4896..4970: middle taken"],
    }
    made = {key: line for key, clip in clips.items() for line in clip["repairs"]}
    assert {key: line.split(" (")[0] for key, line in made.items()} == {
        "samm/028/028_4_1": "made: apex '1143' -> '1113'",
        "samm/032/032_3_1": "made: apex '1930' -> '4930'",
        "samm/032/032_3_2": "made: apex '5127' -> '5130'",
    }
    assert all(clip["synthetic"] for clip in clips.values())


def test_smic_has_the_clips_of_the_challenge(twin, tmp_path):
    clips = records(prepare(smic, twin("smic"), tmp_path))
    assert emotions(clips) == published()
    assert len(clips) == 164 and len({c["subject"] for c in clips.values()}) == 16
    counts = Counter(emotions(clips).values())
    assert counts == {"negative": 70, "positive": 51, "surprise": 43}
    version = {clip["annotation_version"] for clip in clips.values()}
    assert version == {"directories, 164 clips"}


@pytest.mark.parametrize("config", ["vis", "nir"])
def test_smic_has_71_clips_of_each_slow_camera(twin, tmp_path, config):
    clips = records(prepare(smic, twin("smic"), tmp_path, config=config))
    counts = Counter(emotions(clips).values())
    assert counts == {"negative": 24, "positive": 28, "surprise": 19}
    people = (11, 12, 13, 14, 15, 18, 19, 20)
    assert {c["subject"] for c in clips.values()} == {f"smic/s{n}" for n in people}
    assert all(key.split("/")[2].startswith(f"{config}_s") for key in clips)


def test_smic_has_157_long_clips(twin, tmp_path):
    clips = records(prepare(smic, twin("smic"), tmp_path, config="hs-long"))
    assert len(clips) == 157
    absent = published().keys() - {key.replace("long_", "") for key in clips}
    assert {key.rpartition("/")[2] for key in absent} == {
        *("s01_ne_02", "s02_sur_05", "s03_ne_03", "s03_ne_20"),
        *("s04_ne_05", "s04_ne_06", "s09_sur_02"),
    }
    several = {k for k, c in clips.items() if "more than one" in " ".join(c["issues"])}
    assert {key.rpartition("/")[2] for key in several} == {
        "long_s03_ne_02",
        "long_s03_ne_19",
        "long_s04_ne_04",
        "long_s09_sur_01",
    }


def test_custom_has_60_clips_of_12_people(twin, tmp_path):
    clips = records(prepare(custom, twin("custom"), tmp_path))
    assert len(clips) == 60 and len({c["subject"] for c in clips.values()}) == 12
    kept = {clip["annotated"]["apex_source"] for clip in clips.values()}
    assert kept == {"annotated", "middle"}


def test_ckplus_has_the_published_sequences(twin, tmp_path, capsys):
    clips = records(prepare(ckplus, twin("ckplus"), tmp_path))
    assert Counter(clip["annotated"]["emotion"] for clip in clips.values()) == {
        **{"anger": 45, "contempt": 18, "disgust": 59, "fear": 25},
        **{"happy": 69, "sadness": 28, "surprise": 83},
    }
    assert len(clips) == 327 and len({c["subject"] for c in clips.values()}) == 118
    for clip in clips.values():
        reading = clip["annotated"]
        assert reading["apex_index"] == reading["offset_index"] > reading["onset_index"]
        assert reading["apex_source"] == "annotated" and clip["issues"] == []
    lines = told(capsys.readouterr().out, "ckplus/sequences")
    assert lines[2] == "266 sequences without an emotion file left out"


def test_mmi_has_the_sessions_that_papers_select(twin, tmp_path):
    clips = records(prepare(mmi, twin("mmi"), tmp_path))
    assert Counter(clip["annotated"]["emotion"] for clip in clips.values()) == {
        **{"anger": 31, "disgust": 32, "fear": 28},
        **{"happiness": 42, "sadness": 32, "surprise": 40},
    }
    assert len(clips) == 205 and 30 <= len({c["subject"] for c in clips.values()}) <= 31
    for clip in clips.values():
        assert clip["annotated"]["apex_source"] == "middle"
        assert clip["fps"] in (24, 25)


LEFT_ALONE = {
    "spNO.149/d_112": ["apex 83 outside of 112..358: middle taken"],
    "spNO.216/d_3647": ["onset 3647 after offset 2694"],
    "spNO.40/e_1812": ["onset 1812 after offset 0"],
    "spNO.40/e_2327": ["onset 2327 after offset 0"],
    "spNO.216/e_0": ["onset 0 has no frame: 1 taken"],
}


@pytest.mark.slow
@pytest.mark.parametrize("config", ["micro", "micro-depth"])
def test_casme3_has_the_published_counts_and_oddities(config, twin, tmp_path, capsys):
    clips = records(prepare(casme3, twin("casme3"), tmp_path, config))
    assert told(capsys.readouterr().out, f"casme3/{config}") == [
        "860 of 860 annotated clips have frames",
        "annotated in cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx, 860 rows",
    ]
    assert Counter(clip["annotated"]["emotion"] for clip in clips.values()) == {
        **{"disgust": 250, "surprise": 187, "others": 158, "Others": 3},
        **{"fear": 86, "anger": 64, "sad": 57, "happy": 55},
    }
    assert len(clips) == 860 and len({c["subject"] for c in clips.values()}) == 94
    same = [c for c in clips.values() if written(c, "onset") == written(c, "apex")]
    assert len(same) == 55
    for name, issues in LEFT_ALONE.items():
        assert set(issues) <= set(clips[f"casme3/{name}"]["issues"])
    made = [line for clip in clips.values() for line in clip["repairs"]]
    assert len(made) == 7 and all(line.startswith("made: ") for line in made)
    lost = [i for c in clips.values() for i in c["issues"] if "no image" in i]
    assert bool(lost) == (config == "micro")


def written(clip, field):
    return clip["annotated"][field]


@pytest.mark.slow
@pytest.mark.parametrize("config", ["macro", "macro-depth"])
def test_casme3_has_macro_expressions_of_the_same_people(config, twin, tmp_path):
    clips = records(prepare(casme3, twin("casme3"), tmp_path, config))
    emotions = {clip["annotated"]["emotion"] for clip in clips.values()}
    assert emotions == {
        *("anger", "happiness", "disgust", "fear", "sadness", "surprise", "others")
    }
    assert {clip["kind"] for clip in clips.values()} == {"macro"}
    assert all(key.split("/")[2].startswith("macro_") for key in clips)


@pytest.mark.slow
def test_mmew_has_the_published_counts_and_oddities(twin, tmp_path, capsys):
    clips = records(prepare(mmew, twin("mmew"), tmp_path))
    assert told(capsys.readouterr().out, "mmew/micro") == [
        "300 of 300 annotated clips have frames",
        "66 clips in folders 'repression', which are 'others' in the sheet",
        "annotated in MMEW_Micro_Exp.xlsx, 300 rows",
    ]
    assert Counter(clip["annotated"]["emotion"] for clip in clips.values()) == {
        **{"happiness": 36, "surprise": 89, "disgust": 72, "anger": 8},
        **{"fear": 16, "sadness": 13, "others": 66},
    }
    odd = [clip["issues"] for clip in clips.values() if clip["issues"]]
    assert len(odd) == 16  # rows with a wrong apex or offset
    assert all("taken" in line for issues in odd for line in issues)


@pytest.mark.slow
def test_mmew_has_900_stills(twin, tmp_path):
    clips = records(prepare(mmew, twin("mmew"), tmp_path, "macro"))
    emotions = Counter(clip["annotated"]["emotion"] for clip in clips.values())
    assert set(emotions.values()) == {150} and len(emotions) == 6
    assert len({clip["subject"] for clip in clips.values()}) == 30
    assert {len(clip["frames"]) for clip in clips.values()} == {1}
    assert {written(clip, "apex_source") for clip in clips.values()} == {"still"}
