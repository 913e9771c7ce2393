"""The trained models that belong together: a folder with the networks and what made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from energy.errors import InputError
from forecaster.lstm import Lstm
from forecaster.rivals.boosting import GRAPH_FILE, Boosting

DESCRIPTION_FILE: Final = "model.json"
LSTM_FILE: Final = "lstm.onnx"
SHIPPED: Final = Path(__file__).parent / "data" / "models" / "shipped"
_MEND: Final = "take a folder that `negawatt forecaster train` wrote, or leave it out"


@dataclass(frozen=True, slots=True)
class ModelSet:
    """Models that were trained together.

    Attributes:
        id: what versions are told apart by.
        lstm: the network.
        boosting: LightGBM's trees; None where the folder has none.
        description: model.json whole: seed, commit, trained on, errors.
    """

    id: str
    lstm: Lstm
    boosting: Boosting | None
    description: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a folder.

        Raises:
            InputError: the folder or one of its files is absent or no model of ours.
        """
        path = folder / DESCRIPTION_FILE
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            why = (error.strerror or "cannot be read").lower()
            raise InputError(f"holds no models: {why}", where=str(path), mend=_MEND) from error
        except ValueError as error:
            raise InputError("is no JSON", where=str(path), mend=_MEND) from error
        if not isinstance(description, dict) or not isinstance(description.get("id"), str):
            raise InputError("describes no models: it has no id", where=str(path), mend=_MEND)
        trees = folder / GRAPH_FILE
        return cls(
            id=description["id"],
            lstm=Lstm(folder / LSTM_FILE),
            boosting=Boosting.load(trees) if trees.exists() else None,
            description=description,
        )

    @classmethod
    def shipped(cls) -> Self:
        """Load the models that travel with the package."""
        return cls.load(SHIPPED)
