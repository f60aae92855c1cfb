"""What tests of training share."""

import pytest


@pytest.fixture(autouse=True)
def quick_curves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figure of curves, which takes as long as a tiny run, unless a test asks for `drawn_curves`."""
    if "drawn_curves" not in request.fixturenames:
        monkeypatch.setattr("babelrank.training.metadata.draw_curves", lambda _: b"<svg/>")


@pytest.fixture
def drawn_curves() -> None:
    """For tests that look at the figure of curves."""
