"""A component counts as built only when it was built to its end."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toolchain.recipe import Component, Kind
from toolchain.store import Store, cache_folder

from simulator.sandbox import toolchain as sandbox

COMPONENT = Component(name="etcd", kind=Kind.GO, version="3.6.8", answers=("--version",))


def built(store: Store, content: str) -> None:
    """Do what a builder does at its end, without the stamp."""
    partial = store.partial(COMPONENT) / "etcd"
    partial.write_text(content)
    store.place(partial, "bin/etcd")


def test_interrupted_build_is_not_ready(tmp_path: Path) -> None:
    """Without its stamp a file in place means nothing: it may be of an earlier build."""
    store = Store(folder=tmp_path)
    built(store, "program")

    assert not store.is_ready(COMPONENT)


def test_stamped_build_is_ready_until_its_file_is_gone(tmp_path: Path) -> None:
    """The stamp alone means nothing either."""
    store = Store(folder=tmp_path)
    built(store, "program")
    store.stamp(COMPONENT, paths=["bin/etcd"], seconds=1.0)

    assert store.is_ready(COMPONENT)

    (tmp_path / "bin/etcd").unlink()

    assert not store.is_ready(COMPONENT)


def test_folder_takes_the_place_of_a_folder(tmp_path: Path) -> None:
    """A second fetch of jars leaves none of the first."""
    store = Store(folder=tmp_path)
    for jar in ("old.jar", "new.jar"):
        home = store.partial(COMPONENT) / "home"
        home.mkdir()
        (home / jar).touch()
        store.place(home, "kafka")

    assert [path.name for path in (tmp_path / "kafka").iterdir()] == ["new.jar"]


def test_current_moves_from_one_toolchain_to_the_next(tmp_path: Path) -> None:
    """The link is replaced, not written into the folder that it points at."""
    for key in ("aaaa", "bbbb"):
        store = Store(folder=tmp_path / key)
        store.folder.mkdir()
        link = store.make_current()

        assert link.resolve() == store.folder
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aaaa", "bbbb", "current"]


def test_stamps_are_what_the_sandbox_reads(tmp_path: Path) -> None:
    """Builder and reader agree on the format without sharing code."""
    store = Store(folder=tmp_path / "toolchain/abcd")
    built(store, "program")
    store.stamp(COMPONENT, paths=["bin/etcd"], seconds=1.0)
    store.make_current()

    found = sandbox.Toolchain.found({"NEGAWATT_CACHE": str(tmp_path)})
    etcd = found.components()["etcd"]

    assert (etcd.version, etcd.answers, etcd.is_whole) == ("3.6.8", ("--version",), True)
    assert etcd.paths == (found.program("etcd"),)


@given(
    st.dictionaries(
        st.sampled_from(["NEGAWATT_CACHE", "XDG_CACHE_HOME", "HOME"]),
        st.sampled_from(["", "/var/cache", "relative/place", "~/elsewhere"]),
    )
)
def test_builder_and_sandbox_look_in_the_same_folder(environ: dict[str, str]) -> None:
    """Whatever the environment says, what one builds the other finds."""
    assert cache_folder(environ) == sandbox.cache_folder(environ)


def test_second_builder_waits_for_the_first(tmp_path: Path) -> None:
    """The lock is held while a build runs and free after it."""
    store = Store(folder=tmp_path)
    with store.locked() as waited:
        assert not waited
        with (tmp_path / "lock").open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with store.locked() as waited:
        assert not waited
