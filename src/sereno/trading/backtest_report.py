"""A backtest as one self-contained page with plots, and as JSON beside it."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sereno.core.candle import I64
from sereno.core.files import JsonObject, replace_file, replace_json
from sereno.core.instrument import Series
from sereno.core.page import Drawn, Kind, Section, Table, Words, number, page, percent
from sereno.core.timeframe import iso
from sereno.signals.batch import Miss
from sereno.trading.backtest import BacktestResult, reason_of
from sereno.trading.rules import EXIT_REASONS
from sereno.trading.statistics import drawdowns_frac, max_drawdown_frac

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RULES_WORDS = (
    "Entry at the next open, stop before target within a bar, fees and slippage included: the rules that paper trades by, "
    "and for one series on one account the same trades to the last digit. Limits are looked at when a candle of the "
    "traded timeframe closes, here as there."
)
APART_WORDS = (
    "This is not the path of the desk: each row is traded alone with the whole initial equity. On the desk all series "
    "share one account, its exposure, its open positions and its limits; so it takes fewer trades, in other sizes."
)


def write_backtest_report(
    path: Path,
    results: Sequence[BacktestResult],
    *,
    title: str = "Backtest",
    notes: Sequence[str] = (),
    folds: Sequence[Mapping[str, str]] = (),
) -> tuple[Path, Path]:
    """Write the page at `path` and the figures and trades as JSON beside it.

    results  folds of one series or several series; each is traded alone with the whole initial equity
    folds    rows of a table of how the models of each fold did, if there is one

    Raises ValueError without results.
    """
    if not results:
        raise ValueError("a report needs at least one backtest")
    data = path.with_suffix(".json")
    replace_json(data, report_json(results))
    replace_file(path, _page(results, title, notes, folds))
    return path, data


def report_json(results: Sequence[BacktestResult]) -> JsonObject:
    """Every figure and every trade."""
    return {"results": [_result_json(label, r) for label, r in _labelled(results)]}


def summary_rows(results: Sequence[BacktestResult]) -> list[dict[str, str]]:
    """One row a result, as text, for the console and the page. An undefined figure is `-`."""
    return [
        {
            "what": label,
            "from": iso(r.first_ms)[:10],
            "to": iso(r.last_ms)[:10],
            "trades": str(r.figures.trades),
            "win rate": percent(r.figures.win_rate),
            "profit factor": number(r.figures.profit_factor),
            "expectancy, quote": number(r.figures.expectancy_quote),
            "return": percent(r.figures.return_frac),
            "buy & hold": percent(r.buy_and_hold_frac),
            "max drawdown": percent(max_drawdown(r)),
            "Sharpe": number(r.sharpe),
            "exposure": percent(r.exposure_frac),
        }
        for label, r in _labelled(results)
    ]


def _labelled(results: Sequence[BacktestResult]) -> list[tuple[str, BacktestResult]]:
    """Each result with its series, and its number among those of the same series if there are several."""
    counts = Counter(r.series for r in results)
    seen: Counter[Series] = Counter()
    labelled = []
    for r in results:
        seen[r.series] += 1
        name = f"{r.series.instrument.symbol} {r.series.timeframe}"
        labelled.append((name if counts[r.series] == 1 else f"{name} fold {seen[r.series]}", r))
    return labelled


def max_drawdown(fold: BacktestResult) -> float | None:
    """Deepest fall of the marked equity, from the initial equity on."""
    return max_drawdown_frac([fold.initial_equity_quote, *fold.equity.tolist()])


def _result_json(label: str, fold: BacktestResult) -> JsonObject:
    t = fold.trades
    return {
        "what": label,
        "series": fold.series.key,
        "first": iso(fold.first_ms),
        "last": iso(fold.last_ms),
        "initial_equity_quote": fold.initial_equity_quote,
        "figures": asdict(fold.figures),
        "max_drawdown_marked_frac": max_drawdown(fold),
        "sharpe": fold.sharpe,
        "exposure_frac": fold.exposure_frac,
        "buy_and_hold_frac": fold.buy_and_hold_frac,
        "refused": fold.refused,
        "nearest_miss": _miss(fold.nearest),
        "trades": [
            {
                "side": "long" if t.sign[k] > 0 else "short",
                "entry": iso(int(t.entry_ms[k])),
                "exit": iso(int(t.exit_ms[k])),
                "reason": reason_of(int(t.reason[k])),
                "bars_held": int(t.bars_held[k]),
                "quantity_base": float(t.quantity[k]),
                "entry_price": float(t.entry_price[k]),
                "exit_price": float(t.exit_price[k]),
                "fees_quote": float(t.entry_fee[k] + t.exit_fee[k]),
                "pnl_quote": float(t.pnl[k]),
            }
            for k in range(len(t))
        ],
    }


def _miss(miss: Miss | None) -> JsonObject | None:
    return None if miss is None else {"ts": iso(miss.ts), "side": miss.side.value, "detail": miss.detail}


def _page(
    results: Sequence[BacktestResult], title: str, notes: Sequence[str], folds: Sequence[Mapping[str, str]]
) -> str:
    refused: Counter[str] = Counter()
    for result in results:
        refused.update(result.refused)
    why = [{"reason": reason, "bars": str(bars)} for reason, bars in refused.most_common() if bars]
    told = (Words(words, Kind.FAINT) for words in (RULES_WORDS, APART_WORDS))
    labelled = _labelled(results)
    traded = [(label, r) for label, r in labelled if len(r.trades)]
    without = tuple(Words(f"{label}: {no_trade_words(r)}") for label, r in labelled if not len(r.trades))
    sections = (
        Section("", (*told, *(Words(note) for note in notes))),
        Section("Results", (_table(summary_rows(results)),)),
        *((Section("Folds", (_table(folds),)),) if folds else ()),
        *(_plots(traded) if traded else ()),
        *((Section("Without a trade", without),) if without else ()),
        Section("Why bars were not traded", (_table(why),)),
    )
    return page(title, sections)


def no_trade_words(result: BacktestResult) -> str:
    """Why a result without a trade has none: what refused how often, and what came nearest."""
    counts = sorted(result.refused.items(), key=lambda one: -one[1])
    refused = ", ".join(f"{reason} {bars:,}" for reason, bars in counts if bars) or "nothing was decided"
    none = "no closed trade, one is open at the end" if result.open_at_end else "no trade"
    near = result.nearest
    if near is None:
        return f"{none}. Refused: {refused}. On no candle had a side a positive expected utility after costs."
    return f"{none}. Refused: {refused}. Nearest miss: {near.side} at {iso(near.ts)}, {near.detail}."


def _plots(traded: Sequence[tuple[str, BacktestResult]]) -> tuple[Section, Section]:
    equity = Drawn(_picture(_equity_plot(traded), "equity and drawdown"), "plots")
    trades = Drawn(_picture(_trade_plot([r for _, r in traded]), "result of each trade"), "plots")
    return Section("Equity and drawdown", (equity,)), Section("Trades", (trades,))


def _equity_plot(folds: Sequence[tuple[str, BacktestResult]]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for label, fold in folds:
        stamps = _days(fold.ts)
        growth = fold.equity / fold.initial_equity_quote
        above.plot(stamps, growth, linewidth=1.2, label=label)
        falls = drawdowns_frac([1.0, *growth.tolist()]) or ()
        below.fill_between(stamps, [-100.0 * fall for fall in falls[1:]], 0.0, alpha=0.6)
    above.axhline(1.0, color="#999", linewidth=0.8)
    above.set_ylabel("equity / initial")
    above.legend(loc="best", fontsize=8)
    below.set_ylabel("drawdown %")
    return figure


def _trade_plot(folds: Sequence[BacktestResult]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    colours = {"stop": "#c0392b", "target": "#27ae60", "time": "#7f8c8d", "trailing": "#e67e22"}
    for name, colour in colours.items():
        stamps, results = [], []
        for fold in folds:
            mine = np.flatnonzero(np.isin(fold.trades.reason, _codes(name)))
            stamps.append(_days(fold.trades.exit_ms[mine]))
            results.append(fold.trades.pnl[mine] / fold.initial_equity_quote * 100.0)
        when = np.concatenate(stamps)
        if len(when):
            axes.scatter(when, np.concatenate(results), s=12, color=colour, label=name, alpha=0.8)
            axes.legend(loc="best", fontsize=8)
    axes.axhline(0.0, color="#999", linewidth=0.8)
    axes.set_ylabel("result, % of initial equity")
    return figure


def _days(stamps: I64) -> NDArray[np.datetime64]:
    return stamps.astype("datetime64[ms]")


def _codes(name: str) -> list[int]:
    return [code for code, reason in EXIT_REASONS.items() if reason.value == name]


def _picture(figure: Figure, words: str) -> str:
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=110)
    return f"<img alt='{words}' src='data:image/png;base64,{base64.b64encode(target.getvalue()).decode()}'>"


def _table(rows: Sequence[Mapping[str, str]]) -> Table:
    head = tuple(rows[0]) if rows else ()
    return Table(head, tuple(tuple(row.values()) for row in rows), figures=True)
