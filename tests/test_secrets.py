"""No secret lies in the repository. Also a hook before each commit: `pytest tests/test_secrets.py`."""

from __future__ import annotations

import math
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHAPES = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY"),
    "cloud key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "code host token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}|\bgithub_pat_\w{22,}|\bglpat-[\w-]{20,}"),
    "chat token": re.compile(r"\bxox[abprs]-[\w-]{10,}|\b\d{8,10}:[\w-]{35}\b"),
    "web token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}"),
}
NAMED = re.compile(r"(?i)(?:key|secret|token|passw(?:or)?d)\w*[\"']?\s*[:=]\s*\S*?([A-Za-z0-9+/=_-]{16,})")
IN_ADDRESS = re.compile(r"[a-z][a-z0-9+]*://[^/\s:@\"'{}]+:([^/\s:@\"'{}]+)@")
FILES = re.compile(
    r"(^|/)(\.env|id_(rsa|dsa|ecdsa|ed25519)|credentials(\.\w+)?)$|\.(pem|key|p12|pfx|kdbx|jks)$"
)
BITS_OF_CHANCE = 3.9  # a character of words has fewer, one of a key drawn by chance has more


def bits(word: str) -> float:
    """Entropy of a character of a word."""
    shares = [count / len(word) for count in Counter(word).values()]
    return -sum(share * math.log2(share) for share in shares)


def looks_drawn(word: str) -> bool:
    """Whether a word looks drawn by chance rather than written by a person."""
    if re.fullmatch("[0-9a-f]{32,}|[0-9A-F]{32,}", word):
        return True
    kinds = sum(bool(re.search(kind, word)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return kinds >= 2 and bool(re.search("[0-9]", word)) and bits(word) >= BITS_OF_CHANCE


def secrets_in(text: str) -> Iterator[str]:
    """What looks like a secret in a text, by its kind."""
    for kind, shape in SHAPES.items():
        if shape.search(text):
            yield kind
    for match in NAMED.finditer(text):
        if looks_drawn(match[1]):
            yield f"value of {match[0][:12]}…"
    for match in IN_ADDRESS.finditer(text):
        if len(match[1]) >= 16 and looks_drawn(match[1]):
            yield "password in an address"


def tracked() -> list[str]:
    """Files that git knows, also those that are about to be committed."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [name for name in done.stdout.split("\0") if name]


def test_trap_a12_1_a30_30_e4_10_ami_b12_17_no_secret_lies_in_the_repository() -> None:
    names = tracked()
    if not names:
        pytest.skip("not a checkout")
    assert len(names) > 100
    found = {}
    for name in names:
        path = ROOT / name
        told = [*secrets_in(path.read_text("utf-8", errors="replace"))] if path.is_file() else []
        if told or FILES.search(name):
            found[name] = told or ["a file that holds secrets by its name"]
    assert found == {}


DRAWN = "q7Zr2Vt9" + "Lx4Bn8Ws1Kd6Hf3Jm5Pc"


@pytest.mark.parametrize(
    "planted",
    [
        "-----BEGIN " + "RSA PRIVATE KEY-----",
        "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "xoxb-" + "123456789012-abcdef",
        "123456789:" + "AbCdEfGh-" * 3 + "AbCdEfGh",
        f"BYBIT_API_SECRET={DRAWN}",
        f'"api_key": "{DRAWN}"',
        f"password: {DRAWN}",
        "secret_key = " + "0123456789abcdef" * 2,
        f"postgresql://me:{DRAWN}@db/sereno",
    ],
)
def test_a_planted_secret_is_found(planted: str) -> None:
    assert list(secrets_in(f"# settings\n{planted}\n"))


@pytest.mark.parametrize("name", [".env", "deploy/.env", "keys/id_ed25519", "host.pem", "panel.key"])
def test_files_that_hold_secrets_by_their_name_are_found(name: str) -> None:
    assert FILES.search(name)


@pytest.mark.parametrize(
    "plain",
    [
        'token = "a-secret-of-24-characters"',
        "api_key: SecretStr = Field(",
        "TELEGRAM_BOT_TOKEN=",
        "tokens.py",
    ],
)
def test_words_that_people_write_are_no_secrets(plain: str) -> None:
    assert not list(secrets_in(plain))
