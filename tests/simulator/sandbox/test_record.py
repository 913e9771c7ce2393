"""What a sandbox writes down, where, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import InputError, UnavailableError
from simulator.sandbox.record import (
    EXTRAS,
    Program,
    SandboxRecord,
    command,
    is_sandbox,
    locked,
    options_of,
    parse_extras,
    require_ours_or_new,
    state_folder,
)

RECORD = SandboxRecord(
    options=options_of(nodes=3, extras=("kafka",), scheduler_configuration=Path("/etc/s.yaml")),
    toolchain=Path("/toolchain"),
    programs={"etcd": Program(path=Path("/bin/etcd")), "x": Program(path=Path("/x"), argument="m")},
    ports={"etcdPort": 20001},
    ready=True,
    node_count=3,
)


def test_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """A later command knows exactly what an earlier one started."""
    RECORD.write(tmp_path)

    assert SandboxRecord.read(tmp_path) == RECORD


@pytest.mark.parametrize("text", ["", "{}", '{"version": 1}', "\x00", "[1]"])
def test_broken_record_says_how_to_get_rid_of_it(tmp_path: Path, text: str) -> None:
    """One line, and the way out."""
    (tmp_path / "sandbox.json").write_text(text)

    with pytest.raises(UnavailableError, match=f"negawatt sandbox down --state {tmp_path}`"):
        SandboxRecord.read(tmp_path)


@pytest.mark.parametrize(
    ("folder", "environ", "expected"),
    [
        ("/c/negawatt/sandbox", {"XDG_STATE_HOME": "/c"}, ""),
        ("/a b", {"XDG_STATE_HOME": "/c"}, " --state '/a b'"),
        ("/b", {"NEGAWATT_SANDBOX": "/b", "XDG_STATE_HOME": "/c"}, " --state /b"),
    ],
)
def test_printed_command_is_about_this_sandbox_in_any_terminal(
    folder: str, environ: dict[str, str], expected: str
) -> None:
    """Typed elsewhere, without the folder, it would end another one."""
    assert command("down", Path(folder), environ) == f"negawatt sandbox down{expected}"


@pytest.mark.parametrize(
    ("chosen", "environ", "expected"),
    [
        (Path("/a"), {"NEGAWATT_SANDBOX": "/b", "XDG_STATE_HOME": "/c"}, "/a"),
        (None, {"NEGAWATT_SANDBOX": "/b", "XDG_STATE_HOME": "/c"}, "/b"),
        (None, {"XDG_STATE_HOME": "/c"}, "/c/negawatt/sandbox"),
    ],
)
def test_folder_is_the_chosen_one_or_follows_the_environment(
    chosen: Path | None, environ: dict[str, str], expected: str
) -> None:
    """The option, our own variable, then where the system keeps state."""
    assert state_folder(chosen, environ) == Path(expected)


def test_without_a_word_the_folder_lies_in_the_users_own_state() -> None:
    """As the XDG base directories have it."""
    assert state_folder(None, {}) == Path.home().resolve() / ".local/state/negawatt/sandbox"


def test_folder_with_other_things_in_it_is_never_taken(tmp_path: Path) -> None:
    """Taking the sandbox down removes the folder: it must hold nothing of the user's."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="something else in this folder"):
        require_ours_or_new(tmp_path)
    with pytest.raises(InputError, match="this is no folder"):
        require_ours_or_new(tmp_path / "thesis.tex")

    (tmp_path / "empty").mkdir()
    require_ours_or_new(tmp_path / "empty")
    require_ours_or_new(tmp_path / "new")


def test_two_commands_never_change_a_sandbox_at_once(tmp_path: Path) -> None:
    """The second says so; afterwards the folder is known as a sandbox's."""
    folder = tmp_path / "s"
    with (
        locked(folder),
        pytest.raises(UnavailableError, match="another command is at work"),
        locked(folder),
    ):
        pass

    assert is_sandbox(folder)
    with locked(folder):
        pass


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file stands in the way."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="give --state another folder"),
        locked(tmp_path / "file/s"),
    ):
        pass


@given(st.lists(st.sampled_from(EXTRAS)))
def test_extras_are_named_once_and_in_one_order(names: list[str]) -> None:
    """However they were typed, the record is the same."""
    assert parse_extras(" , ".join(names)) == tuple(name for name in EXTRAS if name in names)


def test_unknown_extra_is_named() -> None:
    """With what there is."""
    with pytest.raises(InputError, match=r"'grafana' cannot be added .* use prometheus"):
        parse_extras("prometheus,grafana")


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan"), float("inf")])
def test_ratio_beyond_its_range_names_the_option(ratio: float) -> None:
    """One line, no list of what pydantic thinks."""
    with pytest.raises(InputError, match=r"--usage-ratio: .*; give 0 to 1"):
        options_of(usage_ratio=ratio)


def test_only_what_was_stated_counts_as_stated() -> None:
    """A second `up` without options means the sandbox that is there, whatever it is."""
    assert options_of(nodes=None, fleet="mixed").model_fields_set == {"fleet"}
