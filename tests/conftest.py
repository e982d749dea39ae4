"""Fixtures that every room may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.fixtures.postgres"]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real market data; tests that ask for it are skipped on machines without one."""
    here = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("SERENO_SHARED", here.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("no development data beside the checkout")
    return folder
