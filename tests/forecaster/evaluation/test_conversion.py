"""The development sets as traces, against what is published about them; and bad sources."""

from __future__ import annotations

from pathlib import Path

import components
import numpy as np
import pytest

from energy.errors import InputError
from forecaster.cleaning import find_outages
from forecaster.evaluation import conversion
from forecaster.evaluation.traces import Trace, read_trace

DAY, WEEK = 24 * 60, 7 * 24 * 60
#: WAPE at ten minutes of the last value, yesterday and last week, in percent; absent minutes are 0.
WAPE_PERCENT = {
    "nasa": (36.9, 52.8, 60.3),
    "twitter": (31.8, 27.7, 29.6),
    "mongo-01": (6.6, 13.1, 8.4),
    "mongo-02": (2.2, 4.2, 4.4),
    "ingress-01": (2.9, 13.5, 6.7),
    "ingress-03": (4.8, 16.6, 7.6),
}


@pytest.fixture(scope="session")
def converted(tmp_path_factory) -> dict[str, Trace]:
    """Every development set."""
    folder = tmp_path_factory.mktemp("traces")
    sources = conversion.find_sources([components.SHARED / "data"])
    return {
        name: read_trace(conversion.convert(name, source, folder).file)
        for name, source in sources.items()
    }


@pytest.mark.shared
def test_the_published_errors_of_naive_forecasts_come_out(converted):
    """Within the rounding of the table."""
    for name, expected in WAPE_PERCENT.items():
        values = np.nan_to_num(converted[name].values)
        for lag, percent in zip((10, DAY, WEEK), expected, strict=True):
            wape = np.abs(values[lag:] - values[:-lag]).sum() / values[lag:].sum()
            assert 100 * wape == pytest.approx(percent, abs=0.051), (name, lag)


@pytest.mark.shared
def test_nasa_is_whole_but_for_its_two_outages(converted):
    """62 days; every other absent minute, in the quietest night, too, had no requests."""
    nasa = converted["nasa"]
    assert len(nasa.values) == 62 * DAY
    assert np.nansum(nasa.values) == 3_461_612
    assert np.nanmax(nasa.values) == 405
    absent = np.flatnonzero(np.isnan(nasa.values))
    assert len(absent) == 4947 + 2263
    assert (np.diff(absent) > 1).sum() == 1
    assert find_outages(nasa.values).marked.sum() == len(absent)


@pytest.mark.shared
def test_twitters_capture_outages_are_found_with_the_minutes_they_cut(converted):
    """22 of them: 592 whole minutes, 19 of which one second is left, and one of 34 seconds."""
    twitter = converted["twitter"]
    assert len(twitter.values) == 31_651
    assert (twitter.values.max(), round(twitter.values.mean())) == (18_006, 3816)
    outages = find_outages(twitter.values)
    assert (twitter.values == 0).sum() == 592
    assert outages.marked[twitter.values == 0].all()
    assert outages.marked.sum() == 592 + 20
    lengths = np.diff(np.flatnonzero(np.diff(outages.marked.astype(int))))[::2]
    assert (lengths == 29).sum() == 21


@pytest.mark.shared
def test_the_others_are_as_they_were(converted):
    """No value is lost, none is an outage: dips of an ingress are traffic that did not come."""
    for name in ("mongo-01", "mongo-02", "ingress-01", "ingress-03"):
        assert len(converted[name].values) == 11 * DAY
        assert not find_outages(converted[name].values).marked.any()
    assert converted["ingress-01"].values.min() == pytest.approx(4482.2333)
    assert len(converted["alibaba-msrtqps"].values) == 711
    assert converted["alibaba-msrtqps"].values[0] == pytest.approx(115.5666667)


def test_the_traces_that_travel_can_be_read_and_are_small():
    """At least nine days by the minute, each."""
    files = sorted(Path(conversion.__file__).parents[1].joinpath("data", "traces").glob("*.gz"))
    assert len(files) >= 3
    assert sum(file.stat().st_size for file in files) < 400_000
    for file in files:
        trace = read_trace(file)
        assert trace.step_minutes == 1
        assert len(trace.values) >= 9 * DAY
        assert not find_outages(trace.values).marked.any()


@pytest.mark.parametrize("name", sorted(conversion.SOURCES))
def test_a_broken_original_is_one_line(tmp_path, name):
    """Whatever its form."""
    (tmp_path / name).write_bytes(b"no such thing")
    with pytest.raises(InputError, match="is not the original") as caught:
        conversion.convert("x", tmp_path / name, tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_a_place_without_originals_is_said(tmp_path):
    """An empty folder, and none."""
    with pytest.raises(InputError, match="holds no development set"):
        conversion.find_sources([tmp_path])
    with pytest.raises(InputError, match="does not exist"):
        conversion.find_sources([tmp_path / "none"])
