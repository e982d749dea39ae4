"""Relations between settings that must hold: each answers what is wrong and what to do, or None."""

from __future__ import annotations

import ipaddress
import math
import os
from typing import TYPE_CHECKING

from sereno.core.mode import Mode
from sereno.core.settings.history import FURTHEST_DAYS, GENERATED_DAYS
from sereno.core.timeframe import DAY_MS

if TYPE_CHECKING:
    from sereno.core.settings.model import Settings

LEAST_TOKEN_CHARACTERS = 16
SIMULATED_VENUES = ("binance", "binanceusdm", "bybit")  # a test compares them with the simulator's


def is_loopback(host: str) -> bool:
    """Whether only this host can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _live_is_closed(s: Settings) -> str | None:
    if s.mode is not Mode.LIVE:
        return None
    if s.live_confirm_token.get_secret_value() != "I_UNDERSTAND_LIVE_TRADING":
        return (
            "mode = live needs live_confirm_token (LIVE_CONFIRM_TOKEN) = I_UNDERSTAND_LIVE_TRADING; "
            "set mode = paper to trade without money"
        )
    return "mode = live: this version has no live broker; set mode = paper"


def _public_api_needs_token(s: Settings) -> str | None:
    if is_loopback(s.api.host):
        return None
    token = s.api.token.get_secret_value()
    if not s.api.token_digest:
        return (
            f"api.host = {s.api.host} is reachable by others: set api.token or api.token_sha256 "
            "(`sereno api-token` makes both), or api.host = 127.0.0.1"
        )
    if token and len(token) < LEAST_TOKEN_CHARACTERS:
        return (
            f"api.host = {s.api.host} is reachable by others and api.token has fewer than "
            f"{LEAST_TOKEN_CHARACTERS} characters: take one of `sereno api-token`"
        )
    return None


def _token_and_hash_agree(s: Settings) -> str | None:
    if not s.api.token_sha256 or s.api.token_digest == s.api.token_sha256:
        return None
    return "api.token_sha256 is not the hash of api.token: remove one of them"


def _reward_reaches_floor(s: Settings) -> str | None:
    ratio, floor = s.barriers.target_atr / s.barriers.stop_atr, s.signals.min_reward_risk
    if ratio > floor or (ratio == floor and s.costs.round_trip_frac == 0.0):
        return None
    return (
        f"barriers.target_atr / barriers.stop_atr = {ratio:g} before costs does not reach "
        f"signals.min_reward_risk = {floor:g} after them: no signal could ever pass; raise the target or lower the floor"
    )


def _one_quote(s: Settings) -> str | None:
    pairs: dict[str, list[str]] = {}
    for one in s.venue.listed():
        pairs.setdefault(one.quote, []).append(one.symbol)
    if len(pairs) <= 1:
        return None
    told = "; ".join(f"{quote}: {', '.join(symbols)}" for quote, symbols in sorted(pairs.items()))
    return (
        f"venue.instruments are priced in more than one currency ({told}), and one account counts its money in "
        "one: keep the pairs of one of them; the others want a desk with a state_dir of its own"
    )


def _loss_limits_are_ordered(s: Settings) -> str | None:
    r = s.risk
    if not r.risk_per_trade_frac <= r.max_daily_loss_frac <= r.max_weekly_loss_frac:
        return (
            "risk.risk_per_trade_frac <= risk.max_daily_loss_frac <= risk.max_weekly_loss_frac must hold; "
            f"they are {r.risk_per_trade_frac:g}, {r.max_daily_loss_frac:g}, {r.max_weekly_loss_frac:g}"
        )
    return None


def _caps_are_ordered(s: Settings) -> str | None:
    if s.risk.max_position_frac <= s.risk.max_exposure_frac:
        return None
    return (
        f"risk.max_position_frac = {s.risk.max_position_frac:g} is above risk.max_exposure_frac = "
        f"{s.risk.max_exposure_frac:g}: lower it, or allow more exposure"
    )


def _embargo_covers_horizon(s: Settings) -> str | None:
    if s.models.embargo_bars >= s.barriers.horizon_bars:
        return None
    return (
        f"models.embargo_bars = {s.models.embargo_bars} is below barriers.horizon_bars = "
        f"{s.barriers.horizon_bars}: labels would overlap the boundary; raise it"
    )


def _slices_leave_rows(s: Settings) -> str | None:
    held_out = s.models.test_frac + s.models.calibration_frac
    if held_out <= 0.6:
        return None
    return f"models.test_frac + models.calibration_frac = {held_out:g} leaves too little to train on; keep it to 0.6"


def _drawdowns_are_ordered(s: Settings) -> str | None:
    if s.watch.drawdown_high_frac <= s.watch.drawdown_critical_frac:
        return None
    return "watch.drawdown_high_frac must not exceed watch.drawdown_critical_frac"


def _misses_are_ordered(s: Settings) -> str | None:
    if s.watch.missed_frac <= s.watch.missed_high_frac:
        return None
    return "watch.missed_frac must not exceed watch.missed_high_frac"


def _signals_outlive_their_features(s: Settings) -> str | None:
    r = s.retention
    if r.refused_features_days <= r.refused_signals_days:
        return None
    return (
        f"retention.refused_features_days = {r.refused_features_days} is above retention.refused_signals_days = "
        f"{r.refused_signals_days}: features cannot outlive their signal; lower it"
    )


def _candles_dir_exists(s: Settings) -> str | None:
    folder = s.sim.candles_dir
    if folder is None or (os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()):
        return None
    if os.access(folder, os.F_OK) and folder.is_dir():
        return f"sim.candles_dir = {folder} cannot be read by this user: let it read the folder"
    return f"sim.candles_dir = {folder} is not a folder; point it at Parquet or CSV candles"


def _simulator_is_the_venue(s: Settings) -> str | None:
    if s.mode is not Mode.SIM or not s.venue.base_url:
        return None
    return (
        f"venue.base_url = {s.venue.base_url} has no place in mode sim, where the built-in simulator is the "
        "venue: unset it, or set mode = paper"
    )


def _simulator_speaks_it(s: Settings) -> str | None:
    if s.mode is not Mode.SIM or s.venue.name in SIMULATED_VENUES:
        return None
    return (
        f"venue.name = {s.venue.name} in mode sim: the simulator speaks {', '.join(SIMULATED_VENUES)} only; "
        "set venue.name to one of them, or mode = paper"
    )


def _history_can_be_had(s: Settings) -> str | None:
    generated = s.mode is Mode.SIM and s.sim.candles_dir is None
    for timeframe, history in s.histories.items():
        key, set_days = s.candles.depth_key(timeframe), s.candles.depth_ms(timeframe) // DAY_MS
        most_days = GENERATED_DAYS if generated else max(set_days, FURTHEST_DAYS)
        needed_days = math.ceil(history.least_bars * timeframe.ms / DAY_MS)
        if needed_days > most_days:
            return (
                f"candles.timeframes = {timeframe} cannot be trained: models.min_rows = {s.models.min_rows}, "
                f"barriers.horizon_bars = {s.barriers.horizon_bars} and models.embargo_bars = "
                f"{s.models.embargo_bars} take {history.least_bars} candles, which are {needed_days} days, and "
                f"{most_days} days can be had "
                + ("of the generated market" if generated else f"with {key} = {set_days}")
                + ": lower models.min_rows, trade a smaller timeframe"
                + (", or set mode = paper" if generated else f", or raise {key} to {needed_days}")
            )
    return None


RELATIONS = (
    _live_is_closed,
    _public_api_needs_token,
    _token_and_hash_agree,
    _reward_reaches_floor,
    _one_quote,
    _loss_limits_are_ordered,
    _caps_are_ordered,
    _embargo_covers_horizon,
    _slices_leave_rows,
    _drawdowns_are_ordered,
    _misses_are_ordered,
    _signals_outlive_their_features,
    _candles_dir_exists,
    _simulator_is_the_venue,
    _simulator_speaks_it,
    _history_can_be_had,
)
