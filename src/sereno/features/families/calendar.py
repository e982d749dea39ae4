"""The moment of the decision, in UTC: when the candle is over."""

from __future__ import annotations

from sereno.features.feature import Family, Feature, feature
from sereno.features.node import Node
from sereno.features.oscillators import day_cycle, hours, week_cycle, weekdays

_SESSIONS = "trading hours of the centre, UTC, no summer time"


def _calendar(name: str, node: Node, source: str, summary: str) -> Feature:
    return feature(name, Family.CALENDAR, node, source=source, summary=summary)


FEATURES = (
    _calendar("hour_sin", day_cycle("sin"), "cyclical encoding", "hour of the day"),
    _calendar("hour_cos", day_cycle("cos"), "cyclical encoding", "hour of the day"),
    _calendar("weekday_sin", week_cycle("sin"), "cyclical encoding", "place in the week"),
    _calendar("weekday_cos", week_cycle("cos"), "cyclical encoding", "place in the week"),
    _calendar("session_tokyo", hours(0, 9), _SESSIONS, "1 between 00:00 and 09:00"),
    _calendar("session_london", hours(7, 16), _SESSIONS, "1 between 07:00 and 16:00"),
    _calendar("session_new_york", hours(12, 21), _SESSIONS, "1 between 12:00 and 21:00"),
    _calendar("session_overlap", hours(12, 16), _SESSIONS, "1 while London and New York are both open"),
    _calendar("weekend", weekdays(5, 7), "calendar", "1 on Saturday and Sunday"),
)
