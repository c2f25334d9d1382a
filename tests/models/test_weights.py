"""Tests for mer_jax/models/weights.py."""

import json
import pickle
import struct
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save, save_file

from mer_jax.errors import UserError
from mer_jax.models.resnet import ResNet18
from mer_jax.models.weights import adopt, read
from tests.systems.moext import layout, test_nets

# A stage with three nets; `state` is without parameters, `head` without state.
SHAPES = {
    "params/encoder/conv/kernel": (3, 3, 2, 4),
    "params/encoder/shape/bias": (4,),
    "params/head/kernel": (4, 3),
    "model_state/encoder/norm/mean": (4,),
    "model_state/state/average": (),
}
TEXTURE = {"params/encoder/texture/bias": (5,), "params/encoder/texture/kernel": (1, 5)}
DROP = "encoder/texture/.*"


def made(shapes, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()
    }


def trees(leaves):
    """(params, model_state), with a net that has no leaves in the state."""
    tree = unflatten_dict(leaves, sep="/")
    return tree["params"], {**tree["model_state"], "head": {}}


def leaves_of(params, model_state):
    tree = {"params": params, "model_state": model_state}
    return {k: np.asarray(v) for k, v in flatten_dict(tree, sep="/").items()}


@pytest.fixture
def file(tmp_path):
    """Writes arrays to a file and returns its path."""

    def write(arrays):
        save_file(arrays, tmp_path / "w.safetensors")
        return tmp_path / "w.safetensors"

    return write


def without(shapes, *starts):
    return {k: v for k, v in shapes.items() if not k.startswith(starts)}


# Our layout.


def test_every_leaf_of_a_file_replaces_the_stages(file):
    own, given_ = made(SHAPES), made(SHAPES, seed=1)
    found = adopt(read(file(given_)), *trees(own))
    assert jax.tree.structure(found) == jax.tree.structure(trees(own))
    found = leaves_of(*found)
    for name, leaf in given_.items():
        np.testing.assert_array_equal(found[name], leaf)


def test_nets_that_only_one_has_stay_or_are_ignored(file):
    own = made(SHAPES)
    shapes = without(SHAPES, "params/head", "model_state/state")
    given_ = made({**shapes, "params/decoder/kernel": (2, 2)}, seed=1)
    found = leaves_of(*adopt(read(file(given_)), *trees(own)))
    assert found.keys() == own.keys()
    for name, leaf in found.items():
        np.testing.assert_array_equal(leaf, {**own, **given_}[name])


def test_a_branch_of_no_more_use_is_dropped_by_name(file):
    own, given_ = made(SHAPES), made({**SHAPES, **TEXTURE}, seed=1)
    found = leaves_of(*adopt(read(file(given_)), *trees(own), drop=DROP))
    assert found.keys() == own.keys()
    # What both have is adopted even where `drop` matches, as by a transfer.
    both = made({**SHAPES, **TEXTURE}), made({**SHAPES, **TEXTURE}, seed=1)
    found = leaves_of(*adopt(read(file(both[1])), *trees(both[0]), drop=DROP))
    for name in TEXTURE:
        np.testing.assert_array_equal(found[name], both[1][name])


@pytest.mark.parametrize(
    ("shapes", "lines"),
    [
        ({**SHAPES, **TEXTURE}, [f"+ {name}" for name in TEXTURE]),
        (
            without(SHAPES, "params/encoder/shape"),
            ["- params/encoder/shape/bias"],
        ),
        (
            without(SHAPES, "model_state/encoder"),
            ["- model_state/encoder/norm/mean"],
        ),
        (
            {**SHAPES, "params/encoder/shape/bias": (8,)},
            ["! params/encoder/shape/bias: float32[4] here, float32[8] there"],
        ),
        (
            {**SHAPES, "model_state/state/average": (1,)},
            ["! model_state/state/average: float32[] here, float32[1] there"],
        ),
    ],
)
def test_what_does_not_fit_is_listed(file, shapes, lines):
    path = file(made(shapes))
    with pytest.raises(UserError) as error:
        adopt(read(path), *trees(made(SHAPES)))
    told = str(error.value)
    assert told.startswith(f"{path} does not fit")
    assert [x for x in told.splitlines() if x[0] in "-+!"] == lines


def test_numbers_of_another_kind_do_not_fit(file):
    given_ = {**made(SHAPES), "params/head/kernel": np.ones((4, 3), np.int8)}
    with pytest.raises(UserError, match=r"kernel: float32\[4, 3\] here, int8\[4, 3\]"):
        adopt(read(file(given_)), *trees(made(SHAPES)))


def test_a_file_that_shares_nothing_is_refused(file):
    weights = read(file(made({"params/decoder/kernel": (2, 2)})))
    with pytest.raises(UserError, match=r"there \['decoder'\], here \['encoder', 'he"):
        adopt(weights, *trees(made(SHAPES)))


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_leaves_take_the_dtype_of_those_they_replace(file, dtype):
    given_ = made(SHAPES, dtype=dtype)
    found = adopt(read(file(given_)), *trees(made(SHAPES)))
    assert {x.dtype for x in jax.tree.leaves(found)} == {np.dtype(np.float32)}
    expected = given_["params/head/kernel"].astype(np.float32)
    np.testing.assert_array_equal(found[0]["head"]["kernel"], expected)
    with jax.enable_x64(True):
        wide = adopt(read(file(made(SHAPES))), *trees(made(SHAPES, dtype=np.float64)))
    assert {x.dtype for x in jax.tree.leaves(wide)} == {np.dtype(np.float64)}


def test_it_works_on_traced_trees_and_in_lanes(file):
    given_ = made(without(SHAPES, "params/head"), seed=1)
    weights = read(file(given_))

    def init(key):
        own = {k: jax.random.normal(key, shape) for k, shape in SHAPES.items()}
        return adopt(weights, *trees(own))

    lanes = jax.jit(jax.vmap(init))(jax.random.split(jax.random.key(0), 2))
    found = leaves_of(*lanes)
    for name, leaf in given_.items():
        np.testing.assert_array_equal(found[name], np.stack([leaf, leaf]))
    one, other = found["params/head/kernel"]
    assert (one != other).all()  # what `init` made is drawn in every lane
    fit = made({**SHAPES, "params/encoder/shape/bias": (9,)})
    with pytest.raises(UserError, match="does not fit"):
        weights = read(file(fit))
        jax.eval_shape(init, jax.random.key(0))


# Files that are not.


def bfloat16():
    header = {"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4)


@pytest.mark.parametrize(
    "content",
    [b"", b"weights", pickle.dumps({"conv1.weight": 1}), bfloat16()],
    ids=["empty", "text", "pickle", "bfloat16"],
)
def test_a_broken_or_other_file_is_refused(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot read weights from .*mer export"):
        read(path)


def test_a_torch_checkpoint_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "resnet18.pth", "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"conv1.weight": 1}))
    with pytest.raises(UserError, match=r"resnet18\.pth .*save_file"):
        read(tmp_path / "resnet18.pth")


def test_a_missing_file_or_a_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere .*No such file"):
        read(tmp_path / "nowhere")
    with pytest.raises(UserError, match="Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize("names", [[], ["layer.weight"], ["params/a/b", "other"]])
def test_a_layout_nobody_knows_is_refused(file, names):
    path = file({name: np.ones(2, np.float32) for name in names})
    with pytest.raises(UserError, match=f"neither layout, {len(names)} arrays"):
        read(path)


@given(cut=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_no_damage_ends_in_another_error(tmp_path_factory, cut, byte):
    path = tmp_path_factory.mktemp("w") / "w.safetensors"
    whole = save(made(SHAPES))
    where = int(cut * len(whole))
    path.write_bytes(whole[:where])
    with pytest.raises(UserError):
        read(path)
    path.write_bytes(whole[:where] + bytes([byte]) + whole[where + 1 :])
    try:
        adopt(read(path), *trees(made(SHAPES)))
    except UserError:
        pass


# torchvision's layout.

BACKBONE = "separator.backbone."
PLACE = "separator/backbone"


def resnet_of(state):
    """The backbone's part of a state dict as `resnet18` would save it."""
    arrays = {
        name.removeprefix(BACKBONE): value.astype(np.float32)
        for name, value in state.items()
        if name.startswith(BACKBONE)
    }
    counters = {
        name.replace("running_mean", "num_batches_tracked"): np.array(7)
        for name in arrays
        if name.endswith("running_mean")
    }
    fc = {"fc.weight": np.ones((10, 32), "f4"), "fc.bias": np.ones(10, "f4")}
    return {**arrays, **counters, **fc}


def test_a_state_dict_of_torchvision_gives_pytorchs_logits(file):
    """The golden logits are PyTorch's, in float64, of the same state dict."""
    golden = layout.load()
    state = layout.start(golden["default/objective/shapes"])
    arrays = resnet_of(state)
    assert len(arrays) == 122  # as many as `resnet18` has
    rest = {
        k: np.full_like(v, 9) if k.startswith(BACKBONE) else v for k, v in state.items()
    }
    variables = layout.to_jax(rest)
    params, batch_stats = adopt(
        read(file(arrays)),
        variables["params"],
        variables["batch_stats"],
        backbone=PLACE,
    )
    _, net = test_nets.build(**layout.CASES["default"])
    frames = layout.images("default")[:, [0, 3]].astype(np.float32)
    mask = np.ones(len(frames), bool)
    run = jax.jit(lambda v: net.apply(v, frames, mask, train=False).logits)
    found = run({"params": params, "batch_stats": batch_stats})
    expected = golden["default/objective/evaluated"]
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def backbone_trees(width):
    net = ResNet18(width)
    images, mask = jnp.zeros((1, 32, 32, 3)), jnp.ones(1, bool)
    own = jax.eval_shape(lambda k: net.init(k, images, mask, False), jax.random.key(0))
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), own)
    head = {"kernel": np.full((8 * width, 3), 5.0, np.float32)}
    params = {"separator": {"backbone": zeros["params"], "shape": {"bias": 1.0}}}
    state = {"separator": {"backbone": zeros["batch_stats"]}}
    params["separator"]["shape"]["bias"] = np.ones(3, np.float32)
    return {**params, "head": head}, state


@pytest.fixture
def resnet(file):
    state = layout.start(layout.load()["default/objective/shapes"])
    return read(file(resnet_of(state)))


def test_a_resnet_fills_the_backbone_and_leaves_the_rest(resnet):
    own = backbone_trees(4)
    params, state = adopt(resnet, *own, backbone=PLACE)
    np.testing.assert_array_equal(params["head"]["kernel"], own[0]["head"]["kernel"])
    np.testing.assert_array_equal(params["separator"]["shape"]["bias"], np.ones(3))
    for tree, collection in ((params, "params"), (state, "model_state")):
        adopted = flatten_dict(tree["separator"]["backbone"], sep="/")
        for name, leaf in adopted.items():
            expected = resnet.leaves[f"{collection}/{name}"]
            np.testing.assert_array_equal(leaf, expected)


def test_a_resnet_of_another_width_is_refused_leaf_by_leaf(resnet):
    with pytest.raises(UserError) as error:
        adopt(resnet, *backbone_trees(2), backbone=PLACE)
    told = str(error.value)
    assert told.count("! ") == 100
    assert f"! params/{PLACE}/conv1/kernel: float32[7, 7, 3, 2] here, " in told


def test_a_resnet_needs_a_place(resnet):
    with pytest.raises(UserError, match="no part of these nets"):
        adopt(resnet, *backbone_trees(4))
    with pytest.raises(UserError, match=r"there \['motion/backbone'\]"):
        adopt(resnet, *backbone_trees(4), backbone="motion/backbone")


def test_another_resnet_is_refused_with_its_path(file):
    path = file({"conv1.weight": np.ones((4, 3, 7, 7), np.float32)})
    with pytest.raises(UserError, match=r"w\.safetensors: not the weights of a torch"):
        read(path)


@pytest.mark.slow
def test_features_of_a_state_dict_saved_by_torch_are_pytorchs(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch_file

    from tests.systems.moext import make_golden, test_torch_parity

    model = test_torch_parity.drawn_resnet(64).eval()
    path = tmp_path / "resnet18.safetensors"
    save_torch_file(model.state_dict(), path)
    own = backbone_trees(64)
    params, state = adopt(read(path), *own, backbone=PLACE)
    images = np.random.default_rng(0).random((2, 112, 112, 3), np.float32)
    with torch.no_grad():
        expected = model(make_golden.frames(images[None])[0]).numpy()
    variables = {
        "params": params["separator"]["backbone"],
        "batch_stats": state["separator"]["backbone"],
    }
    run = jax.jit(lambda v, x: ResNet18().apply(v, x, np.ones(2, bool), False))
    found = np.moveaxis(run(variables, images), -1, 1)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
