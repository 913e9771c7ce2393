"""A state file is whole or not there, whatever ends the process; a broken one is set aside."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
import time
import tracemalloc
import weakref

import numpy as np
import pytest
import repository

from energy.errors import InputError, UnavailableError
from forecaster import state_files
from forecaster.state_files import PartitionState, StateFiles, alone_in
from forecaster.state_keeping import StateKeeping

TOPIC = "samples"
STATE = PartitionState(
    offset=7,
    written_at_seconds=1.5,
    sections={"engine": {"keys": np.array(["a/B/c"]), "deep.name": np.arange(6.0).reshape(2, 3)}},
)


def test_what_is_written_comes_back(tmp_path):
    """Offsets, texts and arrays of any shape."""
    files = StateFiles(tmp_path, TOPIC)
    assert files.read(3) is None

    assert files.write(3, STATE)
    found = files.read(3)

    assert (found.offset, found.written_at_seconds) == (7, 1.5)
    assert found.sections["engine"]["keys"].tolist() == ["a/B/c"]
    assert found.sections["engine"]["deep.name"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert files.write(4, PartitionState(offset=0, written_at_seconds=0.0))
    assert files.read(4).sections == {}


BREAKS = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "head alone": lambda data: data[: data.index(b"\n") + 1],
    "flipped": lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
    "other version": lambda data: data.replace(b"state 1", b"state 9", 1),
    "other partition": lambda data: data.replace(b'"partition": 3', b'"partition": 4', 1),
    "no text": lambda data: b"\x80" * 100,
    "head is no object": lambda data: data[: data.index(b"\n") + 1] + b"[]\n",
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_file_is_set_aside_and_told_in_one_line(tmp_path, name, caplog):
    """What it knew is built anew; the file stays for who wants to look."""
    files = StateFiles(tmp_path, TOPIC)
    files.write(3, STATE)
    path = files.path(3)
    path.write_bytes(BREAKS[name](path.read_bytes()))

    with caplog.at_level(logging.WARNING):
        assert files.read(3) is None
    assert len(caplog.records) == 1
    assert files.broken_total == 1
    assert not path.exists()
    assert path.with_suffix(".broken").exists()
    assert files.write(3, STATE)


def test_who_was_thought_dead_does_not_overwrite_newer_state(tmp_path):
    """The next owner's file stands for more of the stream."""
    files = StateFiles(tmp_path, TOPIC)
    files.write(3, PartitionState(offset=9, written_at_seconds=2.0))

    assert not files.write(3, STATE)
    assert files.read(3).offset == 9


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    """With the way to mend it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: cannot be written .*state-directory"):
        StateFiles(tmp_path / "file", TOPIC)
    with (
        pytest.raises(InputError, match=r"file: cannot be written .*state-directory"),
        alone_in(tmp_path / "file"),
    ):
        pass


WRITER = """
import sys
from pathlib import Path
import numpy as np
from forecaster import state_files
from forecaster.state_files import PartitionState, StateFiles
files = StateFiles(Path(sys.argv[1]), "samples")
offset = 0
while True:
    offset += 1
    array = np.full(200_000, float(offset))
    state = PartitionState(offset=offset, written_at_seconds=0.0, sections={"a": {"b": array}})
    files.write(0, state)
    if offset == 3:
        print("writing", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_ended_while_it_writes_leaves_a_whole_file(tmp_path, number):
    """The one before or the new one; what was half written is cleared away at the next start."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=repository.ROOT,
    )
    with process:
        process.stdout.readline()
        deadline = time.monotonic() + 10
        while not list(tmp_path.glob("*.writing")) and time.monotonic() < deadline:
            pass
        process.send_signal(number)
        process.wait(10)
    files = StateFiles(tmp_path, TOPIC)
    found = files.read(0)

    assert found.offset >= 3
    assert set(found.sections["a"]["b"].tolist()) == {float(found.offset)}
    assert [path.name for path in tmp_path.iterdir()] == ["samples-0.state"]


def test_what_a_living_process_writes_is_left_to_it(tmp_path):
    """Folders may be shared; what is left of one that is gone, or of one with our number, goes."""
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait(10)
    for number in (os.getppid(), os.getpid(), gone.pid, "x", 2**70):
        (tmp_path / f"{TOPIC}-0.{number}.writing").touch()
    StateFiles(tmp_path, TOPIC)

    assert [path.name for path in tmp_path.iterdir()] == [f"{TOPIC}-0.{os.getppid()}.writing"]


def test_a_disk_that_is_full_at_the_start_hinders_nobody(tmp_path, monkeypatch):
    """It may have room when a state is due; that a state is not kept is counted."""

    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(state_files, "TemporaryFile", full)
    assert StateFiles(tmp_path, TOPIC).write(3, STATE)


def test_offsets_of_another_stream_are_not_compared(tmp_path):
    """A topic that was made anew begins at 0 again, and so does whatever is in memory."""
    files = StateFiles(tmp_path, TOPIC)
    files.write(3, PartitionState(offset=9, written_at_seconds=2.0, stream="before"))

    assert files.write(3, PartitionState(offset=2, written_at_seconds=3.0, stream="anew"))
    assert (files.read(3).offset, files.read(3).stream) == (2, "anew")


def test_a_second_forecaster_is_not_let_into_a_folder(tmp_path):
    """Each would write over what the other knows; once the first has ended, the next may come."""
    second = alone_in(tmp_path / "state")
    with alone_in(tmp_path / "state"), pytest.raises(UnavailableError, match="another forecaster"):
        second.__enter__()
    with alone_in(tmp_path / "state"):
        pass


def test_a_state_is_written_and_read_without_a_second_copy_of_it(tmp_path):
    """A partition has tens of megabytes, and they count for the memory of a whole service."""
    files = StateFiles(tmp_path, TOPIC)
    megabytes = np.zeros((64, 2**20), np.uint8)
    state = PartitionState(offset=7, written_at_seconds=1.5, sections={"engine": {"a": megabytes}})
    tracemalloc.start()
    try:
        files.write(3, state)
        _, written = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        found = files.read(3)
        _, read = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found.sections["engine"]["a"].nbytes == megabytes.nbytes
    assert written < megabytes.nbytes * 0.6  # numpy writes 16 MiB at a time
    assert read - before < megabytes.nbytes * 1.6


class Partitions:
    """A core of some partitions that sees whether the state that it gave before is still held."""

    def __init__(self) -> None:
        self.given = [weakref.ref(np.zeros(1))]
        self.held = 0

    def unkept(self):
        """Nothing waits."""
        return frozenset()

    def export(self, partition):
        """Give an array, and look after the one before."""
        self.held += self.given[-1]() is not None
        array = np.full(8, partition)
        self.given.append(weakref.ref(array))
        return {"engine": {"a": array}}


def test_at_the_end_one_state_is_in_memory_at_a_time(tmp_path):
    """All partitions are written then, one after another."""
    core = Partitions()
    keeping = StateKeeping(StateFiles(tmp_path, TOPIC), core, 60.0, lambda: 0.0)
    keeping.keep({0: 1, 1: 2, 2: 3}, (0, 1, 2), lambda batch: None)
    keeping.close()

    assert (keeping.written_total, core.held) == (3, 0)


def test_brokers_that_take_no_offsets_are_said_once(tmp_path, caplog):
    """Every partition has one, and its file has it too."""

    def refuse(_batch):
        raise UnavailableError("no answer in time", where="commit to samples")

    keeping = StateKeeping(StateFiles(tmp_path, TOPIC), Partitions(), 60.0, lambda: 0.0)
    for commit in (refuse, lambda _batch: None, refuse):
        keeping.keep({0: 1, 1: 2, 2: 3}, (0, 1, 2), commit)
    keeping.close()

    assert keeping.written_total == 9
    assert [each.getMessage() for each in caplog.records] == [
        "offsets are in the states' files, not committed: commit to samples: no answer in time"
    ] * 2
