"""Shared by all tests: the motion library and the reference figures, where they are present."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from kinema.data.motion_library import MotionLibrary

REPOSITORY = Path(__file__).resolve().parent.parent

settings.register_profile("kinema", deadline=None)  # how long a test takes never fails it
settings.load_profile("kinema")


@pytest.fixture(scope="session")
def motion_library_dir() -> Path:
    """The folder of the motion capture set; tests that need it are skipped where it is absent."""
    from kinema.data.motion_library import ENVIRONMENT_VARIABLE, library_folder

    folder = library_folder() or library_folder(REPOSITORY.parent / "shared" / "motion_data")
    if folder is None:
        pytest.skip(f"the motion library is not on this machine (set {ENVIRONMENT_VARIABLE} to its folder)")
    return folder


@pytest.fixture(scope="session")
def motion_library(motion_library_dir: Path) -> MotionLibrary:
    """The motion capture set, opened."""
    from kinema.data.motion_library import MotionLibrary

    return MotionLibrary.open(motion_library_dir)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of the reference figures; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("KINEMA_REFERENCE") or REPOSITORY.parent / "shared" / "reference")
    if not folder.is_dir():
        pytest.skip("the reference figures are not on this machine (set KINEMA_REFERENCE to their folder)")
    return folder
