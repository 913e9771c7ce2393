"""What ships is what training gives, and it meets the bars that it was chosen by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from energy.catalogue import Catalogue
from energy.regressor.artefact import (
    CHECKSUM_FILE,
    FILES,
    Regressor,
    checksum_lines,
    shipped_directory,
    verified,
)
from energy.regressor.facts import facts_of
from energy.regressor.validation import cross_validate, facts_to_predict, validate_forward

pytest.importorskip("sklearn", reason="the extra `energy-training` is not installed")

from energy.load_levels import read_load_levels
from energy.regressor.candidates import CANDIDATES, LINEAR
from energy.regressor.selection import Choice
from energy.regressor.training import BASELINES, Trained, fit_graphs, write
from energy.regressor.validation import Evaluation

SERVERS = list(Catalogue.shipped().servers.values())


def _trained() -> Trained:
    contents = verified(shipped_directory())
    nothing = Evaluation(scores={}, servers=0, excluded=0)
    return Trained(choice=Choice(name="m", reason="r"), evaluation=nothing, contents=contents)


def test_training_again_reproduces_what_the_shipped_artefact_predicts(tmp_path: Path) -> None:
    """The shipped graphs come from this code and this table, with and without watts."""
    shipped = Regressor.shipped()
    graphs = fit_graphs(shipped.name, SERVERS)
    contents = {**verified(shipped_directory()), **graphs}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / CHECKSUM_FILE).write_text(checksum_lines(contents))
    again = Regressor.load(tmp_path)
    for blind in (False, True):
        facts = facts_to_predict(SERVERS, blind=blind)
        assert again.predict(facts) == pytest.approx(shipped.predict(facts), rel=1e-3)


def test_the_shipped_artefact_is_the_estimator_fitted_on_the_whole_table() -> None:
    """It fits its own table far better than any fold does, as a fitted model must."""
    from energy.regressor.features import curves_of
    from energy.regressor.scores import mape_ratio

    predicted = Regressor.shipped().predict([facts_of(server) for server in SERVERS])
    assert np.median(mape_ratio(curves_of(SERVERS), predicted)) < 0.015


def test_the_description_carries_the_choice_and_the_table_it_was_made_by() -> None:
    """The winner of the recorded table is the model that ships."""
    description = Regressor.shipped().description
    regrets = {
        name: each["placement_regret_ratio"]
        for name, each in description["cross_validated"].items()
        if name not in BASELINES
    }
    assert set(description["cross_validated"]) == set(CANDIDATES)
    assert regrets[description["model"]] <= 1.05 * min(regrets.values())


@pytest.mark.shared
def test_the_bars_hold_for_cpu_models_that_were_never_trained_on(shared_folder: Path) -> None:
    """MAPE, marginal error and regret in folds; MAPE from older to newer hardware."""
    servers = read_load_levels(shared_folder / "data/specpower/specpower_load_levels_to_2018.csv")
    name = Regressor.shipped().name
    models = {LINEAR: CANDIDATES[LINEAR], name: CANDIDATES[name]}
    scores = cross_validate(models, servers).scores
    ours, line = scores[name], scores[LINEAR]
    assert (ours.mape_ratio_median or 1) <= 0.03
    assert (ours.marginal_error_ratio_median or 1) <= 0.16
    assert (ours.placement_regret_ratio or 1) <= (line.placement_regret_ratio or 0) / 3
    forward = validate_forward(models, servers, train_until_year=2015, test_from_year=2017)
    assert (forward.scores[name].mape_ratio_median or 1) <= 0.05


def test_an_artefact_is_written_whole_and_verifies(tmp_path: Path) -> None:
    """All files, their checksums, and nothing left over."""
    write(_trained(), tmp_path / "new")
    assert verified(tmp_path / "new") == verified(shipped_directory())
    assert {each.name for each in (tmp_path / "new").iterdir()} == {*FILES, CHECKSUM_FILE}


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A file stands where the directory should."""
    from energy.errors import UnavailableError

    (tmp_path / "taken").write_text("")
    with pytest.raises(UnavailableError, match="taken"):
        write(_trained(), tmp_path / "taken")
