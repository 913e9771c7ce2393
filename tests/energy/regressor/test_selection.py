"""The lowest regret ships; near-equals are decided by MAPE."""

from __future__ import annotations

import pytest

from energy.errors import InputError
from energy.regressor.scores import Score
from energy.regressor.selection import choose


def figures(regret: float | None, mape: float) -> Score:
    """A score with only what the choice looks at."""
    return Score(placement_regret_ratio=regret, mape_ratio_median=mape)


def test_the_lowest_regret_ships_even_with_a_larger_error() -> None:
    """Regret comes before error in watts."""
    choice = choose({"exact": figures(0.10, 0.01), "wise": figures(0.05, 0.04)})
    assert choice.name == "wise"


def test_within_five_percent_the_lower_mape_ships() -> None:
    """A tie is broken by error, and the reason says between whom."""
    choice = choose({"a": figures(0.100, 0.04), "b": figures(0.1049, 0.02)})
    assert choice.name == "b"
    assert "a, b" in choice.reason


def test_beyond_five_percent_there_is_no_tie() -> None:
    """5.1 % is more than 5 %."""
    assert choose({"a": figures(0.100, 0.04), "b": figures(0.1051, 0.02)}).name == "a"


def test_a_model_without_a_regret_cannot_ship() -> None:
    """And none at all is an error."""
    assert choose({"a": figures(None, 0.01), "b": figures(0.3, 0.1)}).name == "b"
    with pytest.raises(InputError):
        choose({"a": figures(None, 0.01)})
