"""Traces: what is read, and one clear line for every kind of file that cannot be."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from energy.errors import InputError
from forecaster.evaluation.traces import read_trace, read_traces


def written(folder, text: str, name: str = "shop.csv"):
    """Write a file."""
    file = folder / name
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return file


def test_minutes_are_named_by_their_end_and_gaps_are_absent(tmp_path):
    """The minute that starts at 00:00 is number 1 of the day; a row without a value is a gap."""
    text = "timestamp,value\n1970-01-02T00:00:00Z,5\n1970-01-02T00:01:00Z,\n1970-01-02T00:04,2\n"
    trace = read_trace(written(tmp_path, text, "shop.csv.gz"))
    assert (trace.name, trace.step_minutes, trace.first_minute) == ("shop", 1, 1441)
    np.testing.assert_array_equal(trace.values, [5, np.nan, np.nan, np.nan, 2])
    assert trace.minutes.tolist() == [1441, 1442, 1443, 1444, 1445]


@pytest.mark.parametrize("times", [(86400, 86460, 86520), (86400e3, 86460e3, 86520e3)])
def test_unix_times_are_seconds_or_milliseconds(tmp_path, times):
    """Milliseconds only beyond what seconds reach."""
    shift = 1e12 if times[0] > 1e6 else 0
    text = "Timestamp,Value,label\n" + "".join(f"{time + shift:.0f},1,x\n" for time in times)
    assert len(read_trace(written(tmp_path, text)).values) == 3


def test_steps_of_five_minutes_are_held_and_end_on_the_grid(tmp_path):
    """Each of the five minutes has the step's value; a step ends where forecasts are made."""
    text = "timestamp,value\n2015-02-26 21:42:53,1\n2015-02-26 21:47:53,2\n2015-02-26 21:57:53,4\n"
    trace = read_trace(written(tmp_path, text))
    assert trace.step_minutes == 5
    np.testing.assert_array_equal(trace.values, [1] * 5 + [2] * 5 + [np.nan] * 5 + [4] * 5)
    assert (trace.first_minute + 4) % 5 == 0


def test_rows_of_nothing_are_none_and_a_time_may_name_utc(tmp_path):
    """As spreadsheets and warehouses write them."""
    text = "timestamp,value\n1970-01-02 00:00:00 UTC,5\n\n1970-01-02 00:01:00 UTC,6\n,\n"
    trace = read_trace(written(tmp_path, text))
    assert (trace.first_minute, trace.values.tolist()) == (1441, [5, 6])


def test_a_row_may_be_a_little_late(tmp_path):
    """Fifteen seconds of a minute."""
    text = "timestamp,value\n0,1\n70,2\n115,3\n180,4\n"
    assert read_trace(written(tmp_path, text)).values.tolist() == [1, 2, 3, 4]


HEAD = "timestamp,value\n"


def test_rows_may_come_in_any_order_and_twice(tmp_path):
    """A local clock was set back: sorted, the last of a step counts, and it is said."""
    trace = read_trace(written(tmp_path, HEAD + "180,4\n0,1\n60,2\n0,7\n60,\n"))
    np.testing.assert_array_equal(trace.values, [7, 2, np.nan, 4])
    assert trace.notes == (
        "time runs backwards 2 times: the rows were sorted",
        "2 rows have the time of another: the last counts",
    )


def test_a_row_off_the_grid_is_known_when_it_was_measured_and_not_before(tmp_path):
    """A recorder that began anew two minutes later, and one whose minute takes 61 seconds."""
    anew = read_trace(written(tmp_path, HEAD + "0,1\n300,2\n600,3\n1020,4\n1320,5\n"))
    np.testing.assert_array_equal(anew.values[::5], [1, 2, 3, np.nan, 4, 5])
    assert anew.notes == ("2 rows lie off the grid: they belong to the step after",)
    rows = "".join(f"{61 * place},{place}\n" for place in range(120))
    slow = read_trace(written(tmp_path, HEAD + rows))
    assert slow.step_minutes == 1
    assert np.nanmax(np.diff(slow.values[~np.isnan(slow.values)])) == 1
    ends = {int(value): place for place, value in enumerate(slow.values) if not np.isnan(value)}
    assert all(place >= 61 * value / 60 - 0.25 for value, place in ends.items())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no columns timestamp,value"),
        ("time,count\n1,2\n", "has no columns timestamp,value"),
        (HEAD, "has 0 rows"),
        (HEAD + "60,1\n", "has 1 rows"),
        (HEAD + "60,1\nsoon,2\n", "line 3: 'soon' is no time"),
        (HEAD + "nan,1\n120,2\n", "line 2: 'nan' is no time"),
        (HEAD + "60,1\n120,many\n", "line 3: 'many' is no number"),
        (HEAD + "60,1\n120,-2\n", "line 3: -2 is no rate"),
        (HEAD + "60,1\n120,1e15\n", "line 3: 1e15 is no rate"),
        (HEAD + "60,1\n120,inf\n", "line 3: inf is no rate"),
        (HEAD + "60,1\n120\n", "line 3: has too few columns"),
        (HEAD + "60,1\n60,2\n", "has a step of 0 seconds"),
        (HEAD + "0,1\n90,2\n180,3\n", "has a step of 90 seconds"),
        (HEAD + "".join(f"{50 * row},1\n" for row in range(360)), "has a step of 50 seconds"),
        (HEAD + "60,1\n3660,2\n7260,2\n", "has a step of 60 minutes"),
        (HEAD + "60,1\n61,2\n62,3\n", "has a step of 1 seconds"),
        (HEAD + "60,\n120,nan\n", "has no value"),
        (HEAD + "60,1\n120,1\n4000000020,1\n", "is longer than two years"),
        (HEAD + '60,"1\n120,2\n', "no number"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_clear_line(tmp_path, text, said):
    """It names the file, mostly the line, and how to mend it."""
    with pytest.raises(InputError) as caught:
        read_trace(written(tmp_path, text))
    message = str(caught.value)
    assert said in message
    assert "shop.csv" in message
    assert ";" in message
    assert "\n" not in message


def test_what_is_no_text_is_said(tmp_path):
    """Bytes, a folder, a broken archive, nothing at all."""
    binary, broken, wrong = (tmp_path / name for name in ("a.csv", "b.csv.gz", "c.csv.gz"))
    binary.write_bytes(b"\xff\xfe\x00\x81")
    broken.write_bytes(gzip.compress(b"timestamp,value\n60,1\n")[:-12])
    whole = gzip.compress(b"timestamp,value\n" + bytes(range(256)) * 9)
    wrong.write_bytes(whole[:40] + bytes(each ^ 0x5A for each in whole[40:120]) + whole[120:])
    for file in (binary, broken, wrong, tmp_path, tmp_path / "none.csv"):
        with pytest.raises(InputError, match=str(file)):
            read_trace(file)


def test_two_traces_of_one_name_are_refused(tmp_path):
    """Their scores would be one's."""
    (tmp_path / "other").mkdir()
    files = [written(tmp_path, HEAD + "60,1\n120,1\n"), tmp_path / "other" / "shop.csv.gz"]
    files[1].write_bytes(gzip.compress(files[0].read_bytes()))
    with pytest.raises(InputError, match="two traces are called shop"):
        read_traces(files)
