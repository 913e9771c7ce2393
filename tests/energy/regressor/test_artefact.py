"""The shipped artefact is what its checksums say, needs no pickle and predicts curves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from energy.catalogue import Catalogue
from energy.errors import InputError, UnavailableError
from energy.profile import ProfileSource
from energy.regressor.artefact import (
    CHECKSUM_FILE,
    DESCRIPTION_FILE,
    FILES,
    LEVELS_FILE,
    SHAPE_FILE,
    Regressor,
    checksum_lines,
    shipped_directory,
    verified,
)
from energy.regressor.facts import ServerFacts, facts_of
from energy.regressor.predicted import predicted_profile

pytest.importorskip("onnxruntime", reason="the extra `regressor` is not installed")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped artefact that may be spoilt."""
    folder = tmp_path / "regressor"
    shutil.copytree(str(shipped_directory()), folder)
    return folder


def test_the_shipped_artefact_is_small_and_whole() -> None:
    """Four files of less than 3 MB, of which none is a pickle."""
    contents = verified(shipped_directory())
    assert set(contents) == set(FILES)
    assert sum(map(len, contents.values())) < 3_000_000
    assert not any(content.startswith(b"\x80") for content in contents.values())


def test_the_training_list_names_every_cpu_model_of_the_table() -> None:
    """What the model has seen is what evaluation excludes."""
    keys = {server.cpu_key for server in Catalogue.shipped().servers.values()}
    assert set(Regressor.shipped().training_cpu_models) == keys


@pytest.mark.parametrize("name", FILES)
def test_a_tampered_file_is_not_loaded(copy: Path, name: str) -> None:
    """One bit is enough, and one line says which file."""
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(InputError, match=name) as caught:
        Regressor.load(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [*FILES, CHECKSUM_FILE])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    """Half of an artefact is none."""
    (copy / name).unlink()
    with pytest.raises(UnavailableError, match=name):
        Regressor.load(copy)


@pytest.mark.parametrize("text", ["", "nonsense\n", "\x00\n"])
def test_a_spoilt_list_of_checksums_is_refused(copy: Path, text: str) -> None:
    """Without checksums nothing is loaded."""
    (copy / CHECKSUM_FILE).write_text(text)
    with pytest.raises(InputError, match=CHECKSUM_FILE):
        Regressor.load(copy)


def _describe(copy: Path, content: bytes) -> None:
    """Replace an artefact's description, with a checksum that matches."""
    contents = {name: (copy / name).read_bytes() for name in (SHAPE_FILE, LEVELS_FILE)}
    contents[DESCRIPTION_FILE] = content
    (copy / DESCRIPTION_FILE).write_bytes(content)
    (copy / CHECKSUM_FILE).write_text(checksum_lines(contents))


def test_an_artefact_of_other_features_is_refused(copy: Path) -> None:
    """Checksums that match are not enough: the numbers would mean something else."""
    description = json.loads((copy / DESCRIPTION_FILE).read_text())
    description["feature_names"] = description["feature_names"][::-1]
    _describe(copy, json.dumps(description).encode())
    with pytest.raises(InputError, match="other features"):
        Regressor.load(copy)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"{}", b"null", b"3", b'"text"', b"\xff\xfe", b"[" * 100_000]
)
def test_a_description_that_is_none_is_refused(copy: Path, content: bytes) -> None:
    """One line names the file, though its checksum matches."""
    _describe(copy, content)
    with pytest.raises(InputError, match=DESCRIPTION_FILE) as caught:
        Regressor.load(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema_version", None),
        ("model", None),
        ("model", 3),
        ("training_cpu_models", None),
        ("training_cpu_models", "all"),
        ("training_cpu_models", []),
        ("training_cpu_models", [1]),
        ("feature_names", None),
    ],
)
def test_a_field_that_is_missing_or_of_another_type_is_named(
    copy: Path, field: str, value: object
) -> None:
    """None stands for a field that is left out."""
    description = json.loads((copy / DESCRIPTION_FILE).read_text())
    del description[field]
    _describe(copy, json.dumps(description | ({} if value is None else {field: value})).encode())
    with pytest.raises(InputError, match=field) as caught:
        Regressor.load(copy)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_graph_are_refused(copy: Path) -> None:
    """Even with a matching checksum."""
    contents = {name: (copy / name).read_bytes() for name in FILES}
    contents[SHAPE_FILE] = b"no graph"
    (copy / SHAPE_FILE).write_bytes(contents[SHAPE_FILE])
    (copy / CHECKSUM_FILE).write_text(checksum_lines(contents))
    with pytest.raises(InputError, match="no usable ONNX graph") as caught:
        Regressor.load(copy)
    assert "\n" not in str(caught.value)


def test_predicted_curves_keep_idle_and_peak_and_rise() -> None:
    """For every server of the table, seen or not."""
    servers = list(Catalogue.shipped().servers.values())
    predicted = Regressor.shipped().predict([facts_of(server) for server in servers])
    ends = [(server.curve.idle_watts, server.curve.peak_watts) for server in servers]
    assert predicted[:, [0, -1]] == pytest.approx(np.array(ends))
    assert (np.diff(predicted, axis=1) > 0).all()


def test_a_server_far_beyond_the_table_gets_a_sane_curve() -> None:
    """Four times the cores and five years later than anything trained on."""
    facts = ServerFacts(
        cores=768, chips=2, idle_watts=300, peak_watts=2500, hardware_year=2027, cpu_maker="AMD"
    )
    curve = Regressor.shipped().curve(facts)
    assert 300 < curve.watts_at(0.1) < curve.watts_at(0.5) < 2500
    assert curve.watts_at(0.1) - 300 > (2500 - 300) * 0.1  # the first step is the dearest


def test_a_server_without_any_watts_is_trusted_less() -> None:
    """And says what it was predicted from."""
    metered = ServerFacts(cores=64, idle_watts=100, peak_watts=400)
    profile = predicted_profile(Regressor.shipped(), metered)
    blind = predicted_profile(Regressor.shipped(), metered.without_watts())
    assert blind.trust < profile.trust
    assert "size alone" in blind.notes[0]
    assert {profile.source, blind.source} == {ProfileSource.PREDICTED}
    assert 0 < blind.idle_watts < blind.peak_watts


def test_no_server_at_all_gives_no_curve() -> None:
    """An empty batch is a batch."""
    assert Regressor.shipped().predict([]).shape == (0, 11)
