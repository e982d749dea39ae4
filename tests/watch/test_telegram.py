"""The Telegram channel against a small server that behaves as told."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sereno.core.errors import FixConfig, SerenoError, TryLater
from sereno.core.settings import NotifySettings
from sereno.watch.channels import telegram
from sereno.watch.channels.telegram import Telegram

TOKEN = "12345:a-secret-token"


class Bot(ThreadingHTTPServer):
    """Answers every message with `status` and remembers it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status = 200
        self.retry_after = "7"
        self.hold = threading.Event()
        self.holds = False
        self.messages: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Bot

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.messages.append((self.path, body))
        if self.server.holds:
            self.server.hold.wait(5)
        self.send_response(self.server.status)
        self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Content-Length", "2")
        with contextlib.suppress(BrokenPipeError):
            self.end_headers()
            self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def bot() -> Iterator[Bot]:
    server = Bot()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    server.server_close()
    thread.join(5)


def channel(url: str) -> Telegram:
    return Telegram(
        NotifySettings.model_validate(
            {"telegram_bot_token": TOKEN, "telegram_chat_id": "42", "telegram_base_url": url}
        )
    )


def test_a_message_arrives(bot: Bot) -> None:
    channel(bot.url).send("[HIGH] drawdown")
    assert bot.messages == [(f"/bot{TOKEN}/sendMessage", {"chat_id": "42", "text": "[HIGH] drawdown"})]


def test_long_texts_are_cut_to_what_telegram_takes(bot: Bot) -> None:
    channel(bot.url).send("x" * 10_000)
    assert len(bot.messages[0][1]["text"]) == telegram.LONGEST_TEXT


@pytest.mark.parametrize(
    ("status", "kind"), [(401, FixConfig), (403, FixConfig), (429, TryLater), (500, TryLater)]
)
def test_a_refusal_says_what_to_do(bot: Bot, status: int, kind: type[SerenoError]) -> None:
    bot.status = status
    with pytest.raises(kind) as caught:
        channel(bot.url).send("x")
    assert TOKEN not in str(caught.value)
    if isinstance(caught.value, TryLater):
        assert caught.value.after_s == 7.0


def test_a_pause_given_as_a_date_is_read_too(bot: Bot) -> None:
    """A header that is no number must not end the anomaly run with a ValueError."""
    bot.status, bot.retry_after = 429, "Wed, 21 Oct 2015 07:28:00 GMT"
    with pytest.raises(TryLater) as caught:
        channel(bot.url).send("x")
    assert caught.value.after_s == 0.0


def test_an_unreachable_server_and_a_silent_one_are_try_later(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.holds = True
    monkeypatch.setattr(telegram, "TIMEOUT_S", 0.1)
    for url in ("http://127.0.0.1:9", bot.url):
        with pytest.raises(TryLater) as caught:
            channel(url).send("x")
        assert TOKEN not in str(caught.value)
        assert caught.value.__cause__ is None


def test_without_token_or_chat_there_is_no_channel() -> None:
    assert not Telegram(NotifySettings()).configured
    assert not Telegram(NotifySettings.model_validate({"telegram_bot_token": TOKEN})).configured
