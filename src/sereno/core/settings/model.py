"""All settings together, and the relations between them that must hold."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sereno.core.fees import taker_fee_bps
from sereno.core.ids import digest_of
from sereno.core.mode import Mode
from sereno.core.settings.paths import Paths, world_of
from sereno.core.settings.sections import (
    ApiSettings,
    BarrierSettings,
    CandleSettings,
    CostSettings,
    JobSettings,
    LakeSettings,
    LedgerSettings,
    LogSettings,
    ModelSettings,
    NotifySettings,
    RetentionSettings,
    RiskSettings,
    SignalSettings,
    SimSettings,
    VenueSettings,
)

LEAST_TOKEN_CHARACTERS = 16


class Settings(BaseSettings):
    """Everything that can be set. Read once, at start; each room is handed its own section."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        env_prefix="SERENO_",
        env_nested_delimiter="__",
        enable_decoding=False,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` merged, which knows the layer of each value."""
        return (init_settings,)

    state_dir: Path = Field(Path("state"), description="folder that holds all state")
    mode: Mode = Field(Mode.SIM, description="sim, paper or live")
    live_confirm_token: SecretStr = Field(SecretStr(""), description="confirmation that mode live asks for")
    recommendation_update_time: str = Field(
        "", description="HH:MM at which one more signals run is made each day; empty: none"
    )
    venue: VenueSettings = VenueSettings()
    candles: CandleSettings = CandleSettings()
    sim: SimSettings = SimSettings()
    lake: LakeSettings = LakeSettings()
    ledger: LedgerSettings = LedgerSettings()
    barriers: BarrierSettings = BarrierSettings()
    costs: CostSettings = CostSettings()
    models: ModelSettings = ModelSettings()
    signals: SignalSettings = SignalSettings()
    risk: RiskSettings = RiskSettings()
    jobs: JobSettings = JobSettings()
    api: ApiSettings = ApiSettings()
    retention: RetentionSettings = RetentionSettings()
    notify: NotifySettings = NotifySettings()
    log: LogSettings = LogSettings()

    @field_validator("recommendation_update_time")
    @classmethod
    def _time_of_day(cls, text: str) -> str:
        if text and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
            raise ValueError(f"{text!r} is not a time of day such as 12:00")
        return text

    @field_validator("costs")
    @classmethod
    def _fee_of_the_venue(cls, costs: CostSettings, info: ValidationInfo) -> CostSettings:
        """A fee that is not set is what the venue takes, so that everyone reckons with the same figure."""
        venue: VenueSettings | None = info.data.get("venue")
        if venue is None or "fee_bps" in costs.model_fields_set:
            return costs
        fee_bps = taker_fee_bps(venue.name, venue.market)
        return costs if fee_bps is None else costs.model_copy(update={"fee_bps": fee_bps})

    @model_validator(mode="after")
    def _relations(self) -> Self:
        for broken in RELATIONS:
            message = broken(self)
            if message:
                raise ValueError(message)
        return self

    @property
    def paths(self) -> Paths:
        """Where everything lives. Every simulated world has a root of its own."""
        root = self.state_dir
        if self.mode is Mode.SIM:
            world = world_of(self.sim, self.venue.name, self.venue.market, self.candles.collected())
            root = root / "sim" / world
        return Paths(root)

    @property
    def digest(self) -> str:
        """SHA-256 of the sections that decide: equal digest, equal decisions from equal data."""
        return digest_of(self.deciding)

    @property
    def deciding(self) -> dict[str, object]:
        """The sections that decide, as plain values; none holds a secret."""
        sections = ("barriers", "costs", "signals", "risk")
        return {name: getattr(self, name).model_dump(mode="json") for name in sections}


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
    if folder is None or folder.is_dir():
        return None
    return f"sim.candles_dir = {folder} is not a folder; point it at Parquet or CSV candles"


RELATIONS = (
    _live_is_closed,
    _public_api_needs_token,
    _token_and_hash_agree,
    _reward_reaches_floor,
    _loss_limits_are_ordered,
    _caps_are_ordered,
    _embargo_covers_horizon,
    _slices_leave_rows,
    _signals_outlive_their_features,
    _candles_dir_exists,
)
