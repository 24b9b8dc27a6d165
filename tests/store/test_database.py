"""Transactions, threads, processes, migrations, and a disk that is full."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql

from studio.errors import ConflictError, ResourceError
from studio.records.product import Product
from studio.settings import Settings
from studio.store import Store
from studio.store.job_table import next_waiting_query
from studio.store.tables import METADATA

REPOSITORY = Path(__file__).resolve().parents[2]
OPEN = (
    "import sys; from studio.settings import Settings; from studio.store import Store; Store.open(Settings()).close()"
)

FULL_DISK = """
import resource, sys
from studio.errors import ResourceError
from studio.records.product import Product
from studio.settings import Settings
from studio.store import Store

store = Store.open(Settings())
limit = 400_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    store.files.put_bytes(b"x" * (limit + 1), ".bin")
except ResourceError:
    print("file refused", flush=True)
for number in range(10_000):
    try:
        with store.transaction():
            for half in "ab":
                store.products.add(Product(sku=f"{number}{half}", name="n" * 200, brand="b" * 5000))
    except ResourceError:
        print("row refused", flush=True)
        break
    print("committed", number, flush=True)
"""


def products(count: int) -> list[Product]:
    return [Product(sku=str(number), name="n") for number in range(count)]


def in_threads(*works: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run_python(code: str, home: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"STUDIO_HOME": str(home)}
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=-1, stderr=-1, text=True)


def test_migrations_from_empty_make_the_tables(store: Store) -> None:
    with store.database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {p}").scalar() for p in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert pragmas == ["wal", 2, 1]


def test_reopening_keeps_everything(settings: Settings) -> None:
    with Store.open(settings) as store:
        store.products.put(products(1)[0])
    with Store.open(settings) as store:
        assert store.products.find() == products(1)


def test_processes_may_open_a_new_home_together(tmp_path: Path) -> None:
    processes = [run_python(OPEN, tmp_path / "home") for _ in range(2)]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors


def test_a_newer_database_is_refused_untouched(settings: Settings) -> None:
    Store.open(settings).close()
    with sqlite3.connect(settings.home / "studio.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(ConflictError, match="Update the studio"):
        Store.open(settings)


def test_a_file_that_is_no_database(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "studio.sqlite3").write_bytes(b"holiday photos" * 1000)
    with pytest.raises(ResourceError, match="not an SQLite database"):
        Store.open(settings)


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="STUDIO_HOME"):
        Store.open(Settings(home=tmp_path / "file" / "home"))


def test_a_transaction_is_all_or_nothing_also_when_nested(store: Store) -> None:
    first, second = products(2)

    def put_both_and_fail() -> None:
        with store.transaction():
            store.products.put(first)
            with store.transaction():
                store.products.put(second)
            assert len(store.products.find()) == 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        put_both_and_fail()
    assert store.products.find() == []


def test_other_threads_see_only_what_is_committed(store: Store) -> None:
    seen: list[int] = []
    with store.transaction():
        store.products.put(products(1)[0])
        in_threads(lambda: seen.append(len(store.products.find())))
    in_threads(lambda: seen.append(len(store.products.find())))
    assert seen == [0, 1]


def test_threads_that_read_and_write_lose_no_update(store: Store) -> None:
    store.products.put(Product(sku="count", name="n", price=0))

    def count() -> None:
        for _ in range(25):
            with store.transaction():
                product = store.products.get("count")
                store.products.put(product.model_copy(update={"price": (product.price or 0) + 1}))

    in_threads(count, count)
    assert store.products.get("count").price == 50


def test_two_threads_write_side_by_side(store: Store) -> None:
    many = products(60)
    in_threads(*(lambda part=part: [store.products.add(p) for p in part] and None for part in (many[:30], many[30:])))
    assert {p.sku for p in store.products.find()} == {p.sku for p in many}


def test_a_full_disk_loses_no_committed_row_and_leaves_no_half_file(settings: Settings) -> None:
    process = run_python(FULL_DISK, settings.home)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    committed = [line.split()[1] for line in output.splitlines() if line.startswith("committed")]
    assert "file refused" in output
    assert output.endswith("row refused\n")
    assert committed
    with Store.open(settings) as store:
        assert [p.sku for p in store.products.find()] == [f"{n}{half}" for n in committed for half in "ab"]
        assert [p for p in settings.files_dir.rglob("*") if p.is_file()] == []
        store.products.put(Product(sku="after", name="room again"))
        with store.database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_postgres_claims_skip_rows_that_others_hold() -> None:
    sql = str(next_waiting_query(["train"], 4).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert sql.endswith("FOR UPDATE OF jobs SKIP LOCKED")
