"""Making a token for the API. It is shown once and kept nowhere."""

from __future__ import annotations

import secrets
from hashlib import sha256

from sereno.surfaces.cli.out import say

TOKEN_BYTES = 32


def show_fresh() -> None:
    """A token for who asks, and its hash for the desk."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    say("# for who asks; it is kept nowhere, so keep it now")
    say(f"Authorization: Bearer {token}")
    say("# for sereno.toml")
    say(f'[api]\ntoken_sha256 = "{sha256(token.encode()).hexdigest()}"')
