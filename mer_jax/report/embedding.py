"""Features of two domains as a picture: who lies among whom, before and after."""

import itertools
from collections.abc import Iterator

import numpy as np

from mer_jax.report.figures import COLOURS, INK, entitle, new_figure, png
from mer_jax.report.row import Embedded, Embedding, Row

_PANEL, _UNLABELLED = 4.8, "#b0b0b0"  # inches
_PERPLEXITY = 30.0


def embedding_png(row: Row, embedding: Embedding) -> bytes:
    """Draws the features of all domains together, by t-SNE.

    Args:
      row: what the sample's clips belong to.
      embedding: its features.

    Returns:
      A PNG file.
    """
    figure = new_figure(2 * _PANEL, _PANEL + 1.2)
    for axes, when in zip(figure.subplots(1, 2), ("before", "after"), strict=True):
        places = _laid_out(embedding, when)
        for (domain, own), marker in zip(places.items(), _markers(), strict=False):
            _scatter(axes, embedding.domains[domain], own, marker)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(f"{when} the last stage", fontsize=9, color=INK)
    _legend(figure, row, embedding)
    told = f"t-SNE of features, fold {embedding.fold}, seed {embedding.seed}"
    entitle(figure, row, [told])
    return png(figure)


def _laid_out(embedding: Embedding, when: str) -> dict[str, np.ndarray]:
    """Returns float[n, 2] of each domain."""
    features = [getattr(own, when) for own in embedding.domains.values()]
    places = t_sne(np.concatenate(features).astype(np.float64))
    ends = np.cumsum([len(part) for part in features])[:-1]
    return dict(zip(embedding.domains, np.split(places, ends), strict=True))


def t_sne(features: np.ndarray) -> np.ndarray:
    """Returns float[n, 2], where t-SNE puts features float[n, D] of two clips or more.

    It begins with two principal components where there are two, and with the same
    random places every time where there are not.
    """
    # Here, not above: it takes a second, and most reports have no such picture.
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    centred = features - features.mean(axis=0)
    begin = "pca" if np.linalg.matrix_rank(centred) > 1 else "random"
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    layout = TSNE(perplexity=perplexity, init=begin, random_state=0)
    # Threads would add up in any order; and waiting for one another on a busy machine
    # they take longer than one alone.
    with threadpool_limits(1, user_api="openmp"):
        return layout.fit_transform(features)


def _scatter(axes, own: Embedded, places: np.ndarray, marker: str) -> None:
    colours = np.array([_colour(label) for label in own.labels])
    few = 1 / len(own.labels)  # lies on top of many, which would hide it
    for chosen, edge, width, order in (
        (~own.held_out, "white", 0.3, 2 + few),
        (own.held_out, INK, 1.3, 4),
    ):
        axes.scatter(
            *places[chosen].T,
            c=colours[chosen],
            marker=marker,
            s=26,
            edgecolors=edge,
            linewidths=width,
            zorder=order,
        )


def _markers() -> Iterator[str]:
    return itertools.cycle("o^sDv")


def _colour(label: int) -> str:
    return COLOURS[label % len(COLOURS)] if label >= 0 else _UNLABELLED


def _legend(figure, row: Row, embedding: Embedding) -> None:
    from matplotlib.lines import Line2D

    domains = embedding.domains
    labels = {int(y) for own in domains.values() for y in own.labels}
    name = lambda y: row.results.classes[y] if y >= 0 else "no label"
    dot = lambda marker, colour, edge, text: Line2D(
        *([], []),
        ls="",
        marker=marker,
        color=colour,
        markeredgecolor=edge,
        markeredgewidth=1.3 if edge == INK else 0.3,
        label=text,
    )
    order = sorted(labels, key=lambda y: (y < 0, y))
    entries = [dot("o", _colour(y), "white", name(y)) for y in order]
    entries += [
        dot(marker, "#606060", "white", f"{domain}, {len(own.labels)} clips")
        for (domain, own), marker in zip(domains.items(), _markers(), strict=False)
    ]
    entries += [dot("o", "white", INK, "held out")]
    figure.legend(
        handles=entries,
        loc="outside lower center",
        ncols=min(len(entries), 6),
        frameon=False,
        fontsize=8,
    )
