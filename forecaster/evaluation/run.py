"""Evaluate the serving code on traces, one series a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from energy.errors import InputError
from forecaster.evaluation.judgement import Judgement, judge
from forecaster.evaluation.parallel import in_processes
from forecaster.evaluation.replay import Forecaster, replay
from forecaster.evaluation.traces import Trace
from forecaster.horizons import HORIZONS_MINUTES

#: In a folder of models: those whose weights have not seen one series.
ZERO_SHOT_PREFIX: Final = "without-"

#: Makes a forecaster for the series of this name.
ForecasterOf = Callable[[str], Forecaster]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is evaluated.

    Attributes:
        horizons_minutes: of those that are forecast.
        models: to be scored beside the served one; none means every member.
        models_folder: where the weights are; None means those that travel with the package.
        zero_shot: use `without-<series>` of the folder, which has not seen the series.
    """

    horizons_minutes: tuple[int, ...] = HORIZONS_MINUTES
    models: tuple[str, ...] = ()
    models_folder: Path | None = None
    zero_shot: bool = False

    def folder_of(self, series: str) -> Path | None:
        """Where the weights for a series are.

        Raises:
            InputError: there are none that have not seen it.
        """
        if not self.zero_shot:
            return self.models_folder
        if self.models_folder is None:
            raise InputError(
                "zero shot needs models that have not seen each series",
                where="--zero-shot",
                mend="name their folder with --models-folder",
            )
        folder = self.models_folder / f"{ZERO_SHOT_PREFIX}{series}"
        if not folder.is_dir():
            raise InputError(
                f"there are no models without {series}",
                where=str(self.models_folder),
                mend=f"train {folder.name} into it, or leave out --zero-shot",
            )
        return folder


def parse_horizons(text: str) -> tuple[int, ...]:
    """Read `5,10,30`, in minutes.

    Raises:
        InputError: one is no number, or is not forecast.
    """
    known = ",".join(str(minutes) for minutes in HORIZONS_MINUTES)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in parts if not part.isdecimal() or int(part) not in HORIZONS_MINUTES]
    if unknown or not parts:
        raise InputError(
            f"{unknown[0]!r} is not forecast" if unknown else "names no horizon",
            where="--horizons",
            mend=f"use minutes out of {known}",
        )
    return tuple(sorted({int(part) for part in parts}))


def evaluate(
    traces: Sequence[Trace],
    plan: Plan,
    forecaster_of: ForecasterOf,
    *,
    jobs: int = 1,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Judgement, ...]:
    """Judge the forecasts of every series, in the order of the traces.

    Args:
        traces: with different names.
        plan: what is evaluated.
        forecaster_of: called in the process that needs it; sent there by name.
        jobs: processes.
        advance: told of the origins that are done, for a progress bar.

    Raises:
        InputError: a trace cannot be judged, or models are missing.
    """
    judged = partial(_judged, plan, forecaster_of)
    if jobs == 1 or len(traces) == 1:
        return tuple(judged(trace, advance) for trace in traces)
    # The longest first, so that none is left alone at the end.
    order = sorted(range(len(traces)), key=lambda place: -len(traces[place].values))
    found = in_processes(judged, [traces[place] for place in order], jobs, advance)
    by_place = dict(zip(order, found, strict=True))
    return tuple(by_place[place] for place in range(len(traces)))


def _judged(
    plan: Plan, forecaster_of: ForecasterOf, trace: Trace, advance: Callable[[int], None]
) -> Judgement:
    replayed = replay(trace, forecaster_of(trace.name), advance)
    return judge(replayed, plan.horizons_minutes, plan.models)
