"""Fixtures that every room may use."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

pytest_plugins = ["tests.fixtures.postgres"]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real market data; tests that ask for it are skipped on machines without one."""
    here = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("SERENO_SHARED", here.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("no development data beside the checkout")
    return folder


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Logging as it was before: a desk run in a test must not write to that test's closed stream later."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for added in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(added)
    root.setLevel(level)
    structlog.reset_defaults()
