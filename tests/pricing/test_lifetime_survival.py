"""Survival curves: an outside oracle, laws that hold for all samples, and the grid against it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from energy.errors import InputError
from pricing.lifetime_survival import (
    CELLS_PER_DOUBLING,
    EDGE_SECONDS,
    LASTING_SECONDS,
    LifeTable,
    Stays,
    kaplan_meier,
    lasting_hazards,
)

AGES = st.integers(1, 40).map(float)
SAMPLES = st.lists(st.tuples(AGES, st.booleans()), min_size=1, max_size=40)
LATE = st.lists(st.tuples(AGES, AGES, st.booleans()), min_size=1, max_size=30)


def from_birth(rows):
    """Stays watched from their beginning."""
    until, ended = np.array([age for age, _ in rows]), np.array([end for _, end in rows])
    return Stays(np.zeros(len(rows)), until, ended)


@given(SAMPLES)
def test_the_product_limit_estimate_is_scipys(rows):
    """SciPy's estimate for right-censored data is an independent one."""
    stays = from_birth(rows)
    theirs = stats.ecdf(stats.CensoredData.right_censored(stays.until_seconds, ~stays.ended)).sf
    ages = np.arange(0.0, 45.0, 0.5)

    np.testing.assert_allclose(kaplan_meier(stays).at(ages), theirs.evaluate(ages), atol=1e-12)


@given(st.lists(AGES, min_size=1, max_size=40))
def test_without_censoring_it_is_the_share_that_outlasts_an_age(lifetimes):
    """Nothing is lost from sight, so counting suffices."""
    curve = kaplan_meier(from_birth([(lifetime, True) for lifetime in lifetimes]))
    ages = np.arange(0.0, 45.0, 0.5)

    counted = (np.array(lifetimes) > ages[:, None]).mean(axis=1)
    np.testing.assert_allclose(curve.at(ages), counted, atol=1e-12)


def product_over_ages(rows):
    """The estimate by its definition, one age after the other."""
    left, steps = 1.0, []
    for age in sorted({until for _, until, ended in rows if ended}):
        there = sum(since < age <= until for since, until, _ in rows)
        left *= 1 - sum(ended and until == age for _, until, ended in rows) / there
        steps.append((age, left))
    return steps


@given(LATE)
def test_stays_first_seen_late_count_only_from_then_on(rows):
    """With late entries the estimate is the product over ages of those then in sight."""
    rows = [(min(a, b) - 0.5, max(a, b), ended) for a, b, ended in rows]
    since, until, ended = (np.array(column) for column in zip(*rows, strict=True))
    curve = kaplan_meier(Stays(since, until, ended))

    expected = product_over_ages(rows)
    np.testing.assert_allclose(curve.age_seconds, [age for age, _ in expected])
    np.testing.assert_allclose(curve.ratio, [left for _, left in expected], atol=1e-12)


@given(LATE, st.floats(0.0, 20.0))
def test_survival_never_rises_and_stays_a_share(rows, prior_stays):
    """Neither the exact estimate nor the one on the grid, whatever the prior's weight."""
    rows = [(min(a, b) - 0.5, max(a, b), ended) for a, b, ended in rows]
    since, until, ended = (np.array(column) for column in zip(*rows, strict=True))
    stays = Stays(since, until, ended)
    table = LifeTable.of(stays, np.zeros(len(stays), dtype=np.int64), 1)
    hazards = table.hazards(lasting_hazards(), prior_stays)[0]

    for shares in (kaplan_meier(stays).ratio, np.cumprod(1.0 - hazards)):
        assert (np.diff(shares, prepend=1.0) <= 1e-12).all()
        assert (shares >= -1e-12).all()


@given(SAMPLES)
def test_on_the_grid_it_is_the_estimate_at_ages_rounded_up(rows):
    """With no prior a life table is the product-limit estimate of the rounded ages."""
    stays = from_birth(rows)
    cells = np.ceil(np.log2(stays.until_seconds) * CELLS_PER_DOUBLING - 1e-9)
    rounded = Stays(stays.from_seconds, EDGE_SECONDS[cells.astype(np.int64)], stays.ended)
    table = LifeTable.of(stays, np.zeros(len(stays), dtype=np.int64), 1)
    seen = table.at_risk[0] > 0

    on_grid = np.cumprod(1.0 - table.hazards(lasting_hazards(), 0.0)[0])
    np.testing.assert_allclose(
        on_grid[seen], kaplan_meier(rounded).at(EDGE_SECONDS)[seen], atol=1e-12
    )


@given(LATE)
def test_on_the_grid_a_stay_counts_in_the_cells_that_it_was_seen_to_begin(rows):
    """The cell in which a stay came into sight is not one that it is known to have entered."""
    rows = [(min(a, b) - 1.0, max(a, b), ended) for a, b, ended in rows]
    since, until, ended = (np.array(column) for column in zip(*rows, strict=True))
    table = LifeTable.of(Stays(since, until, ended), np.zeros(len(rows), dtype=np.int64), 1)

    begins = np.concatenate([[0.0], EDGE_SECONDS[:-1]])[:, None]
    np.testing.assert_array_equal(
        table.at_risk[0], ((since <= begins) & (until > begins)).sum(axis=1)
    )


@given(SAMPLES, st.floats(0.5, 50.0))
def test_the_prior_draws_hazards_between_its_own_and_the_groups(rows, prior_stays):
    """Each cell's hazard lies between what was seen there and the prior."""
    table = LifeTable.of(from_birth(rows), np.zeros(len(rows), dtype=np.int64), 1)
    prior, own = lasting_hazards(), table.hazards(lasting_hazards(), 0.0)
    drawn = table.hazards(prior, prior_stays)

    assert (drawn >= np.minimum(prior, own) - 1e-12).all()
    assert (drawn <= np.maximum(prior, own) + 1e-12).all()


def test_before_anything_is_seen_what_has_lasted_is_expected_to_last():
    """Half outlast an hour, and of what is old already half outlast twice its age."""
    outlasting = np.cumprod(1.0 - lasting_hazards())

    assert np.interp(LASTING_SECONDS, EDGE_SECONDS, outlasting) == pytest.approx(0.5, rel=1e-3)
    doubled = outlasting[CELLS_PER_DOUBLING:] / outlasting[:-CELLS_PER_DOUBLING]
    assert doubled[-1] == pytest.approx(0.5, rel=1e-2)
    assert (np.diff(doubled) <= 1e-12).all()


def test_stays_that_end_before_they_begin_are_refused():
    """Such a record is a mistake of the caller's."""
    with pytest.raises(InputError, match="ends before it begins"):
        Stays(np.array([5.0]), np.array([4.0]), np.array([True]))
