"""A whole desk whose lake lies in a bucket: collects, trains and decides there, and replays what it decided."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from sereno.ops.app import Desk, lake_settings
from sereno.ops.steps.retell import replayed
from sereno.store.ledger import runs, signals
from sereno.store.ledger.runs import RunStatus
from tests.ops.desk_process import SMALL, sereno, settings_of
from tests.ops.traded import check_signal_files
from tests.store.lake_world import bucket_address

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}
WHOLE_PASS = ("collector", "features", "train", "signals-pass", "positions")


def test_one_pass_with_the_lake_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        **SMALL,
        "lake.url": f"s3://lakes/{uuid.uuid4().hex}",
        "lake.s3_endpoint": bucket_address(),
    }
    assert "all well" in sereno(tmp_path, given, "up", "--for", "2h", "--speed", "max", env=CREDENTIALS)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with Desk(settings_of(tmp_path, given)) as desk:
        assert not desk.paths.lake.exists()
        assert desk.lake.where == lake_settings(desk.settings).url
        with desk.ledger.read() as tx:
            ended = {name: runs.last(tx, name, desk.mode) for name in WHOLE_PASS}
            made = signals.recent(tx)
        assert {job: run and run.status for job, run in ended.items()} == dict.fromkeys(
            WHOLE_PASS, RunStatus.SUCCESS
        )
        check_signal_files(desk.settings)
        assert {signal.series for signal in made} == set(desk.series)
        assert len(made) > len(desk.series)
        for signal in made:
            lines, equal = replayed(desk, signal)
            assert equal, "\n".join(lines)
        for series in desk.series:
            assert desk.lake.verify(series) == ()
