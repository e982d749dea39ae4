"""One pointer a series: its roles change together, a person's choice holds, old registries are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sereno.core.errors import FixConfig, SkipThis
from sereno.store.pointer import Pin, Pointer
from sereno.store.registry import Registry, doomed
from tests.store.test_registry import BTC, PERPETUAL, keep, place, spoil

ROLES = ("trend", "return", "risk")
PIN = Pin("ada", 1_767_225_600_000, "the new one looks odd")
POINTER = Path("current/binance-spot-BTC_USDT/1h.json")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def trained(registry: Registry, number: int) -> dict[str, str]:
    """A version of each role, as the `number`-th training would save them."""
    return {role: keep(registry, number, role=role) for role in ROLES}


def published(registry: Registry, *numbers: int) -> list[dict[str, str]]:
    sets = [trained(registry, number) for number in numbers]
    for one in sets:
        registry.publish(BTC, one)
    return sets


def test_trap_a30_25_a_set_is_published_in_one_write_of_one_file(registry: Registry) -> None:
    first, second = published(registry, 0, 1)
    assert registry.served(BTC) == second
    assert registry.pointer(BTC).history == (first,)
    assert json.loads((registry.root / POINTER).read_text())["versions"] == second
    assert [registry.current(role, BTC) for role in ROLES] == list(second.values())
    assert registry.served(PERPETUAL) == {}


def test_nothing_changes_when_one_of_a_set_cannot_serve(registry: Registry) -> None:
    (first,) = published(registry, 0)
    second = trained(registry, 1)
    spoil(registry, second["risk"])
    with pytest.raises(SkipThis, match="registry.not_usable"):
        registry.publish(BTC, second)
    refused = {**trained(registry, 2), "risk": keep(registry, 3, role="risk", serving_ok=False)}
    with pytest.raises(FixConfig, match="registry.refused_version"):
        registry.publish(BTC, refused)
    assert registry.served(BTC) == first


def test_a_rollback_takes_the_whole_set_back(registry: Registry) -> None:
    first, second, third = published(registry, 0, 1, 2)
    assert registry.rollback(BTC) == second
    assert registry.rollback(BTC) == first
    with pytest.raises(SkipThis, match="registry.no_previous"):
        registry.rollback(BTC)
    assert third["trend"] not in registry.history("trend", BTC)


def test_a_rollback_passes_over_a_set_with_a_damaged_role(registry: Registry) -> None:
    first, second, _ = published(registry, 0, 1, 2)
    spoil(registry, second["return"])
    assert registry.rollback(BTC) == first


def test_a_rollback_never_leaves_a_role_without_a_model(registry: Registry) -> None:
    lone = keep(registry, 0, role="trend")
    registry.publish(BTC, {"trend": lone})
    published(registry, 1)
    with pytest.raises(SkipThis, match="registry.no_previous"):
        registry.rollback(BTC)


def test_one_role_alone_goes_back_step_by_step(registry: Registry) -> None:
    first, second, third = published(registry, 0, 1, 2)
    assert registry.rollback(BTC, "risk") == {**third, "risk": second["risk"]}
    assert registry.rollback(BTC, "risk") == {**third, "risk": first["risk"]}
    with pytest.raises(SkipThis, match="registry.no_previous"):
        registry.rollback(BTC, "risk")


def test_use_changes_the_role_of_its_version_only(registry: Registry) -> None:
    first, second = published(registry, 0, 1)
    registry.use("return", BTC, first["return"])
    assert registry.served(BTC) == {**second, "return": first["return"]}
    assert registry.rollback(BTC) == second


def test_a_pinned_role_outlives_every_training_until_it_is_released(registry: Registry) -> None:
    first, _ = published(registry, 0, 1)
    registry.use("trend", BTC, first["trend"], pin=PIN)
    third, fourth = published(registry, 2, 3)
    assert registry.served(BTC) == {**fourth, "trend": first["trend"]}
    assert registry.pointer(BTC).pins == {"trend": PIN}
    assert registry.release(BTC, "risk") == {}
    assert registry.release(BTC) == {"trend": PIN}
    assert registry.served(BTC)["trend"] == first["trend"], "releasing changes nothing by itself"
    registry.publish(BTC, third)
    assert registry.served(BTC) == third


def test_a_rollback_pins_what_went_back(registry: Registry) -> None:
    first, _ = published(registry, 0, 1)
    registry.rollback(BTC, pin=PIN)
    published(registry, 2)
    assert registry.served(BTC) == first
    assert registry.pointer(BTC).pins == dict.fromkeys(ROLES, PIN)
    registry.release(BTC, "trend")
    assert set(registry.pointer(BTC).pins) == {"return", "risk"}


def test_a_pinned_version_of_which_a_byte_changed_is_not_served(registry: Registry) -> None:
    first, second = published(registry, 0, 1)
    registry.use("trend", BTC, second["trend"], pin=PIN)
    spoil(registry, second["trend"])
    artefact = registry.load("trend", BTC)
    assert (artefact.manifest.version, artefact.fell_back_from) == (first["trend"], second["trend"])


class TestOldRegistries:
    """Before, each role had a pointer of its own beside its versions."""

    @staticmethod
    def wrote(registry: Registry, role: str, *served: str) -> None:
        body = {"version": served[-1], "history": list(served[:-1])}
        (place(registry, served[-1]).parent / "current").write_text(json.dumps(body))

    def test_they_are_read_and_their_sets_found_again(self, registry: Registry) -> None:
        sets = [trained(registry, number) for number in range(3)]
        for role in ROLES:
            self.wrote(registry, role, *(one[role] for one in sets))
        assert registry.served(BTC) == sets[2]
        assert registry.pointer(BTC).history == (sets[0], sets[1])
        assert not (registry.root / "current").exists(), "reading writes nothing"
        assert registry.rollback(BTC) == sets[1]
        assert registry.served(BTC) == sets[1], "the series' own pointer counts from now on"

    def test_the_first_training_moves_them_even_when_it_changes_nothing(self, registry: Registry) -> None:
        one = trained(registry, 0)
        for role in ROLES:
            self.wrote(registry, role, one[role])
        registry.publish(BTC, one)
        assert json.loads((registry.root / POINTER).read_text())["versions"] == one

    def test_a_damaged_one_serves_nothing_until_a_version_is_chosen(self, registry: Registry) -> None:
        one = trained(registry, 0)
        self.wrote(registry, "trend", one["trend"])
        (place(registry, one["trend"]).parent / "current").write_text('{"version": null}')
        with pytest.raises(SkipThis, match="registry.damaged_pointer"):
            registry.served(BTC)
        registry.use("trend", BTC, one["trend"])
        assert registry.served(BTC) == {"trend": one["trend"]}


def test_pruning_keeps_what_signals_name_and_the_set_to_go_back_to(registry: Registry) -> None:
    sets = published(registry, *range(6))
    named = {sets[1]["trend"]}
    registry.prune(keep=1, named=named)
    left = {manifest.version for manifest in registry.all()}
    assert left == {*named, *sets[4].values(), *sets[5].values()}
    assert registry.pointer(BTC).history == (sets[4],)
    assert registry.load("trend", BTC, sets[1]["trend"]).fell_back_from is None
    assert registry.rollback(BTC) == sets[4]


def test_pruning_keeps_what_is_pinned(registry: Registry) -> None:
    first, _ = published(registry, 0, 1)
    registry.use("trend", BTC, first["trend"], pin=PIN)
    published(registry, 2, 3, 4)
    registry.prune(keep=1)
    assert registry.load("trend", BTC).fell_back_from is None


VERSIONS = [f"20260101T00000{number}Z-0000000{number}" for number in range(5)]
SETS = st.dictionaries(st.sampled_from(ROLES), st.sampled_from(VERSIONS), min_size=1)


@given(st.lists(SETS, min_size=1, max_size=12), st.sets(st.sampled_from(ROLES), min_size=1))
def test_a_pointer_remembers_every_version_in_order(moves: list[dict[str, str]], pinned: set[str]) -> None:
    pointer = Pointer()
    for versions in moves:
        pointer = pointer.moved_to(versions)
    for role in ROLES:
        told = [one[role] for one in moves if role in one]
        changes = [v for i, v in enumerate(told) if i == 0 or told[i - 1] != v]
        assert [*pointer.served_before(role), *([pointer.versions[role]] if told else [])] == changes
    held = pointer.pinned(pinned, PIN)
    assert held.versions == pointer.versions
    assert held.released(pinned) == pointer


@given(SETS, SETS, st.sets(st.sampled_from(VERSIONS)), st.integers(0, 5))
def test_trap_a30_38_pruning_never_takes_what_serves_or_is_named(
    now: dict[str, str], before: dict[str, str], named: set[str], keep_newest: int
) -> None:
    class Known:
        def __init__(self, version: str) -> None:
            self.version = version

    pointer = Pointer(now, (before,))
    gone = doomed([Known(v) for v in VERSIONS], pointer, keep=keep_newest, named=named)  # type: ignore[misc]
    taken = {one.version for one in gone}
    assert not taken & {*now.values(), *before.values(), *named}
    assert not taken & set(VERSIONS[len(VERSIONS) - keep_newest :])
    assert len(gone) >= len(VERSIONS) - keep_newest - len({*now.values(), *before.values(), *named})


def test_all_roles_are_loaded_by_one_reading(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that publishes between two loads must not mix its models with those of before."""
    first, second = published(registry, 0), trained(registry, 1)
    read = registry._intact

    def publishes_meanwhile(*words: object) -> object:
        Registry(registry.root).publish(BTC, second)
        return read(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(registry, "_intact", publishes_meanwhile)
    found = registry.load_served(BTC, ROLES)
    assert {role: artefact.manifest.version for role, artefact in found.items()} == first[0]
