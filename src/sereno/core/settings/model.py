"""All settings together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sereno.core.fees import taker_fee_bps
from sereno.core.ids import digest_of
from sereno.core.mode import Mode
from sereno.core.settings.history import History, history_of
from sereno.core.settings.paths import Paths, expanded, world_of
from sereno.core.settings.relations import RELATIONS
from sereno.core.settings.sections import (
    ApiSettings,
    BarrierSettings,
    CandleSettings,
    CostSettings,
    JobSettings,
    LakeSettings,
    LedgerSettings,
    LogSettings,
    MetricsSettings,
    ModelSettings,
    NotifySettings,
    RetentionSettings,
    RiskSettings,
    SignalSettings,
    SimSettings,
    VenueSettings,
    WalkForwardSettings,
    WatchSettings,
)
from sereno.core.timeframe import Timeframe


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
    walkforward: WalkForwardSettings = WalkForwardSettings()
    watch: WatchSettings = WatchSettings()
    metrics: MetricsSettings = MetricsSettings()
    retention: RetentionSettings = RetentionSettings()
    notify: NotifySettings = NotifySettings()
    log: LogSettings = LogSettings()

    @field_validator("state_dir")
    @classmethod
    def _below_home(cls, state_dir: Path) -> Path:
        return expanded(state_dir)

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
    def histories(self) -> Mapping[Timeframe, History]:
        """What training takes of every traded timeframe."""
        return {tf: history_of(tf, self.models, self.barriers) for tf in self.candles.timeframes}

    @property
    def digest(self) -> str:
        """SHA-256 of the sections that decide: equal digest, equal decisions from equal data."""
        return digest_of(self.deciding)

    @property
    def deciding(self) -> dict[str, object]:
        """The sections that decide, as plain values; none holds a secret."""
        sections = ("barriers", "costs", "signals", "risk")
        return {name: getattr(self, name).model_dump(mode="json") for name in sections}
