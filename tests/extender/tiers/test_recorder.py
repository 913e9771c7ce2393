"""What keeps the controller's changes keeps them no longer than a ledger keeps actions."""

from __future__ import annotations

from contextlib import ExitStack

from record_kinds import acted
from scraped_prometheus import wait_until

from extender.tiers.__main__ import _recorder
from extender.tiers.settings import TiersSettings
from ledger.filters import ActionFilter
from ledger.store import Ledger


def test_a_ledger_that_only_the_controller_writes_is_kept_tidy(tmp_path) -> None:
    """Nobody else would delete what is too old."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with Ledger.open(url) as ledger, ExitStack() as opened:
        ledger.record([acted(decided_at_seconds=0.0)])

        _recorder(TiersSettings(ledger_url=url), opened)

        wait_until(lambda: ledger.count(ActionFilter()) == 0)
