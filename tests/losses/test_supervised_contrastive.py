"""Tests for mer_jax/losses/supervised_contrastive.py."""

import doctest
import functools

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax.test_util import check_grads

from mer_jax.losses import supervised_contrastive as module
from mer_jax.losses.supervised_contrastive import (
    supervised_contrastive,
    supervised_contrastive_sum,
)

B, A, D = 6, 4, 5
LABELS = np.array([0, 1, 0, 2, 1, 0])  # class 2 has a positive among the others alone
OTHER_LABELS = np.array([2, 0, 3, 1])
WHERE = np.array([True, True, False, True, True, True])
OTHER_WHERE = np.array([True, False, True, True])
BOTH = [supervised_contrastive, supervised_contrastive_sum]
either = pytest.mark.parametrize("loss", BOTH)
alone_or_not = pytest.mark.parametrize("macro", [False, True], ids=["micro", "both"])


def drawn(seed=0, anchors=B, others=A):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(anchors, D)), rng.normal(size=(others, D))


def cosine(a, b):
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return a @ b / lengths if lengths else 0.0


def naive(loss, anchors, labels, others, other_labels, temperature):
    """The printed sums, one pair at a time, in float64."""
    literal = loss is supervised_contrastive_sum
    every = [*anchors, *others]
    classes = [*labels, *other_labels]
    total, with_positives = 0.0, 0
    for j in range(len(anchors)):
        q = [cosine(anchors[j], other) / temperature for other in every]
        against = [u for u in range(len(every)) if literal or u != j]
        positives = [k for k in range(len(every)) if k != j and classes[k] == labels[j]]
        if not positives:
            continue
        denominator = sum(np.exp(q[u]) for u in against)
        terms = sum(-np.log(np.exp(q[k]) / denominator) for k in positives)
        total += terms if literal else terms / len(positives)
        with_positives += 1
    return total if literal else total / max(with_positives, 1)


def called(loss, macro, **more):
    """The loss as a function of the embeddings of anchors and others."""

    @jax.jit
    def value(anchors, others):
        if not macro:
            return loss(anchors, LABELS, **more)
        return loss(anchors, LABELS, others, OTHER_LABELS, **more)

    return value


@either
@alone_or_not
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_it_is_the_printed_sum(loss, macro, temperature):
    anchors, others = drawn()
    far = (others, OTHER_LABELS) if macro else ([], [])
    expected = naive(loss, anchors, LABELS, *far, temperature)
    found = called(loss, macro, temperature=temperature)(anchors, others)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with jax.enable_x64(True):
        found = called(loss, macro, temperature=temperature)(anchors, others)
        assert found.dtype == jnp.float64
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@either
def test_masked_rows_are_as_if_not_there(loss):
    anchors, others = drawn()
    masks = {"where": WHERE, "other_where": OTHER_WHERE}
    expected = naive(
        loss,
        *(anchors[WHERE], LABELS[WHERE]),
        *(others[OTHER_WHERE], OTHER_LABELS[OTHER_WHERE]),
        0.07,
    )
    found = called(loss, True, **masks)(anchors, others)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_by_hand():
    # Three vectors at right angles to each other or equal; tau is 1.
    z, labels = np.eye(2)[[0, 0, 1]], np.array([0, 0, 1])
    own = np.log(np.e + 1) - 1  # against the other two
    np.testing.assert_allclose(
        supervised_contrastive(z, labels, temperature=1.0), own, rtol=1e-6
    )
    with_itself = 2 * (np.log(2 * np.e + 1) - 1)
    found = supervised_contrastive_sum(z, labels, temperature=1.0)
    np.testing.assert_allclose(found, with_itself, rtol=1e-6)


def test_at_the_published_temperature_only_the_mean_is_of_a_cross_entropys_size():
    """16 clips of each domain, 3 classes: what makes a weight of 0.1 sensible."""
    anchors, others = np.random.default_rng(0).normal(size=(2, 16, 512))
    labels = np.arange(16) % 3
    mean, total = (loss(anchors, labels, others, labels) for loss in BOTH)
    assert 3 < mean < 4
    assert 2000 < total < 3000


def test_it_is_pytorch_metric_learnings():
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    torch = pytest.importorskip("torch")
    anchors, others = drawn()
    theirs = losses.SupConLoss(temperature=0.07)
    expected = theirs(torch.from_numpy(anchors), torch.from_numpy(LABELS))
    found = supervised_contrastive(anchors, LABELS)
    np.testing.assert_allclose(found, expected.item(), rtol=1e-5)
    # With others: all pairs but those of an anchor with itself, by number.
    classes = np.concatenate([LABELS, OTHER_LABELS])
    same = LABELS[:, None] == classes
    apart = ~np.eye(B, B + A, dtype=bool)
    pairs = [*np.nonzero(same & apart), *np.nonzero(~same)]
    expected = theirs(
        torch.from_numpy(anchors),
        indices_tuple=tuple(map(torch.from_numpy, pairs)),
        ref_emb=torch.from_numpy(np.concatenate([anchors, others])),
    )
    found = supervised_contrastive(anchors, LABELS, others, OTHER_LABELS)
    np.testing.assert_allclose(found, expected.item(), rtol=1e-5)


@either
@alone_or_not
def test_gradients_match_finite_differences(loss, macro):
    with jax.enable_x64(True):
        value = called(loss, macro, temperature=0.3, where=WHERE)
        check_grads(value, drawn(), order=1, modes=["rev"], eps=1e-6)


@either
def test_descending_gathers_a_class_across_domains(loss):
    anchors, others = (x.astype(np.float32) for x in drawn())
    slope = jax.jit(jax.grad(called(loss, True, temperature=0.5), (0, 1)))
    similarity = lambda k: cosine(anchors[3], others[k])
    before = similarity(0) - similarity(1)  # of its class, less of another
    for _ in range(100):
        steps = slope(anchors, others)
        anchors, others = (
            np.asarray(x - 0.3 * step)
            for x, step in zip((anchors, others), steps, strict=True)
        )
    assert similarity(0) - similarity(1) > max(before, 1.0)


# What must not matter.


STEP = {
    loss: jax.jit(jax.value_and_grad(functools.partial(loss, temperature=0.2), (0, 2)))
    for loss in BOTH
}
LABELLED = st.tuples(
    st.lists(st.integers(0, 2), min_size=B, max_size=B),
    st.lists(st.integers(0, 2), min_size=A, max_size=A),
    st.integers(0, 99),
)


@either
@settings(max_examples=25)
@given(LABELLED, st.permutations(range(B)), st.permutations(range(A)))
def test_the_order_of_rows_changes_nothing(loss, labelled, order, far_order):
    labels, other_labels, seed = labelled
    anchors, others = drawn(seed)
    labels, other_labels = np.array(labels), np.array(other_labels)
    order, far_order = np.array(order), np.array(far_order)
    value, slopes = STEP[loss](anchors, labels, others, other_labels)
    found, turned = STEP[loss](
        anchors[order], labels[order], others[far_order], other_labels[far_order]
    )
    np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-5)
    for a, b, rows in zip(turned, slopes, (order, far_order), strict=True):
        np.testing.assert_allclose(a, b[rows], rtol=1e-3, atol=1e-4)


@either
@settings(max_examples=25)
@given(
    LABELLED,
    st.lists(st.booleans(), min_size=B, max_size=B),
    st.lists(st.booleans(), min_size=A, max_size=A),
    st.sampled_from([0.0, 1e-30, 77.0, 1e30, np.inf, np.nan]),
)
def test_padding_rows_change_neither_value_nor_gradient(
    loss, labelled, where, other_where, content
):
    labels, other_labels, seed = labelled
    masks = {"where": np.array(where), "other_where": np.array(other_where)}
    labels, other_labels = np.array(labels), np.array(other_labels)
    embeddings = drawn(seed)
    soiled = [
        np.where(mask[:, None], x, content)
        for x, mask in zip(embeddings, masks.values(), strict=True)
    ]
    run = lambda x: MASKED[loss](x[0], labels, x[1], other_labels, **masks)
    (value, clean), (other, dirty) = run(embeddings), run(soiled)
    assert np.isfinite(value) and value == other
    for a, b, mask in zip(clean, dirty, masks.values(), strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all() and not np.asarray(a)[~mask].any()


def masked(loss, anchors, labels, others, other_labels, where, other_where):
    masks = {"where": where, "other_where": other_where}
    return loss(anchors, labels, others, other_labels, temperature=0.2, **masks)


MASKED = {
    loss: jax.jit(jax.value_and_grad(functools.partial(masked, loss), (0, 2)))
    for loss in BOTH
}


@either
@settings(max_examples=25)
@given(LABELLED, st.lists(st.floats(-60, 60), min_size=B, max_size=B))
def test_lengths_do_not_matter(loss, labelled, exponents):
    labels, other_labels, seed = labelled
    anchors, others = drawn(seed)
    lengths = 2.0 ** np.array(exponents)[:, None]
    arguments = np.array(labels), others, np.array(other_labels)
    value, slopes = STEP[loss](anchors, *arguments)
    found, shorter = STEP[loss](anchors * lengths, *arguments)
    np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(shorter[0] * lengths, slopes[0], rtol=1e-2, atol=1e-3)


# What must not break.


@either
@settings(max_examples=40)
@given(
    st.lists(
        st.sampled_from([0.0, 1e-45, 1e-38, 1e-31, 1e-20, 1.0, 1e19, 1e37]),
        min_size=B + A,
        max_size=B + A,
    ),
    LABELLED,
)
def test_vectors_of_any_length_give_finite_values_and_gradients(loss, scales, labelled):
    labels, other_labels, _ = labelled
    directions = np.sign(np.concatenate(drawn()))
    vectors = np.float32(directions * np.array(scales)[:, None])
    value, slopes = STEP[loss](
        vectors[:B], np.array(labels), vectors[B:], np.array(other_labels)
    )
    assert np.isfinite(value)
    assert all(np.isfinite(slope).all() for slope in slopes)


@either
def test_equal_and_zero_vectors_have_a_value_and_a_gradient(loss):
    for anchors, others in ((np.zeros((B, D)), np.zeros((A, D))), np.ones((2, B, D))):
        arguments = anchors, LABELS, others[:A], OTHER_LABELS
        value, slopes = STEP[loss](*arguments)
        np.testing.assert_allclose(value, naive(loss, *arguments, 0.2), rtol=1e-5)
        assert all(np.isfinite(slope).all() for slope in slopes)


@either
def test_anchors_without_positives_count_for_nothing(loss):
    anchors, others = drawn()
    lonely = np.arange(B)
    value, slopes = STEP[loss](anchors, lonely, others, 100 + np.arange(A))
    assert value == 0
    assert not any(np.any(slope) for slope in slopes)
    # Beside others that have some, they are what those keep away from, but no anchors.
    labels = np.array([0, 0, 1, 2, 3, 4])
    found = loss(anchors, labels, temperature=0.5)
    expected = naive(loss, anchors, labels, [], [], 0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@either
@pytest.mark.parametrize("rows", [1, 2, B])
def test_a_batch_of_one_class_or_of_one_row(loss, rows):
    anchors, _ = drawn()
    labels = np.zeros(rows, int)
    step = jax.jit(jax.value_and_grad(lambda z: loss(z, labels)))
    value, slope = step(anchors[:rows])
    expected = naive(loss, anchors[:rows], labels, [], [], 0.07)
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)
    assert np.isfinite(slope).all() and (rows > 1 or not np.any(slope))


@either
@pytest.mark.parametrize("side", ["anchors", "others", "both"])
def test_a_batch_of_nothing_but_padding(loss, side):
    where = np.full(B, side == "others")
    other_where = np.full(A, side == "anchors")
    arguments = (*drawn(), LABELS, OTHER_LABELS)
    anchors, others, labels, other_labels = arguments
    value, slopes = MASKED[loss](
        anchors, labels, others, other_labels, where=where, other_where=other_where
    )
    expected = naive(loss, anchors, labels, [], [], 0.2) if side == "others" else 0
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert all(np.isfinite(slope).all() for slope in slopes)
    assert np.any(slopes[0]) == (side == "others") and not np.any(slopes[1])


@either
def test_a_low_temperature_overflows_nothing(loss):
    value = called(loss, True, temperature=1e-3)
    assert np.isfinite(value(*drawn()))
    assert np.isfinite(jax.grad(value)(*drawn())).all()


@either
def test_half_precision_is_summed_in_single(loss):
    halves = [jnp.asarray(x, jnp.bfloat16) for x in drawn()]
    value = called(loss, True)
    found, slope = jax.value_and_grad(value)(*halves)
    assert found.dtype == jnp.float32 and slope.dtype == jnp.bfloat16
    single = [x.astype(jnp.float32) for x in halves]
    np.testing.assert_allclose(found, value(*single), rtol=1e-6)


@either
def test_one_lane_of_many_is_the_loss_alone(loss):
    lanes = [drawn(seed) for seed in range(3)]
    stacked = [np.stack(x) for x in zip(*lanes, strict=True)]
    value = called(loss, True, where=WHERE, other_where=OTHER_WHERE)
    together = jax.jit(jax.vmap(value))(*stacked)
    alone = [value(*lane) for lane in lanes]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@either
@pytest.mark.parametrize(
    ("anchors", "labels", "others", "other_labels", "where"),
    [
        ((B, D), (B + 1,), (A, D), (A,), (B,)),
        ((B, D), (B,), (A, D), (A - 1,), (B,)),
        ((B, D), (B,), (A, D + 1), (A,), (B,)),
        ((B, D), (B,), (A, D), (A,), (B - 1,)),
        ((B, 2, D), (B,), (A, D), (A,), (B,)),
        # Too many labels of the one, too few of the other.
        ((B, D), (B + 1,), (A, D), (A - 1,), (B + 1,)),
    ],
)
def test_shapes_that_disagree_are_refused(
    loss, anchors, labels, others, other_labels, where
):
    with pytest.raises(AssertionError):
        loss(
            jnp.zeros(anchors),
            jnp.zeros(labels, int),
            jnp.zeros(others),
            jnp.zeros(other_labels, int),
            where=jnp.ones(where, bool),
        )


@either
def test_others_without_labels_are_refused(loss):
    anchors, others = drawn()
    with pytest.raises(ValueError, match="others come with other_labels"):
        loss(anchors, LABELS, others)


def test_docstring_examples():
    result = doctest.testmod(module, extraglobs={"jnp": jnp})
    assert result.attempted == 4 and not result.failed
