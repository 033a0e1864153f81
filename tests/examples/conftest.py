"""Each example is run once under the platform's default start method, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import psutil
import pytest
from running import PROJECT, Run, run


@pytest.fixture(scope="session")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    @cache
    def once(name: str) -> Run:
        before = set(psutil.Process().children(recursive=True))
        done = run(PROJECT.example(name), tmp_path_factory.mktemp(name))
        assert set(psutil.Process().children(recursive=True)) <= before
        return done

    return once
