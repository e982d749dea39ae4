"""Foreign errors become ours at this door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sereno.core.errors import FixConfig, SerenoError, SkipThis, TryLater
from sereno.core.retry_after import retry_after_s

MALFORMED = (TypeError, KeyError, ValueError, IndexError, AttributeError)
RATE_LIMITED = "venue.rate_limited"
_SHOWN_CHARS = 200


def refuse_bad_status(
    status: int, headers: dict[str, str], body: str, *, venue: str, pauses_s: Mapping[int, float]
) -> None:
    """Raise what an HTTP status by itself already says; other errors are told in the body.

    pauses_s  of a rate limit's status: seconds to wait where no `Retry-After` says otherwise
    """
    told: dict[str, Any] = {"venue": venue, "status": status, "body": body[:_SHOWN_CHARS]}
    after_s = retry_after_s({name.lower(): value for name, value in headers.items()}.get("retry-after"))
    if status in (418, 429) or status in pauses_s:
        raise TryLater(
            RATE_LIMITED,
            remedy="the venue asks for a pause; fewer instruments or timeframes ask it less often",
            after_s=pauses_s.get(status) if after_s is None else after_s,
            **told,
        )
    if status >= 500:
        remedy = "the venue's own fault; it is asked again"
        raise TryLater("venue.unavailable", remedy=remedy, after_s=after_s, **told)
    if status == 451:
        raise FixConfig("venue.forbidden", remedy="the venue does not serve this place", **told)


def refuse_other_than_json(status: int, body: str, *, venue: str) -> None:
    """Raise for a body that is HTML, empty or cut off, unless the status has its own story."""
    if status < 400:
        raise TryLater(
            "venue.not_json",
            remedy="half a reply, or a page of something between here and the venue",
            venue=venue,
            status=status,
            body=body[:_SHOWN_CHARS],
        )


@contextmanager
def translated(venue: str, call: str) -> Iterator[None]:
    """Turn everything that ccxt raises into one of the desk's four errors."""
    import aiohttp
    from ccxt.base import errors as theirs

    try:
        yield
    except SerenoError:
        raise
    except theirs.BaseError as cause:
        raise _named(cause, theirs, aiohttp.ClientError, venue=venue, call=call) from cause
    except (aiohttp.ClientError, TimeoutError, OSError) as cause:
        raise TryLater("venue.unreachable", venue=venue, call=call, cause=_short(cause)) from cause
    except MALFORMED as cause:
        raise TryLater(
            "venue.unreadable",
            remedy="the reply is JSON of another shape than the venue documents",
            venue=venue,
            call=call,
            cause=_short(cause),
        ) from cause


def _named(cause: Exception, theirs: Any, transport: type[Exception], **told: Any) -> SerenoError:
    told["cause"] = _short(cause)
    match cause:
        case theirs.BadSymbol():
            return SkipThis("venue.unknown_instrument", remedy="check the spelling of the pair", **told)
        case theirs.RestrictedLocation():
            return FixConfig("venue.forbidden", remedy="the venue does not serve this place", **told)
        case theirs.AuthenticationError():
            return FixConfig("venue.refused_key", remedy="check the venue's key and secret", **told)
        case theirs.DDoSProtection() | theirs.RateLimitExceeded():
            return TryLater(RATE_LIMITED, remedy="the venue asks for a pause", **told)
        case theirs.RequestTimeout():
            return TryLater("venue.timeout", remedy="the venue did not answer in time", **told)
        case theirs.NetworkError():
            return TryLater("venue.unreachable", remedy="check the network; it is asked again", **told)
        case theirs.OperationFailed():
            return TryLater("venue.unreadable", remedy="half a reply; it is asked again", **told)
        case _ if isinstance(cause.__cause__, transport):
            return TryLater("venue.unreadable", remedy="half a reply; it is asked again", **told)
        case _:
            return SkipThis("venue.refused", remedy="the venue does not answer this request", **told)


def _short(cause: Exception) -> str:
    return f"{type(cause).__name__}: {cause}"[:_SHOWN_CHARS]
