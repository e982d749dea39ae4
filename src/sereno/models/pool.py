"""Rows of other series beside a series' own: what the trees learn from, and nothing else.

Splits, calibration, judgement and baseline stay with the series' own rows. A peer's row teaches only when
everything about its future was known as soon as it was about the newest own row that teaches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sereno.models.dataset import Dataset


def pooled(own: Dataset, peers: Sequence[Dataset]) -> Dataset:
    """Own rows, and beside them at most as many of all peers together, in the order of time.

    own     rows that teach, oldest first
    peers   all rows of other series, with the same features and horizon

    So a training never takes more than about twice as long, however many series are traded.
    """
    if not len(own) or not peers:
        return own
    known = [peer.known_by(int(own.end_ms.max())) for peer in peers]
    share = len(own) // len(known)
    blocks = [own, *(block.thinned(share) for block in known if share and len(block))]
    for block in blocks:
        if block.names != own.names or block.horizon_bars != own.horizon_bars:
            raise ValueError("rows of other features or another horizon cannot be pooled")
    order = np.argsort(np.concatenate([block.ts for block in blocks]), kind="stable")
    return Dataset(
        names=own.names,
        ts=np.concatenate([block.ts for block in blocks])[order],
        x=np.ascontiguousarray(np.vstack([block.x for block in blocks])[order]),
        end_ms=np.concatenate([block.end_ms for block in blocks])[order],
        trend=np.concatenate([block.trend for block in blocks])[order],
        return_atr=np.concatenate([block.return_atr for block in blocks])[order],
        stops=np.concatenate([block.stops for block in blocks])[order],
        horizon_bars=own.horizon_bars,
    )
