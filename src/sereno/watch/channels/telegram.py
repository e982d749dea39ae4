"""Telegram's Bot API: one message per call, never the token in an error or a log."""

from __future__ import annotations

import asyncio

from sereno.core.errors import FixConfig, TryLater
from sereno.core.retry_after import retry_after_s
from sereno.core.settings import NotifySettings

TIMEOUT_S = 10.0
LONGEST_TEXT = 4000


class Telegram:
    """A chat that receives alerts."""

    def __init__(self, settings: NotifySettings) -> None:
        self._token = settings.telegram_bot_token.get_secret_value()
        self._chat = settings.telegram_chat_id
        self._base = settings.telegram_base_url.rstrip("/")

    @property
    def configured(self) -> bool:
        """Whether it has both a token and a chat."""
        return bool(self._token and self._chat)

    def send(self, text: str) -> None:
        """Deliver one text.

        Raises TryLater when it did not arrive, FixConfig when Telegram refuses token or chat.
        """
        asyncio.run(self._send(text[:LONGEST_TEXT]))

    async def _send(self, text: str) -> None:
        import aiohttp

        url = f"{self._base}/bot{self._token}/sendMessage"
        body = {"chat_id": self._chat, "text": text}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session,
                session.post(url, json=body) as reply,
            ):
                status = reply.status
                after_s = retry_after_s(reply.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError) as cause:
            # `from None`: the cause carries the address, and the address carries the token
            raise TryLater("telegram.unreachable", kind=type(cause).__name__) from None
        if status in (400, 401, 403, 404):
            raise FixConfig("telegram.refused", remedy="check notify.telegram_*", status=status)
        if status != 200:
            raise TryLater("telegram.not_delivered", after_s=after_s, status=status)
