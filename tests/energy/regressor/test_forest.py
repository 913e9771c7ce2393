"""The paper's forest as it ships: whole, the one that training gives, and sane beyond its range."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from energy.catalogue import Catalogue
from energy.errors import InputError
from energy.regressor.artefact import CHECKSUM_FILE, verified
from energy.regressor.forest import FILES, Forest, shipped_directory

pytest.importorskip("onnxruntime", reason="the extra `regressor` is not installed")

# The paper's two examples: cpus, memory, energy_rate (watts per core); 15 % of a core each.
FIRST = [(12, 25, 2.1), (6, 15, 1.2)]
SECOND = [(10, 25, 2.1), (5, 15, 0.8), (8, 20, 1.2)]


def rows(servers, task_cores=0.15):
    """Features of idle servers that take the task."""
    return np.array(
        [(cpus, memory, cpus * rate, task_cores / cpus) for cpus, memory, rate in servers]
    )


def test_the_shipped_forest_is_small_and_whole():
    """Two files, of which none is a pickle."""
    contents = verified(shipped_directory(), FILES)
    assert sum(map(len, contents.values())) < 4_000_000
    assert not any(content.startswith(b"\x80") for content in contents.values())


@pytest.mark.parametrize("name", [*FILES, CHECKSUM_FILE])
def test_a_spoilt_file_is_not_loaded(tmp_path: Path, name):
    """One line says which."""
    folder = tmp_path / "forest"
    shutil.copytree(str(shipped_directory()), folder)
    (folder / name).write_bytes(b"spoilt")
    with pytest.raises(InputError, match=name) as caught:
        Forest.load(folder)
    assert "\n" not in str(caught.value)


def test_training_again_gives_what_ships():
    """From this code and this table."""
    pytest.importorskip("sklearn", reason="the extra `energy-training` is not installed")
    from energy.regressor.candidates import PaperPipeline
    from energy.regressor.facts import facts_of
    from energy.regressor.forest_training import LEAVES_MAX

    servers = list(Catalogue.shipped().servers.values())
    facts = [facts_of(server) for server in servers]
    model = PaperPipeline(LEAVES_MAX).fit(servers)
    shipped = Forest.shipped()

    assert shipped.watts(model.rows(facts)) == pytest.approx(model.predict(facts).ravel(), rel=1e-4)
    assert shipped.low == pytest.approx(model.rows(facts).min(axis=0))
    assert shipped.high == pytest.approx(model.rows(facts).max(axis=0))


@pytest.mark.parametrize("servers", [FIRST, SECOND])
def test_servers_beyond_the_table_keep_their_order(servers):
    """The paper's examples draw less at full load than any measured server does idle."""
    features = rows(servers)
    shipped = Forest.shipped()
    watts = shipped.watts(features)

    assert shipped.outside(features)[:, 2].all()
    assert (watts > 0).all()
    assert (watts < features[:, 2]).all()
    assert np.argmin(watts) == 1


def test_no_row_is_no_watt():
    """And no call of the model."""
    assert Forest.shipped().watts(np.empty((0, 4))).shape == (0,)
