"""The hook of invariant 8 hears every way to unpickle, and lets Numba's own cache be."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest

from tests.ops.no_pickle import environment, unpickled, watched

BY_A_MODULE_OF_NUMBA = """
import types
module = types.ModuleType("numba.extending")
exec("import pickle; loaded = pickle.loads(data)", {**vars(module), "data": open("plain", "rb").read()})
"""
BY_NUMBAS_CACHE = """
from pathlib import Path
from numba.core.caching import IndexDataCacheFile
file = IndexDataCacheFile(str(Path("cache").absolute()), "x", "stamp")
print(file._load_data({name!r}))
"""
BY_NUMBAS_CONSTANTS = """
from numba.core.serialize import _numba_unpickle
_numba_unpickle(1, open("plain", "rb").read(), b"not in the memo")
"""
WAYS = {
    "loads": "import pickle; pickle.loads(open('plain', 'rb').read())",
    "load": "import pickle; pickle.load(open('plain', 'rb'))",
    "C loads": "import _pickle; _pickle.loads(open('plain', 'rb').read())",
    "C class": "import _pickle; _pickle.Unpickler(open('plain', 'rb')).load()",
    "class": "from pickle import Unpickler; Unpickler(open('plain', 'rb')).load()",
    "Python class": "import pickle; pickle._Unpickler(open('plain', 'rb')).load()",
    "Python loads": "import pickle; pickle._loads(open('plain', 'rb').read())",
    "a base kept aside": "import pickle; pickle.Unpickler.__mro__[-2](open('named', 'rb')).load()",
    "joblib, plain": "import joblib; joblib.load('by_joblib')",
    "joblib, array": "import joblib; joblib.load('array_by_joblib')",
    "numpy": "import numpy; numpy.load('objects.npy', allow_pickle=True)",
    "multiprocessing": "from multiprocessing.reduction import ForkingPickler as F; F.loads(open('plain', 'rb').read())",
    "shelve": "import shelve; shelve.Shelf({b'x': open('plain', 'rb').read()})['x']",
    "a module that is called as one of Numba": BY_A_MODULE_OF_NUMBA,
    "constants of Numba": BY_NUMBAS_CONSTANTS,
    "Numba, outside its cache": BY_NUMBAS_CACHE.format(name="../outside.nbc"),
    "Numba, another kind of file": BY_NUMBAS_CACHE.format(name="plain"),
}
CACHED = """
from numba import njit
from kernel import doubled
assert doubled(2) == 4
try:
    doubled(-1)
except ValueError as error:
    assert str(error) == "below"
print("hits", sum(doubled.stats.cache_hits.values()))
"""


@pytest.fixture(scope="module")
def pickles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that someone could unpickle."""
    folder = tmp_path_factory.mktemp("pickles")
    (folder / "cache").mkdir()
    plain = pickle.dumps(["plain", 1])
    for name in ("plain", "outside.nbc", "cache/plain"):
        (folder / name).write_bytes(plain)
    (folder / "cache" / "inside.nbc").write_bytes(pickle.dumps(("stamp", b"")))
    (folder / "named").write_bytes(pickle.dumps(Path))
    joblib.dump(["plain"], folder / "by_joblib")
    joblib.dump(np.arange(3), folder / "array_by_joblib")
    np.save(folder / "objects.npy", np.array([None, {}], dtype=object), allow_pickle=True)
    return folder


def python(code: str, folder: Path, told: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(told),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_unpickle_fails_and_is_written_down(way: str, pickles: Path, tmp_path: Path) -> None:
    done = python(WAYS[way], pickles, tmp_path)
    assert done.returncode != 0
    assert "something was unpickled" in done.stderr
    assert unpickled(tmp_path)


@pytest.mark.parametrize("way", [way for way in WAYS if not way.startswith("Numba")])
def test_each_way_does_unpickle_when_nobody_watches(
    way: str, pickles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would prove nothing that it fails under the hook."""
    monkeypatch.chdir(pickles)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        exec(WAYS[way], {})


def test_what_pickles_nothing_is_left_alone(tmp_path: Path) -> None:
    assert python("import numpy, json, copy; copy.deepcopy({1: 2})", tmp_path, tmp_path).returncode == 0
    assert unpickled(tmp_path) == []
    assert len(watched(tmp_path)) == 1


def test_numba_may_read_its_own_cache(tmp_path: Path) -> None:
    (tmp_path / "kernel.py").write_text(
        "from numba import njit\n\n\n"
        "@njit(cache=True)\ndef doubled(x):\n    if x < 0:\n        raise ValueError('below')\n    return 2 * x\n"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{CACHED}"
    first, again = (python(code, tmp_path, tmp_path) for _ in range(2))
    assert (first.stdout.strip(), again.stdout.strip()) == ("hits 0", "hits 1"), first.stderr + again.stderr
    assert unpickled(tmp_path) == []
