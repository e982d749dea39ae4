"""How often and how patiently a call is repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from sereno.core.errors import TryLater

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Retries:
    """`tries` further attempts; pauses of base, 2 base, 4 base… seconds, each with up to half more.

    A venue's own `Retry-After` is kept when it is longer; one above `LONGEST_PAUSE_S` is not waited
    for: the call fails and the next cycle asks again.
    """

    tries: int
    base_s: float
    sleep: Sleep = asyncio.sleep
    chance: Random = field(default_factory=Random)

    def pause_s(self, attempt: int, asked_s: float | None) -> float:
        """Seconds to wait after the attempt of that number, counted from 1."""
        own = self.base_s * 2 ** (attempt - 1) * (1 + self.chance.random() / 2)
        return float(max(asked_s or 0.0, min(own, LONGEST_PAUSE_S)))

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's result, repeated while it raises TryLater. The last error is raised as it is."""
        from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

        def pause(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.after_s if isinstance(error, TryLater) else None
            return self.pause_s(state.attempt_number, asked)

        policy = AsyncRetrying(
            retry=retry_if_exception(_worth_waiting),
            stop=stop_after_attempt(self.tries + 1),
            wait=pause,
            sleep=self.sleep,
            reraise=True,
        )
        return await policy(call)


def _worth_waiting(error: BaseException) -> bool:
    return isinstance(error, TryLater) and (error.after_s or 0.0) <= LONGEST_PAUSE_S
