"""Counting in many processes: the sums are those of all, once, whoever dies and whoever reads."""

from datetime import timedelta

import pytest

from demo.azurite_server import Azurite
from demo.stack import bare_settings
from shared.errors import StorageUnavailable
from shared.observability.metrics import EXPORTS, READY_SECONDS, STORAGE_ERRORS, Counts, Sums, added
from shared.observability.metrics_table import CountsTable
from shared.settings import settings_from
from shared.storage.accounts import table_service
from tests.conftest import NewAccount

ASKED = {"status": "Pending", "export_type": "users", "format": "csv"}
KIND = {"export_type": "users", "format": "csv"}
SERIES = ("sluice_exports", ("Pending", "users", "csv"))


@pytest.fixture
def table(new_account: NewAccount) -> CountsTable:
    """A table with nothing in it."""
    account: Azurite = new_account()
    made = CountsTable(table_service(settings_from(bare_settings(account.connection_string)), "activity"))
    made.prepare()
    return made


class Away:
    """A store that is away when it is told to be, and then loses the answer to what it has done."""

    def __init__(self, table: CountsTable) -> None:
        self.table = table
        self.away = False

    def put(self, process: str, sums: Sums) -> None:
        self.table.put(process, sums)
        self._answer()

    def replace(self, process: str, sums: Sums) -> bool:
        there = self.table.replace(process, sums)
        self._answer()
        return there

    def _answer(self) -> None:
        if self.away:
            raise StorageUnavailable("away")


@pytest.fixture
def processes(table: CountsTable) -> list[Counts]:
    """Three processes that count."""
    made = [Counts() for _ in range(3)]
    for counts in made:
        counts.keep_in(table)
    return made


def asked(counts: Counts, times: int) -> None:
    for _ in range(times):
        counts.add(EXPORTS, 1, ASKED)


def test_the_sums_are_those_of_all_processes(table: CountsTable, processes: list[Counts]) -> None:
    """However often each saves."""
    for times, counts in enumerate(processes, 1):
        asked(counts, times)
        counts.save()
        counts.add(READY_SECONDS, times * 30.0, KIND)
        counts.save()
        counts.save()
    total = table.total()
    assert total[SERIES] == [6.0]
    assert total["sluice_export_ready_seconds", ("users", "csv")] == [
        *(180.0, 0, 0, 0, 0, 0, 0),
        *(1.0, 2.0),
        *([0.0] * 7),
    ]


def test_idle_rows_become_the_total_and_their_processes_go_on(table: CountsTable, processes: list[Counts]) -> None:
    """A process that counts again after its row was taken begins another: nothing twice, nothing lost."""
    for round_ in range(1, 4):
        for counts in processes:
            asked(counts, 2)
            counts.save()
        assert table.total(idle=timedelta(0))[SERIES] == [6.0 * round_]
        assert table.total()[SERIES] == [6.0 * round_]
    asked(processes[0], 1)
    processes[0].add(STORAGE_ERRORS, 1, {"kind": "503"})
    processes[0].save()
    assert table.total()[SERIES] == [19.0]
    assert table.total()["sluice_storage_errors", ("503",)] == [1.0]


def test_two_that_put_rows_together_at_once_count_them_once(table: CountsTable, processes: list[Counts]) -> None:
    """The transaction of the second fails, for the rows are gone."""
    asked(processes[0], 3)
    processes[0].save()
    rows = list(table._table.query_entities("PartitionKey eq 'counts'"))
    table._put_together(None, rows)
    assert table.total(idle=timedelta(0))[SERIES] == [3.0]
    with pytest.raises(Exception, match=r"(?i)exist"):
        table._put_together(None, rows)
    assert table.total()[SERIES] == [3.0]


def test_a_lost_answer_is_not_counted_twice(table: CountsTable) -> None:
    """Neither to the first write of a row nor to a later one; what could not be saved is saved the next time."""
    store, counts = Away(table), Counts()
    counts.keep_in(store)
    for round_ in range(1, 4):
        asked(counts, 1)
        store.away = True
        for _ in range(2):
            with pytest.raises(StorageUnavailable):
                counts.save()
        store.away = False
        asked(counts, 1)
        counts.save()
        assert table.total()[SERIES] == [2.0 * round_]


def test_sums_are_added_and_taken_away() -> None:
    """Series by series, also where only one side has it."""
    one: Sums = {SERIES: [1.0], ("h", ()): [1.0, 2.0]}
    other: Sums = {SERIES: [2.0], ("x", ()): [5.0]}
    assert added(one, other) == {SERIES: [3.0], ("h", ()): [1.0, 2.0], ("x", ()): [5.0]}
    assert added(added(one, other), other, -1) == {SERIES: [1.0], ("h", ()): [1.0, 2.0], ("x", ()): [0.0]}
