"""`train-report.html`: what training found, as one page that needs nothing else."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from sereno.core.candle import F64, I64
from sereno.core.files import replace_file
from sereno.core.timeframe import DAY_MS, iso
from sereno.models.contract import Role
from sereno.models.trained import RoleReport, TrainReport
from sereno.models.walkforward import Fold
from sereno.store.registry import ModelManifest

IMPORTANCE_ROWS = 15
HEADLINE = {Role.TREND: "log_loss", Role.RETURN: "pinball", Role.RISK: "log_loss"}
STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --faint: #667; --line: #d8dce4; --paper: #fff; --good: #1b7f4b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaf0; --faint: #a3a9b8; --line: #343a48; --paper: #14171e; --good: #5fd39a; --bad: #ff8a80; } svg { background: #fff; border-radius: 6px; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 64rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1rem; } th, td { text-align: right; padding: .2rem .8rem; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; } th:first-child, td:first-child { text-align: left; }
p.note { color: var(--faint); } .good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } .plots svg { max-width: 100%; height: auto; }
"""


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
    page = train_report(reports, equity=equity or {})
    replace_file(path, page)
    return path


def train_report(reports: Sequence[TrainReport], *, equity: Mapping[str, EquityCurve]) -> str:
    """The page as text. Nothing in it is loaded from elsewhere."""
    sections = "".join(_series(report, equity.get(report.series.key)) for report in reports)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Training report</title><style>{STYLE}</style></head><body><h1>Training report</h1>"
        "<p class='note'>Every score is of the test slice: rows later than anything the models were trained, tuned "
        "or calibrated on. That slice decides whether a model serves, so the scores of a served model are "
        "somewhat flattered; the equity curve is drawn from forecasts that chose nothing. A model that does not "
        "beat its baseline is kept, but not served. Past scores do not promise future ones.</p>"
        f"{sections}</body></html>\n"
    )


def _series(report: TrainReport, curve: EquityCurve | None) -> str:
    trained = any(role.fresh for role in report.roles)
    facts = f"{report.rows} labelled rows, trained just now" if trained else "not trained this time"
    roles = "".join(_role(role) for role in report.roles)
    return (
        f"<h2>{escape(report.series.key)}</h2><p class='note'>{facts}</p>"
        f"{_summary(report)}{_equity(report, curve)}{roles}"
    )


def _summary(report: TrainReport) -> str:
    rows = []
    for role in report.roles:
        name = HEADLINE[role.role]
        verdict = role.evaluation["verdict"]
        served = role.served.extra.get("kind")
        mark = "good" if served == "boosted" else "bad"
        why = ". ".join(word for word in (role.trees.refused_reason, role.held) if word)
        rows.append(
            f"<tr><td>{role.role}</td><td>{_when(role)}</td><td>{name.replace('_', ' ')}</td>"
            f"<td>{_number(role.evaluation['metrics'][name])}</td>"
            f"<td>{_number(role.evaluation['baseline_metrics'][name])}</td>"
            f"<td>{_number(verdict['improvement'])}</td><td>{_number(verdict['p_value'])}</td>"
            f"<td>{role.evaluation['slices']['test']['rows']}</td><td>{_champion(role)}</td>"
            f"<td class='{mark}'>{escape(str(served))}</td><td>{escape(why)}</td></tr>"
        )
    head = "".join(
        f"<th>{word}</th>"
        for word in (
            "role",
            "trained",
            "loss",
            "trees",
            "baseline",
            "improvement",
            "p-value",
            "test rows",
            "against what served",
            "served",
            "new trees not served because",
        )
    )
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _when(report: RoleReport) -> str:
    moment = iso(report.trees.created_ms)
    return f"<b>{moment}, this time</b>" if report.fresh else f"{moment}, before"


def _champion(report: RoleReport) -> str:
    """How the new trees did beside those that served, on rows that neither was fitted on."""
    found = report.evaluation["champion"]
    if found is None:
        return escape(f"not compared: {report.no_duel or 'see the training that made them'}")
    span = f"{iso(found['since_ms'])} to {iso(found['until_ms'])}"
    return escape(
        f"{found['version']}: lead over the new trees {_number(found['lead'])}, p {_number(found['p_value'])}, "
        f"{found['rows']} rows, {span}"
    )


def _equity(report: TrainReport, curve: EquityCurve | None) -> str:
    """The curve with exactly what it is drawn from."""
    if curve is None or not len(curve.ts):
        why = f" ({escape(report.fault)})" if report.fault else ""
        return f"<p class='note'>Out-of-sample equity: no trades were simulated for this report{why}.</p>"
    figure, axes = _figure(8.0, 2.8)
    axes.plot((curve.ts - curve.ts[0]) / DAY_MS, curve.equity_quote, color="#2456a6", linewidth=1.2)
    axes.set_xlabel(f"days since {iso(int(curve.ts[0]))}")
    axes.set_ylabel("equity, quote")
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    return (
        f"<h3>Out-of-sample equity, walk-forward</h3><p class='note'>{escape(curve.window)}<br>"
        f"{escape(curve.caption)}</p><div class='plots'>{_svg(figure)}</div>"
    )


def window_of(fold: Fold) -> str:
    """What the curve's forecasts knew, and what they did not take part in."""
    kinds = ", ".join(f"{role} {scores.served}" for role, scores in fold.metrics.items())
    return (
        f"{len(fold.forecasts)} candles from {iso(fold.test_from_ms)} to {iso(fold.test_to_ms)}. "
        f"Forecast by models that were learned, calibrated and chosen on the {fold.train_rows} labelled rows up to "
        f"{iso(fold.train_to_ms)} alone ({kinds}; parameters not searched): no candle of this window took part in "
        f"choosing them. They are not the models that serve, which this window judged."
    )


def _role(report: RoleReport) -> str:
    found, slices = report.evaluation, report.evaluation["slices"]
    spans = "; ".join(
        f"{name} {slices[name]['rows']} rows, {iso(slices[name]['first_ms'])} to {iso(slices[name]['last_ms'])}"
        for name in ("train", "calibration", "test")
    )
    params = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in found["params"].items())
    plots = _calibration_plot(found["curves"]) + _importance_plot(found["importance"])
    held = f"<p class='bad'>{escape(report.held)}</p>" if report.held else ""
    return (
        f"<h3>{report.role}: serving {escape(report.served.version)}</h3>{held}"
        f"<p class='note'>Trained {_origin(report.trees)}.<br>{spans}.<br>{found['rounds']} rounds; {params}; {_searched(found['tuning'])}.</p>"
        f"{_scores(found)}<div class='plots'>{plots}</div>"
    )


def _origin(trees: ModelManifest) -> str:
    return (
        f"{iso(trees.created_ms)}, commit {escape(trees.git_commit[:12])}, data {trees.data_digest[:12]}, "
        f"settings {trees.settings_digest[:12]}"
    )


def _searched(tuning: Mapping[str, Any]) -> str:
    told = f"{tuning['trials']} trials, {tuning['pruned']} of them given up early"
    return told if tuning["stopped_by"] == "trials" else f"{told}, STOPPED BY TIME: another run may differ"


def _scores(found: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{name.replace('_', ' ')}</td><td>{_number(value)}</td>"
        f"<td>{_number(found['baseline_metrics'][name])}</td></tr>"
        for name, value in sorted(found["metrics"].items())
    )
    window = found["slices"]["test"]
    span = f"test slice, {window['rows']} rows, {iso(window['first_ms'])} to {iso(window['last_ms'])}"
    return f"<table><tr><th>{span}</th><th>trees</th><th>baseline</th></tr>{rows}</table>"


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


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else "undefined"
