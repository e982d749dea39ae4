"""Settings: read once into frozen sections, checked before anything starts."""

from sereno.core.settings.keys import is_secret, keys_of
from sereno.core.settings.last_up import LastUp
from sereno.core.settings.load import COMMAND_LINE, Loaded, load, rows_of
from sereno.core.settings.model import Settings
from sereno.core.settings.paths import Paths
from sereno.core.settings.relations import is_loopback
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
    RiskSettings,
    SignalSettings,
    SimSettings,
    VenueSettings,
    WalkForwardSettings,
    WatchSettings,
)

__all__ = [
    "COMMAND_LINE",
    "ApiSettings",
    "BarrierSettings",
    "CandleSettings",
    "CostSettings",
    "JobSettings",
    "LakeSettings",
    "LastUp",
    "LedgerSettings",
    "Loaded",
    "LogSettings",
    "MetricsSettings",
    "ModelSettings",
    "NotifySettings",
    "Paths",
    "RiskSettings",
    "Settings",
    "SignalSettings",
    "SimSettings",
    "VenueSettings",
    "WalkForwardSettings",
    "WatchSettings",
    "is_loopback",
    "is_secret",
    "keys_of",
    "load",
    "rows_of",
]
