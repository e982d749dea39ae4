"""XGBoost without what the desk does not need of it."""

from __future__ import annotations

import os
import sys
from typing import Any, cast


def lean_xgboost() -> Any:
    """The `xgboost` module, imported on first use and without scikit-learn.

    XGBoost imports scikit-learn for wrapper classes that are not used here, whenever it is installed:
    0.9 s and 70 MB in every process that serves a forecast. A None in `sys.modules` makes that import
    fail, which XGBoost provides for; it is taken away again at once.

    Its threads must sleep while they wait for each other, not spin: on two cores that something else
    also uses, spinning made a training ten times slower. OpenMP reads that wish only when it is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if "xgboost" in sys.modules or "sklearn" in sys.modules:
        import xgboost

        return xgboost
    modules = cast("dict[str, Any]", sys.modules)
    modules["sklearn"] = None
    try:
        import xgboost
    finally:
        del modules["sklearn"]
    return xgboost
