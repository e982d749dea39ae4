"""Errors, named by what the caller does next.

    SerenoError
    ├── TryLater      the world is not ready: retry with back-off
    ├── SkipThis      this piece is bad: drop it, count it, go on
    ├── StopTrading   trust is gone: freeze entries and wake someone
    └── FixConfig     a person must change something: refuse to start

A rule that says *no* is not an error but a `Refused` value.
"""

from __future__ import annotations

from dataclasses import dataclass


class SerenoError(Exception):
    """One thing that went wrong: a dotted event name, a remedy for people, and fields for the log."""

    def __init__(self, event: str, *, remedy: str = "", **fields: object) -> None:
        super().__init__(event)
        self.event = event
        self.remedy = remedy
        self.fields = fields

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self.fields.items())
        story = f"{self.event} ({facts})" if facts else self.event
        return f"{story}: {self.remedy}" if self.remedy else story


class TryLater(SerenoError):
    """Nothing is broken for good; the same call may work after a pause of `after_s` seconds."""

    def __init__(
        self, event: str, *, remedy: str = "", after_s: float | None = None, **fields: object
    ) -> None:
        super().__init__(event, remedy=remedy, **fields)
        self.after_s = after_s


class SkipThis(SerenoError):
    """This piece is unusable; its neighbours are not."""


class StopTrading(SerenoError):
    """The desk can no longer vouch for its own state: no new entries until a person has looked."""


class FixConfig(SerenoError):
    """Settings, files or environment are wrong in a way that only a person can mend."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule said no. `reason` is a stable snake_case name; `detail` is for people."""

    reason: str
    detail: str = ""
