"""A whole pass with the ledger in PostgreSQL, told by the name that people's environments already have."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from sereno.core.mode import Mode
from sereno.core.order import PAPER_ACCOUNT
from sereno.store.ledger import equity, instruments, open_ledger, risk_state, runs, signals
from sereno.store.ledger.runs import RunStatus
from tests.ops.desk_process import SMALL, sereno, settings_of
from tests.ops.traded import check_signal_files

pytestmark = pytest.mark.postgres


def test_a_whole_pass_is_kept_in_postgresql(tmp_path: Path, postgres_url: str) -> None:
    plain = postgres_url.replace("postgresql+psycopg://", "postgresql://")
    sereno(tmp_path, SMALL, "up", "--once", env={"DATABASE_URL": plain})
    settings = settings_of(tmp_path, SMALL)
    assert not settings.paths.ledger_file.exists(), "nothing may be kept beside the database"
    ledger = open_ledger(postgres_url)
    with ledger.read() as tx:
        ended = {run.job: run for run in runs.latest(tx, None, 100)}
        made = signals.recent(tx)
        curve = equity.series(tx, Mode.SIM, PAPER_ACCOUNT)
        state = risk_state.load(tx, Mode.SIM, PAPER_ACCOUNT)
        grids = [instruments.rules(tx, instrument) for instrument in settings.venue.listed()]
    ledger.close()
    for job in ("collector", "features", "train", "signals-pass", "positions"):
        assert ended[job].status is RunStatus.SUCCESS, job
        assert ended[job].ended_ms is not None
    assert (ended["collector"].rows or 0) > 2 * 24 * 79
    assert {signal.series.instrument.symbol for signal in made} == {"BTC/USDT", "ETH/USDT"}
    assert all(signal.reason and signal.features for signal in made)
    assert curve[0].equity_quote == Decimal(10_000)
    assert state is not None
    assert None not in grids
    assert list(settings.paths.exports.glob("risk_state_*.json")), "the positions job exports the account"
    check_signal_files(settings)
