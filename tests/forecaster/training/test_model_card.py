"""The model card in the documents is the one of the models that ship."""

from __future__ import annotations

from pathlib import Path

import pytest
import repository

from energy.errors import InputError
from forecaster.model_set import SHIPPED, ModelSet
from forecaster.training.model_card import model_card

PAGE = repository.ROOT / "docs" / "reference" / "forecaster-model-card.md"
SHIPPED_BYTES_MAX = 5_000_000


def test_the_page_is_that_of_the_shipped_models() -> None:
    """Else: `negawatt forecaster model-card --file docs/reference/forecaster-model-card.md`."""
    assert PAGE.read_text(encoding="utf-8") == model_card()


def test_the_card_names_every_series_and_its_licence() -> None:
    """With the errors that model.json has."""
    card = model_card()
    models = ModelSet.shipped().description
    validation = models["validation"]
    network, trees = validation["lstm"], validation["lightgbm"]

    assert models["trees"]["seed"] == models["seed"]
    assert "+changes" not in models["commit"]
    for name in models["trained_on"]["series"]:
        parts = (
            *(network["series"], network["last_epoch"]["series"], network["zero_shot"]),
            *(trees["series"], trees["zero_shot"]),
        )
        assert f"| {name} | " + " | ".join(f"{part[name]:.3f}" for part in parts) + " |" in card
    assert card.count("MIT") == 4
    assert card.count("CC-BY-4.0") == card.count("no licence visible") == 1
    assert "given by whoever trained" not in card


def test_the_shipped_models_are_small() -> None:
    """They travel with the package."""
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) <= SHIPPED_BYTES_MAX


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    """In one line that says what to do."""
    with pytest.raises(InputError, match="negawatt forecaster train"):
        model_card(tmp_path)
