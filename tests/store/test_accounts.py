"""Accounts: what lies on the disk, and who may read it."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest

from studio.errors import InputError, NotFoundError, RightsError
from studio.store import Accounts

PASSWORD = "a long password"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try at a password costs a third of a second by design; one test here pays that and holds it."""
    monkeypatch.setattr("studio.store.accounts._N", 2**10)


def test_users_and_key_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    accounts.add("mika", PASSWORD)
    accounts.session("mika")
    for name in ("users.json", "session.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    accounts.add("ken", PASSWORD)
    assert stat.S_IMODE((tmp_path / "users.json").stat().st_mode) == 0o600


def test_no_password_stands_in_the_file_and_equal_ones_differ(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    accounts.add("mika", PASSWORD)
    accounts.add("ken", PASSWORD)
    text = (tmp_path / "users.json").read_text()
    assert PASSWORD not in text
    assert text.count('"hash"') == 2
    assert len({line for line in text.splitlines() if '"hash"' in line}) == 2


def test_a_password_costs_128_mib_to_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    Accounts(tmp_path).add("mika", PASSWORD)
    entry = json.loads((tmp_path / "users.json").read_text())["mika"]
    salt = bytes.fromhex(entry["salt"])
    assert entry["hash"] == hashlib.scrypt(PASSWORD.encode(), salt=salt, n=2**17, r=8, p=1, maxmem=2**28).hex()


def test_only_name_and_password_together_are_right(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    accounts.add("mika", PASSWORD)
    assert accounts.check("mika", PASSWORD)
    assert not accounts.check("mika", PASSWORD + " ")
    assert not accounts.check("nobody", "")


@pytest.mark.parametrize("name", ["", "Mika", "a b", "../x", "a|b", "x" * 200])
def test_names_that_are_none_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no user name"):
        Accounts(tmp_path).add(name, PASSWORD)


def test_a_damaged_file_lets_nobody_in_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        Accounts(tmp_path).check("mika", PASSWORD)


def test_who_is_not_there_cannot_be_taken_out(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no user 'ken'"):
        Accounts(tmp_path).remove("ken")


def test_the_file_is_read_once_until_it_changes_and_a_change_from_outside_counts_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = Accounts(tmp_path)
    accounts.add("mika", PASSWORD)
    token = accounts.session("mika")
    reads = list[str]()
    read_text = Path.read_text

    def counted(path: Path) -> str:
        reads.append(path.name)
        return read_text(path)

    monkeypatch.setattr(Path, "read_text", counted)
    assert [accounts.person(token) for _ in range(20)] == ["mika"] * 20
    assert reads.count("users.json") <= 1
    Accounts(tmp_path).remove("mika")
    assert accounts.person(token) is None
    assert accounts.names() == []


def test_a_file_that_is_gone_lets_nobody_in(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    accounts.add("mika", PASSWORD)
    token = accounts.session("mika")
    (tmp_path / "users.json").unlink()
    assert accounts.person(token) is None


def test_an_operator_stays_one_with_a_new_password_until_it_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.store.accounts._N", 2**10)
    accounts = Accounts(tmp_path)
    accounts.add("mika", PASSWORD)
    with pytest.raises(RightsError, match="users operator mika"):
        accounts.demand_operator("mika")
    accounts.set_operator("mika", True)
    accounts.add("mika", PASSWORD * 2)
    accounts.demand_operator("mika")
    assert accounts.check("mika", PASSWORD * 2)
    accounts.set_operator("mika", False)
    assert not accounts.is_operator("mika")
    with pytest.raises(NotFoundError):
        accounts.set_operator("ken", True)


def test_whoever_sits_at_the_machine_may_do_everything_and_nobody_logs_in_as_them(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    accounts.demand_operator("local")
    with pytest.raises(InputError, match="sits at the machine"):
        accounts.add("local", PASSWORD)
