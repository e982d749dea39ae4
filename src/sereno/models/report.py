"""`train-report.html`: what training found, as one page that needs nothing else."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sereno.core.candle import F64, I64
from sereno.core.files import replace_file
from sereno.core.page import Drawn, Kind, Part, Section, Table, Words, minute, number, page
from sereno.core.timeframe import DAY_MS, iso
from sereno.models.contract import Role
from sereno.models.trained import RoleReport, TrainReport
from sereno.models.walkforward import Fold
from sereno.store.registry import ModelManifest

IMPORTANCE_ROWS = 15
TREES, BASELINE = "trees", "baseline"
EQUITY = "Out-of-sample equity, walk-forward"
HEADLINE = {Role.TREND: "log_loss", Role.RETURN: "pinball", Role.RISK: "log_loss"}
HEAD = (
    "role",
    "serves",
    "new trees do not, because",
    "trained",
    "loss of the trees",
    "of the baseline",
    "better by",
    "p-value",
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
    served = _kind(role.served)
    return (
        f"{role.role.value} ({name.replace('_', ' ')})",
        Words(served, Kind.GOOD if served == TREES else Kind.BAD),
        ". ".join(_why_not(role)),
        _when(role),
        number(role.evaluation["metrics"][name], 4),
        number(role.evaluation["baseline_metrics"][name], 4),
        number(verdict["improvement"], 4),
        number(verdict["p_value"], 4),
    )


def _kind(manifest: ModelManifest) -> str:
    return BASELINE if manifest.extra.get("kind") == BASELINE else TREES


def _why_not(role: RoleReport) -> tuple[str, ...]:
    """Why the new trees do not serve, or another version than the gate chose; nothing when they do."""
    return tuple(word for word in (role.trees.refused_reason, role.held) if word)


def _when(report: RoleReport) -> str | Words:
    moment = minute(report.trees.created_ms)
    return Words(f"{moment}, now", Kind.GOOD) if report.fresh else f"{moment}, before"


def _champion(report: RoleReport) -> str:
    """How the new trees did beside those that served, on rows that neither was fitted on."""
    found = report.evaluation["champion"]
    if found is None:
        return f"Not compared with what served: {report.no_duel or 'see the training that made them'}."
    span = f"{iso(found['since_ms'])} to {iso(found['until_ms'])}"
    return (
        f"Against what served, {found['version']}: lead over the new trees {number(found['lead'], 4)}, "
        f"p {number(found['p_value'], 4)}, {found['rows']} rows, {span}."
    )


def _equity(report: TrainReport, curve: EquityCurve | None) -> Section:
    """The curve with exactly what it is drawn from."""
    if curve is None or not len(curve.ts):
        why = f" ({report.fault})" if report.fault else ""
        told = f"Out-of-sample equity: no trades were simulated for this report{why}."
        return Section("", (Words(told, Kind.FAINT),))
    window, caption = Words(curve.window, Kind.FAINT), Words(curve.caption)
    if curve.equity_quote.min() == curve.equity_quote.max():
        return Section(EQUITY, (window, caption), level=3)
    figure, axes = _figure(8.0, 2.8)
    axes.plot((curve.ts - curve.ts[0]) / DAY_MS, curve.equity_quote, color="#2456a6", linewidth=1.2)
    axes.set_xlabel(f"days since {iso(int(curve.ts[0]))}")
    axes.set_ylabel("equity, quote")
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    return Section(EQUITY, (window, caption, Drawn(_svg(figure))), level=3)


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
    horizon_bars = int(report.trees.label_params["horizon_bars"])
    plots = _calibration_plot(found["curves"], horizon_bars) + _importance_plot(found["importance"])
    parts: tuple[Part, ...] = (
        *(Words(f"Not served: {reason}.", Kind.BAD) for reason in _why_not(report)),
        Words(_champion(report)),
        *_mean(found),
        Words(f"Version {report.served.version} serves. {_about(report)}", Kind.FAINT),
        Words(f"Trained {_origin(report.trees)}.", Kind.FAINT),
        Words(f"{spans}.", Kind.FAINT),
        Words(f"{found['rounds']} rounds; {params}; {_searched(found['tuning'])}.", Kind.FAINT),
        _scores(found),
        Drawn(plots),
    )
    return Section(_title(report), parts, level=3)


def _title(report: RoleReport) -> str:
    """What became of the new trees, and what serves."""
    trees, served = report.trees, report.served
    if served.version == trees.version:
        return f"{report.role}: {TREES} {_short(trees)} serve"
    fate = "refused" if trees.refused_reason else "held back"
    verb = "serves" if _kind(served) == BASELINE else "serve"
    return f"{report.role}: {TREES} {_short(trees)} {fate}; {_kind(served)} {_short(served)} {verb}"


def _short(manifest: ModelManifest) -> str:
    return f"\N{HORIZONTAL ELLIPSIS}{manifest.version.rpartition('-')[2][:4]}"


def _about(report: RoleReport) -> str:
    idle = "" if report.served.version == report.trees.version else ", which do not serve"
    return f"All below is of the trees {report.trees.version}{idle}."


def _mean(found: Mapping[str, Any]) -> tuple[Words, ...]:
    """Whether the mean of the returns is learned or a constant; older trainings do not tell."""
    mean, verdict = found.get("mean"), found.get("mean_verdict")
    if mean is None or verdict is None:
        return ()
    judged = f"improvement {number(verdict['improvement'], 4)}, p {number(verdict['p_value'], 4)}"
    if mean["kind"] == BASELINE:
        why = verdict["reason"] or "it was not learned"
        return (Words(f"Mean: baseline's constant, since: {why} ({judged}).", Kind.BAD),)
    pulled = f"weight {number(mean['weight'])} about {number(mean['centre'], 4)} ATR"
    return (Words(f"Mean: learned, {pulled} ({judged}).", Kind.GOOD),)


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


def _calibration_plot(curves: Mapping[str, Sequence[Sequence[float]]], horizon_bars: int) -> str:
    """Each dot with its 95 % interval, and how many rows it stands for."""
    if not any(curves.values()):
        return ""
    figure, axes = _figure(4.6, 4.0)
    ends: list[float] = []
    for name, points in curves.items():
        prob, frequency, rows = np.array(points).T
        low, high = wilson(frequency, rows / horizon_bars)
        ends += [*prob, *low, *high]
        axes.errorbar(
            prob,
            frequency,
            yerr=np.abs([frequency - low, high - frequency]),
            marker="o",
            markersize=3.5,
            linewidth=1.0,
            elinewidth=0.7,
            label=f"{name.replace('_', ' ')}, {_spread(rows)} rows a dot",
        )
    span = (max(0.0, min(ends) - 0.02), min(1.0, max(ends) + 0.02))
    axes.plot(span, span, color="#999999", linewidth=0.8, linestyle="--", label="perfect")
    axes.set(
        xlim=span,
        ylim=span,
        xlabel=f"forecast probability\nbars: 95 %, {horizon_bars} rows counted as one, as their futures overlap",
        ylabel="frequency",
        title="calibration, test slice",
    )
    axes.xaxis.label.set_size(8)
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure)


def wilson(frequency: F64, rows: F64) -> tuple[F64, F64]:
    """(n,) ends of the 95 % interval of a frequency that was seen in so many independent rows (Wilson 1927)."""
    z2 = 1.959964**2
    centre = (frequency + z2 / (2 * rows)) / (1 + z2 / rows)
    half = np.sqrt(z2 * (frequency * (1 - frequency) / rows + z2 / (4 * rows**2))) / (1 + z2 / rows)
    return centre - half, centre + half


def _spread(rows: F64) -> str:
    least, most = int(rows.min()), int(rows.max())
    return str(least) if least == most else f"{least} to {most}"


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
