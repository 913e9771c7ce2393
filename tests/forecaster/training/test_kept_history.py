"""What a forecaster keeps becomes series to learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from energy.errors import InputError
from forecaster.history import History
from forecaster.horizons import BUCKET_MINUTES
from forecaster.training.kept_history import SERIES_MAX, read_history

DAY_MINUTES = 1440
NEWEST = 27_000_002


def kept(folder: Path, days: dict[str, float]) -> Path:
    """A file as `Engine.export` and numpy make it; each series waves once a day."""
    history = History(len(days))
    rng = np.random.default_rng(1)
    for row, length in enumerate(days.values()):
        minutes = np.arange(NEWEST - int(length * DAY_MINUTES) + 1, NEWEST + 1)
        rates = (
            100 + 50 * np.sin(2 * np.pi * minutes / DAY_MINUTES) + rng.normal(0, 3, len(minutes))
        )
        history.put_block(row, minutes, rates)
    file = folder / "history.npz"
    arrays = {f"history.{name}": each for name, each in history.rows(np.arange(len(days))).items()}
    np.savez(file, keys=np.array(list(days)), **arrays)
    return file


def test_series_come_back_minute_by_minute(tmp_path: Path) -> None:
    """The newest two hours as they were, before them their means with the same scatter."""
    file = kept(tmp_path, {"shop/Deployment/web": 6, "shop/Deployment/new": 0.2})

    (series,) = read_history(file, seed=1)

    assert series.name == "shop/Deployment/web"
    assert len(series.values) == pytest.approx(6 * DAY_MINUTES, abs=5)
    minutes = np.arange(series.first_minute, series.first_minute + len(series.values))
    assert minutes[-1] == NEWEST
    away = series.values - (100 + 50 * np.sin(2 * np.pi * minutes / DAY_MINUTES))
    assert np.nanmean(away) == pytest.approx(0, abs=0.5)
    assert np.nanstd(away[: 4 * DAY_MINUTES]) == pytest.approx(3, rel=0.3)
    np.testing.assert_array_equal(series.values, read_history(file, seed=1)[0].values)


def test_nothing_is_learnt_from_within_a_bucket(tmp_path: Path) -> None:
    """There its minutes, made of the bucket's mean, would know what comes."""
    (series,) = read_history(kept(tmp_path, {"shop/Deployment/web": 3}), seed=1)

    for part in (series, series.until(0.8)):
        places = part.part(0.0, 1.0)
        assert len(places) == pytest.approx(len(part.values) / BUCKET_MINUTES, abs=15)
        assert ((series.first_minute + places) % BUCKET_MINUTES == 0).all()


def test_of_very_many_series_some_are_drawn(tmp_path: Path) -> None:
    """Training takes no longer for a large cluster."""
    file = kept(
        tmp_path, {f"shop/Deployment/web-{number}": 1.6 for number in range(SERIES_MAX + 6)}
    )

    one, two = read_history(file, seed=1), read_history(file, seed=2)

    assert len(one) == len(two) == SERIES_MAX
    assert {each.name for each in one} != {each.name for each in two}


@pytest.mark.parametrize("content", [b"", b"no numpy file", b"PK\x03\x04broken"])
def test_another_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    """With its name."""
    file = tmp_path / "history.npz"
    file.write_bytes(content)

    with pytest.raises(InputError, match=r"history\.npz") as caught:
        read_history(file, seed=1)

    assert "\n" not in str(caught.value)


def test_a_missing_file_and_one_without_histories_are_refused(tmp_path: Path) -> None:
    """With what to give instead."""
    other = tmp_path / "other.npz"
    np.savez(other, keys=np.array(["a"]))

    for file in (tmp_path / "none.npz", other):
        with pytest.raises(InputError, match=r"Engine\.export"):
            read_history(file, seed=1)
