"""`train-report.html`: what training found, as one page that needs nothing else."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sereno.core.candle import F64, I64
from sereno.core.files import replace_file
from sereno.core.page import Drawn, Kind, Section, Table, Words, number, page
from sereno.core.timeframe import DAY_MS, iso
from sereno.models.contract import Role
from sereno.models.trained import RoleReport, TrainReport
from sereno.models.walkforward import Fold
from sereno.store.registry import ModelManifest

IMPORTANCE_ROWS = 15
HEADLINE = {Role.TREND: "log_loss", Role.RETURN: "pinball", Role.RISK: "log_loss"}
HEAD = (
    "role",
    "trained",
    "loss",
    "trees",
    "baseline",
    "improvement",
    "p-value",
    "test rows",
    "served",
    "against what served",
    "new trees not served because",
)
HOW = (
    "Every score is of the test slice: rows later than anything the models were trained, tuned or calibrated "
    "on. That slice decides whether a model serves, so the scores of a served model are somewhat flattered; "
    "the equity curve is drawn from forecasts that chose nothing. A model that does not beat its baseline is "
    "kept, but not served. Past scores do not promise future ones."
)


@dataclass(frozen=True, slots=True, eq=False)
class EquityCurve:
    """Account value over the fold's rows, as the trading room computed it.

    ts             (n,) moments, rising
    equity_quote   (n,) account value
    caption        one line: costs, number of trades, result
    window         what the forecasts knew, and what they did not take part in
    """

    ts: I64
    equity_quote: F64
    caption: str
    window: str


def write_train_report(
    path: Path, reports: Sequence[TrainReport], *, equity: Mapping[str, EquityCurve] | None = None
) -> Path:
    """Write the page atomically; `equity` holds a curve by series key. Returns the path."""
    replace_file(path, train_report(reports, equity=equity or {}))
    return path


def train_report(reports: Sequence[TrainReport], *, equity: Mapping[str, EquityCurve]) -> str:
    """The page as text. Nothing in it is loaded from elsewhere."""
    series = (part for report in reports for part in _series(report, equity.get(report.series.key)))
    return page("Training report", (Section("", (Words(HOW, Kind.FAINT),)), *series))


def _series(report: TrainReport, curve: EquityCurve | None) -> Iterator[Section]:
    trained = any(role.fresh for role in report.roles)
    facts = f"{report.rows} labelled rows, trained just now" if trained else "not trained this time"
    summary = Table(HEAD, tuple(_summary(role) for role in report.roles), figures=True)
    yield Section(report.series.key, (Words(facts, Kind.FAINT), summary))
    yield _equity(report, curve)
    yield from (_role(role) for role in report.roles)


def _summary(role: RoleReport) -> tuple[str | Words, ...]:
    name = HEADLINE[role.role]
    verdict = role.evaluation["verdict"]
    served = str(role.served.extra.get("kind"))
    why = ". ".join(word for word in (role.trees.refused_reason, role.held) if word)
    return (
        role.role.value,
        _when(role),
        name.replace("_", " "),
        number(role.evaluation["metrics"][name], 4),
        number(role.evaluation["baseline_metrics"][name], 4),
        number(verdict["improvement"], 4),
        number(verdict["p_value"], 4),
        str(role.evaluation["slices"]["test"]["rows"]),
        Words(served, Kind.GOOD if served == "boosted" else Kind.BAD),
        _champion(role),
        why,
    )


def _when(report: RoleReport) -> str | Words:
    moment = iso(report.trees.created_ms)
    return Words(f"{moment}, this time", Kind.GOOD) if report.fresh else f"{moment}, before"


def _champion(report: RoleReport) -> str:
    """How the new trees did beside those that served, on rows that neither was fitted on."""
    found = report.evaluation["champion"]
    if found is None:
        return f"not compared: {report.no_duel or 'see the training that made them'}"
    span = f"{iso(found['since_ms'])} to {iso(found['until_ms'])}"
    return (
        f"{found['version']}: lead over the new trees {number(found['lead'], 4)}, p {number(found['p_value'], 4)}, "
        f"{found['rows']} rows, {span}"
    )


def _equity(report: TrainReport, curve: EquityCurve | None) -> Section:
    """The curve with exactly what it is drawn from."""
    if curve is None or not len(curve.ts):
        why = f" ({report.fault})" if report.fault else ""
        told = f"Out-of-sample equity: no trades were simulated for this report{why}."
        return Section("", (Words(told, Kind.FAINT),))
    figure, axes = _figure(8.0, 2.8)
    axes.plot((curve.ts - curve.ts[0]) / DAY_MS, curve.equity_quote, color="#2456a6", linewidth=1.2)
    axes.set_xlabel(f"days since {iso(int(curve.ts[0]))}")
    axes.set_ylabel("equity, quote")
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    words = (Words(curve.window, Kind.FAINT), Words(curve.caption, Kind.FAINT))
    return Section("Out-of-sample equity, walk-forward", (*words, Drawn(_svg(figure))), level=3)


def window_of(fold: Fold) -> str:
    """What the curve's forecasts knew, and what they did not take part in."""
    kinds = ", ".join(f"{role} {scores.served}" for role, scores in fold.metrics.items())
    return (
        f"{len(fold.forecasts)} candles from {iso(fold.test_from_ms)} to {iso(fold.test_to_ms)}. "
        f"Forecast by models that were learned, calibrated and chosen on the {fold.train_rows} labelled rows up to "
        f"{iso(fold.train_to_ms)} alone ({kinds}; parameters not searched): no candle of this window took part in "
        f"choosing them. They are not the models that serve, which this window judged."
    )


def _role(report: RoleReport) -> Section:
    found, slices = report.evaluation, report.evaluation["slices"]
    spans = "; ".join(
        f"{name} {slices[name]['rows']} rows, {iso(slices[name]['first_ms'])} to {iso(slices[name]['last_ms'])}"
        for name in ("train", "calibration", "test")
    )
    params = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in found["params"].items())
    plots = _calibration_plot(found["curves"]) + _importance_plot(found["importance"])
    parts = (
        *((Words(report.held, Kind.BAD),) if report.held else ()),
        Words(f"Trained {_origin(report.trees)}.", Kind.FAINT),
        Words(f"{spans}.", Kind.FAINT),
        Words(f"{found['rounds']} rounds; {params}; {_searched(found['tuning'])}.", Kind.FAINT),
        _scores(found),
        Drawn(plots),
    )
    return Section(f"{report.role}: serving {report.served.version}", parts, level=3)


def _origin(trees: ModelManifest) -> str:
    return (
        f"{iso(trees.created_ms)}, commit {trees.git_commit[:12]}, data {trees.data_digest[:12]}, "
        f"settings {trees.settings_digest[:12]}"
    )


def _searched(tuning: Mapping[str, Any]) -> str:
    told = f"{tuning['trials']} trials, {tuning['pruned']} of them given up early"
    return told if tuning["stopped_by"] == "trials" else f"{told}, STOPPED BY TIME: another run may differ"


def _scores(found: Mapping[str, Any]) -> Table:
    window = found["slices"]["test"]
    span = f"test slice, {window['rows']} rows, {iso(window['first_ms'])} to {iso(window['last_ms'])}"
    rows = tuple(
        (name.replace("_", " "), number(value, 4), number(found["baseline_metrics"][name], 4))
        for name, value in sorted(found["metrics"].items())
    )
    return Table((span, "trees", "baseline"), rows, figures=True)


def _calibration_plot(curves: Mapping[str, Sequence[Sequence[float]]]) -> str:
    if not curves:
        return ""
    figure, axes = _figure(4.6, 4.0)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle="--", label="perfect")
    for name, points in curves.items():
        axes.plot(
            [p[0] for p in points],
            [p[1] for p in points],
            marker="o",
            markersize=3.5,
            label=name.replace("_", " "),
        )
    most = max((max(p[0], p[1]) for points in curves.values() for p in points), default=1.0)
    axes.set(
        xlim=(0, min(1, most * 1.15)),
        ylim=(0, min(1, most * 1.15)),
        xlabel="forecast probability",
        ylabel="frequency",
        title="calibration, test slice",
    )
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure)


def _importance_plot(importance: Sequence[Sequence[Any]]) -> str:
    if not importance:
        return ""
    top = list(importance[:IMPORTANCE_ROWS])[::-1]
    figure, axes = _figure(4.6, 4.0)
    axes.barh([str(name) for name, _ in top], [float(share) for _, share in top], color="#2456a6")
    axes.set(xlabel="share of total gain", title="importance")
    axes.tick_params(axis="y", labelsize=8)
    return _svg(figure)


def _figure(width_in: float, height_in: float) -> tuple[Any, Any]:
    """A figure of its own, without pyplot's global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Any) -> str:
    """The figure as an inline element, the same text for the same figure."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "sereno", "svg.fonttype": "path"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue().partition("<svg")[2].join(("<svg", ""))
