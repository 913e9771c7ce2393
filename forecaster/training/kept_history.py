"""Series to learn from out of what a forecaster keeps: `Engine.export`, saved by numpy.

A forecaster keeps two hours by the minute and eight days in means of five minutes. Older minutes
are drawn around their mean with the scatter that the newest ones have around theirs: were they all
alike, a network would learn that traffic is smooth. Since a mean knows the whole of its five
minutes, only the ends of those are origins to learn from.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from energy.errors import InputError
from forecaster.history import History, HistoryView
from forecaster.horizons import BUCKET_MINUTES
from forecaster.training.series import TrainingSeries

_HISTORY: Final = "history."
_KEYS: Final = "keys"
#: More series than this teach little more and take their time.
SERIES_MAX: Final = 64
#: A day and a half: the first 55 % and the 15 % after it are then half a day and four hours.
MINUTES_MIN: Final = 36 * 60
_SCATTER_RATIO_MAX: Final = 3.0

Floats = npt.NDArray[np.float64]


def read_history(file: Path, seed: int) -> tuple[TrainingSeries, ...]:
    """Read the series of a file that are long enough; of very many, some drawn by the seed.

    Raises:
        InputError: it cannot be read, or holds no histories.
    """
    mend = "give a file of what `Engine.export` returned"
    try:
        # Opened here, since numpy leaves a broken file open.
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as given:
            arrays = {name: given[name] for name in given.files if name.startswith(_HISTORY)}
            keys = [str(key) for key in given[_KEYS]]
        history = History(len(keys))
        rows = np.arange(len(keys))
        history.set_rows(rows, {k.removeprefix(_HISTORY): v for k, v in arrays.items()})
    except OSError as error:
        reason = error.strerror or "no such file of numpy"
        raise InputError(f"cannot be read ({reason})", where=str(file), mend=mend) from None
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile):
        raise InputError("holds no histories", where=str(file), mend=mend) from None
    order = np.random.default_rng([seed, 3]).permutation(len(keys))
    found = list(_long_enough(history, dict(zip(rows.tolist(), keys, strict=True)), order, seed))
    return tuple(sorted(found, key=lambda series: series.name))


def _long_enough(
    history: History, keys: Mapping[int, str], order: npt.NDArray[Any], seed: int
) -> Iterator[TrainingSeries]:
    count = 0
    for row in order.tolist():
        newest, first = int(history.newest_minute[row]), int(history.first_minute[row])
        if newest - first < MINUTES_MIN or count == SERIES_MAX:
            continue
        view = history.view(np.array([row]), newest)
        values = _minutes(view, np.random.default_rng([seed, 4, row]))
        if np.count_nonzero(~np.isnan(values)) < MINUTES_MIN:
            continue
        count += 1
        first = newest - len(values) + 1
        yield TrainingSeries.cleaned(keys[row], first, values, bucket_ends=True)


def _minutes(view: HistoryView, rng: np.random.Generator) -> Floats:
    """All that one row of a view knows, minute by minute, from its first known minute on."""
    past = np.repeat(view.past[0].astype(np.float64), BUCKET_MINUTES)
    values = np.concatenate([past, np.full(view.offset_minutes, np.nan)])
    recent = view.recent[0].astype(np.float64)
    values *= _scatter(recent[: len(recent) - view.offset_minutes], len(values), rng)
    values[-len(recent) :] = recent
    known = np.flatnonzero(~np.isnan(values))
    return values[known[0] :] if len(known) else values[:0]


def _scatter(recent: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Factors as those of recent minutes to the means of their buckets, drawn with replacement."""
    whole = recent[len(recent) % BUCKET_MINUTES :].reshape(-1, BUCKET_MINUTES)
    means = whole.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        factors = (whole / means).ravel()
    factors = factors[np.isfinite(factors)]
    if not len(factors):
        return np.ones(count)
    return np.minimum(rng.choice(factors, count), _SCATTER_RATIO_MAX)
