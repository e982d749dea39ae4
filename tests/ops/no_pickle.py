"""A hook under which whoever unpickles anything is written down, and fails."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

HOOK = '''
"""sitecustomize of every process of the desk.

Every class that a pickle names is heard of by an audit event, whichever unpickler asks for it; pickles of plain
data name none, so the functions and classes of pickle are guarded too. Numba keeps its own compiled code through
pickle: what its cache reads out of its own folder, and the constants in that code when it is called, are its
business, and nothing else.
"""
import _pickle, os, pickle, sys

LOG = os.environ["NO_PICKLE_LOG"]

def is_numbas_cache(frame):
    code = frame.f_code
    if frame.f_globals.get("__name__") != "numba.core.caching":
        return False
    if code is not getattr(sys.modules["numba.core.caching"].IndexDataCacheFile, code.co_name, code).__code__:
        return False
    cache = frame.f_locals["self"]
    if code.co_name == "_load_index":
        path, suffix = cache._index_path, ".nbi"
    elif code.co_name == "_load_data":
        path, suffix = cache._data_path(frame.f_locals["name"]), ".nbc"
    else:
        return False
    inside = os.path.dirname(os.path.realpath(path)) == os.path.realpath(cache._cache_path)
    return inside and path.endswith(suffix) and frame.f_globals["__file__"] == code.co_filename

def is_numbas_constant(frame):
    if frame.f_globals.get("__name__") != "numba.core.serialize":
        return False
    # compiled code asks for it out of C: the frame below is that of the caller of a compiled function
    rebuilds = frame.f_code is sys.modules["numba.core.serialize"]._numba_unpickle.__code__
    return rebuilds and frame.f_back is not None and frame.f_code.co_name not in frame.f_back.f_code.co_names

def refuse():
    frame, names = sys._getframe(1), []
    while frame is not None:
        if is_numbas_cache(frame) or is_numbas_constant(frame):
            return
        names.append(frame.f_globals.get("__name__", "?"))
        frame = frame.f_back
    with open(LOG, "a") as log:
        log.write(" < ".join(names[:12]) + "\\n")
    raise RuntimeError("something was unpickled by " + " < ".join(names[1:4]))

def guarded(real):
    def call(*args, **kwargs):
        refuse()
        return real(*args, **kwargs)
    return call

class NoUnpickler(_pickle.Unpickler):
    def load(self):
        refuse()
        return super().load()

sys.addaudithook(lambda event, _: refuse() if event == "pickle.find_class" else None)
pickle._Unpickler.load = guarded(pickle._Unpickler.load)
pickle._loads, pickle._load = guarded(pickle._loads), guarded(pickle._load)
pickle.loads = _pickle.loads = guarded(_pickle.loads)
pickle.load = _pickle.load = guarded(_pickle.load)
pickle.Unpickler = _pickle.Unpickler = NoUnpickler
with open(LOG + ".guarded", "a") as seen:
    seen.write(" ".join(sys.orig_argv[-3:]) + f" {os.getpid()}\\n")
'''


def environment(folder: Path) -> Mapping[str, str]:
    """Of a process that must not unpickle; what it tells lies in `folder`."""
    hook = folder / "hook"
    hook.mkdir(exist_ok=True)
    (hook / "sitecustomize.py").write_text(HOOK)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SERENO_")}
    return {**kept, "PYTHONPATH": str(hook), "NO_PICKLE_LOG": str(folder / "unpickled")}


def unpickled(folder: Path) -> list[str]:
    """Who unpickled: callers, innermost first, one line each."""
    log = folder / "unpickled"
    return log.read_text().splitlines() if log.exists() else []


def watched(folder: Path) -> list[str]:
    """The processes under the hook: their last words and number."""
    return (folder / "unpickled.guarded").read_text().splitlines()
