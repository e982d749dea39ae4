"""The serving half of a role: from features to the role's outputs, for baselines and boosted trees alike.

Outputs, one row a candle: *trend* (up, down) probabilities; *return* (mean, p10, p50, p90) in units of
ATR over close; *risk* (long, short) probabilities that the stop comes first. XGBoost is imported on
first use; scikit-learn never.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sereno.core.candle import F64
from sereno.core.errors import SkipThis
from sereno.models.calibration import Calibrator, from_json, renormalised, to_json
from sereno.models.contract import Contributions, Role
from sereno.models.lean import lean_xgboost

BASELINE_FILE = "baseline.json"
TREES_FILE = "model.ubj"
MEAN_FILE = "mean.ubj"
CALIBRATION_FILE = "calibration.json"
WIDTH = {Role.TREND: 2, Role.RETURN: 4, Role.RISK: 2}


class Outlook(Protocol):
    """One role's model, learned or not."""

    @property
    def kind(self) -> str: ...

    def outputs(self, x: F64) -> F64:
        """(n, k) features in the model's order to (n, width) outputs; the same bits for a row alone."""
        ...

    def contributions(self, x: F64, output: int) -> Contributions:
        """What each feature did to one output of one row (1, k)."""
        ...

    def files(self) -> Mapping[str, bytes]:
        """What the registry keeps."""
        ...


@dataclass(frozen=True, slots=True)
class Baseline:
    """The same outputs always: class frequencies, quantiles in ATR units, base rates."""

    values: tuple[float, ...]
    rows: int
    kind: str = "baseline"

    def outputs(self, x: F64) -> F64:
        return np.tile(np.array(self.values, dtype=np.float64), (len(x), 1))

    def contributions(self, x: F64, output: int) -> Contributions:  # noqa: ARG002 - a constant has no drivers
        return Contributions((), base=self.values[output], value=self.values[output], remainder=0.0)

    def files(self) -> Mapping[str, bytes]:
        return {BASELINE_FILE: _dumped({"values": self.values, "rows": self.rows})}


@dataclass(frozen=True, slots=True)
class Shrink:
    """The learned mean, pulled towards a constant: centre + weight * (learned - centre)."""

    centre: float
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Trend:
    """Three classes, each calibrated, together one."""

    trees: Any
    calibrators: tuple[Calibrator, ...]
    kind: str = "boosted"

    def scores(self, x: F64) -> F64:
        """(n, 3) uncalibrated class probabilities."""
        return _predicted(self.trees, x)

    def classes(self, x: F64) -> F64:
        """(n, 3) calibrated probabilities of up, down, neither; rows sum to one."""
        return renormalised(_calibrated(self.calibrators, self.scores(x)))

    def outputs(self, x: F64) -> F64:
        return np.ascontiguousarray(self.classes(x)[:, :2])

    def contributions(self, x: F64, output: int) -> Contributions:
        """Trees add to the margin of each class; a class's odds move with those of the others as well."""
        base, shap = _shap(self.trees, x)
        scores = _softmax(np.vstack([base, base + shap.sum(axis=1)]))
        on_scores = _odds_slopes(scores[1]) @ shap
        calibrated = _calibrated(self.calibrators, scores)
        slopes = [
            _slope(*each) for each in zip(self.calibrators, _log_odds(scores[1]), on_scores, strict=True)
        ]
        on_logs = ((1.0 - calibrated[1]) * slopes)[:, None] * on_scores
        served = renormalised(calibrated)
        steps = _odds_slopes(served[1])[output] @ on_logs
        value = float(self.outputs(x)[0, output])
        return _of_probability(self.trees, steps, base=float(served[0, output]), value=value)

    def files(self) -> Mapping[str, bytes]:
        return {TREES_FILE: _saved(self.trees), CALIBRATION_FILE: _calibrators_file(self.calibrators)}


@dataclass(frozen=True, slots=True, eq=False)
class Return:
    """Three quantiles and a mean, in units of ATR over close."""

    trees: Any
    mean_trees: Any
    shrink: Shrink
    kind: str = "boosted"

    def outputs(self, x: F64) -> F64:
        quantiles = np.sort(_predicted(self.trees, x), axis=1)
        learned = _predicted(self.mean_trees, x)[:, 0]
        mean = self.shrink.centre + self.shrink.weight * (learned - self.shrink.centre)
        return np.column_stack([mean, quantiles])

    def contributions(self, x: F64, output: int) -> Contributions:
        """Of a quantile: from those trees whose answer, once sorted, is the one served."""
        if output == 0:
            base, shap = _shap(self.mean_trees, x)
            centre, weight = self.shrink.centre, self.shrink.weight
            return _of_return(self.trees, weight * shap[0], base=centre + weight * (float(base[0]) - centre))
        base, shap = _shap(self.trees, x)
        answers = int(np.argsort(base + shap.sum(axis=1), kind="stable")[output - 1])
        return _of_return(self.trees, shap[answers], base=float(base[answers]))

    def files(self) -> Mapping[str, bytes]:
        shrink = {"mean_shrink": {"centre": self.shrink.centre, "weight": self.shrink.weight}}
        return {
            TREES_FILE: _saved(self.trees),
            MEAN_FILE: _saved(self.mean_trees),
            CALIBRATION_FILE: _dumped(shrink),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Risk:
    """Whether the stop comes first, for a long and for a short."""

    trees: Any
    calibrators: tuple[Calibrator, ...]
    kind: str = "boosted"

    def scores(self, x: F64) -> F64:
        """(n, 2) uncalibrated probabilities."""
        return _predicted(self.trees, x)

    def outputs(self, x: F64) -> F64:
        return _calibrated(self.calibrators, self.scores(x))

    def contributions(self, x: F64, output: int) -> Contributions:
        base, shap = _shap(self.trees, x)
        calibrator, effects = self.calibrators[output], shap[output]
        slope = _slope(calibrator, float(base[output] + effects.sum()), effects)
        served = float(calibrator.apply(_expit(base[output : output + 1]))[0])
        return _of_probability(
            self.trees, slope * effects, base=served, value=float(self.outputs(x)[0, output])
        )

    def files(self) -> Mapping[str, bytes]:
        return {TREES_FILE: _saved(self.trees), CALIBRATION_FILE: _calibrators_file(self.calibrators)}


def read_outlook(role: Role, files: Mapping[str, bytes], *, features: tuple[str, ...]) -> Outlook:
    """The model that an artefact's files hold. Raises SkipThis when they cannot be read as one."""
    try:
        outlook = _read(role, files, features)
    except (KeyError, TypeError, ValueError) as cause:
        raise SkipThis("models.unreadable", role=role, fault=repr(cause)) from cause
    return outlook


def _read(role: Role, files: Mapping[str, bytes], features: tuple[str, ...]) -> Outlook:
    if BASELINE_FILE in files:
        raw = json.loads(files[BASELINE_FILE])
        values = tuple(float(value) for value in raw["values"])
        if len(values) != WIDTH[role]:
            raise ValueError(f"a {role} baseline has {WIDTH[role]} values, not {len(values)}")
        return Baseline(values, int(raw["rows"]))
    trees = _loaded(files[TREES_FILE], features)
    kept = json.loads(files[CALIBRATION_FILE])
    match role:
        case Role.TREND:
            return Trend(trees, tuple(from_json(raw) for raw in kept["calibrators"]))
        case Role.RISK:
            return Risk(trees, tuple(from_json(raw) for raw in kept["calibrators"]))
        case Role.RETURN:
            shrink = Shrink(float(kept["mean_shrink"]["centre"]), float(kept["mean_shrink"]["weight"]))
            return Return(trees, _loaded(files[MEAN_FILE], features), shrink)


def _loaded(raw: bytes, features: tuple[str, ...]) -> Any:
    """A booster on one thread, whose own column names are those of the manifest, in that order."""
    xgboost = lean_xgboost()
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(raw))
    except xgboost.core.XGBoostError as cause:
        raise ValueError("not a boosted model") from cause
    if tuple(booster.feature_names or ()) != features:
        raise ValueError("the model's own feature names are not those of its manifest")
    booster.set_param({"nthread": 1})
    return booster


def _predicted(trees: Any, x: F64) -> F64:
    """(n, outputs) float64."""
    if not len(x):
        return np.empty((0, 3))
    return np.asarray(trees.inplace_predict(x), dtype=np.float64).reshape(len(x), -1)


def _calibrated(calibrators: tuple[Calibrator, ...], scores: F64) -> F64:
    return np.column_stack([c.apply(np.ascontiguousarray(scores[:, i])) for i, c in enumerate(calibrators)])


def _shap(trees: Any, x: F64) -> tuple[F64, F64]:
    """(outputs,) the trees' margins before any feature, and (outputs, k) what each feature adds to them."""
    xgboost = lean_xgboost()
    matrix = xgboost.DMatrix(x, feature_names=trees.feature_names, nthread=1)
    values = np.asarray(trees.predict(matrix, pred_contribs=True), dtype=np.float64)
    values = values.reshape(-1, values.shape[-1])
    return values[:, -1], values[:, :-1]


def _odds_slopes(prob: F64) -> F64:
    """(m, m) change of log(p / (1 - p)) of each class with the logs of all: 1 for its own, less the others' shares."""
    slopes = -prob[None, :] / (1.0 - prob[:, None])
    np.fill_diagonal(slopes, 1.0)
    return slopes


def _slope(calibrator: Calibrator, log_odds: float, effects: F64) -> float:
    """How far calibrated log-odds move with those of a score, over the reach of all its effects.

    Not at the very point: an isotonic curve is a flight of steps, flat or steep wherever one looks closely.
    """
    low, high = log_odds - effects[effects > 0].sum(), log_odds - effects[effects < 0].sum()
    if low == high:
        return 0.0
    below, above = _log_odds(calibrator.apply(_expit(np.array([low, high]))))
    return float((above - below) / (high - low))


def _of_probability(trees: Any, steps: F64, *, base: float, value: float) -> Contributions:
    before, after = _log_odds(np.array([base, value]))
    remainder = float(after - before - steps.sum())
    return Contributions(_strongest_first(trees, steps), base=base, value=value, remainder=remainder)


def _of_return(trees: Any, steps: F64, *, base: float) -> Contributions:
    value = base + float(steps.sum())
    return Contributions(_strongest_first(trees, steps), base=base, value=value, remainder=0.0)


def _strongest_first(trees: Any, steps: F64) -> tuple[tuple[str, float], ...]:
    pairs = zip(trees.feature_names, steps.tolist(), strict=True)
    return tuple(sorted(pairs, key=lambda pair: (-abs(pair[1]), pair[0])))


def _softmax(margins: F64) -> F64:
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _expit(log_odds: F64) -> F64:
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))


def _log_odds(prob: F64) -> F64:
    held = np.clip(prob, 1e-7, 1.0 - 1e-7)
    return np.asarray(np.log(held / (1.0 - held)))


def _saved(trees: Any) -> bytes:
    return bytes(trees.save_raw("ubj"))


def _calibrators_file(calibrators: tuple[Calibrator, ...]) -> bytes:
    return _dumped({"calibrators": [to_json(c) for c in calibrators]})


def _dumped(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1).encode()
