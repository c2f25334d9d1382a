"""Fixtures of the tests of pictures."""

import pytest


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, in order."""
    from matplotlib.figure import Figure

    figures = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure,
        "savefig",
        lambda self, *a, **k: (figures.append(self), save(self, *a, **k)),
    )
    return figures
