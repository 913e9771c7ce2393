"""What keeps the controller's changes keeps them no longer than a ledger keeps actions."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from record_kinds import acted
from scraped_prometheus import wait_until

from energy.errors import InputError
from extender.tiers.__main__ import _ledger_writer, _recorder
from extender.tiers.controller import TierFigures
from extender.tiers.labels import LabelChange
from extender.tiers.metrics import exposition, process_registry
from extender.tiers.settings import TiersSettings
from ledger.filters import ActionFilter
from ledger.store import Ledger


def test_a_ledger_that_only_the_controller_writes_is_kept_tidy(tmp_path) -> None:
    """Nobody else would delete what is too old."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with Ledger.open(url) as ledger, ExitStack() as opened:
        ledger.record([acted(decided_at_seconds=0.0)])

        assert _ledger_writer(TiersSettings(ledger_url=url), opened) is not None

        wait_until(lambda: ledger.count(ActionFilter()) == 0)


def test_the_password_of_the_database_may_be_in_a_file(tmp_path) -> None:
    """The file is read: with the one in the URL it is one too many."""
    file = tmp_path / "password"
    file.write_text("secret", encoding="utf-8")
    settings = TiersSettings(
        ledger_url="mariadb://user:secret@127.0.0.1:1/ledger", ledger_password_file=file
    )
    with ExitStack() as opened, pytest.raises(InputError, match="password"):
        _ledger_writer(settings, opened)


def test_each_change_is_recorded_and_counted(tmp_path) -> None:
    """What the ledger does not take is to be seen somewhere."""
    settings = TiersSettings(ledger_url=f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    with ExitStack() as opened:
        writer = _ledger_writer(settings, opened)
        assert writer is not None
        change = LabelChange(node="a", before=None, after="3", reason="a core costs 3.00 W")

        _recorder(settings, writer)(change)

        wait_until(lambda: writer.written == 1)
        said = exposition(
            process_registry(), TierFigures(mode="act", rule="fill-cost"), writer
        ).splitlines()
    assert b"negawatt_tiers_ledger_written_records_total 1" in said
    assert b"negawatt_tiers_ledger_dropped_records_total 0" in said


def test_no_ledger_is_no_series_of_it() -> None:
    """A zero would say that there is one."""
    with ExitStack() as opened:
        assert _ledger_writer(TiersSettings(), opened) is None
    said = exposition(process_registry(), TierFigures(mode="act", rule="fill-cost"))
    assert not [line for line in said.splitlines() if line.startswith(b"negawatt_tiers_ledger")]
