"""One scene for all tests of the stage."""

from __future__ import annotations

import pytest
from tests.stage.scenes import circling, swinging

from kinema.scene.scene import Scene


@pytest.fixture(scope="session")
def scene() -> Scene:
    """One person, four frames, 64 x 64."""
    return Scene((swinging(),), circling(), 10.0)
