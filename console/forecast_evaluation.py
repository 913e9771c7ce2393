"""`negawatt forecaster evaluate`: traces through the serving code, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Final

from console.forecast_markdown import command_of, markdown
from console.forecast_tables import print_tables
from console.forecast_traces import given_traces
from console.output import HTML, JSON, MARKDOWN, emit, json_text
from console.progress import live_steps
from console.provenance import commit
from forecaster.evaluation.engines import check, forecaster_for
from forecaster.evaluation.replay import origins_of
from forecaster.evaluation.report import document
from forecaster.evaluation.run import Plan, evaluate, parse_horizons
from forecaster.evaluation.traces import trace_name
from forecaster.horizons import HORIZONS_SECONDS

#: What is judged where nobody asks for less, in minutes.
ALL_HORIZONS: Final = ",".join(str(seconds // 60) for seconds in HORIZONS_SECONDS)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for.

    Attributes:
        files: traces, those of the stress cases included.
        stress: names of the series that are left out of the means.
        plan: what is evaluated.
        jobs: processes.
        options: those that say what is judged, for a page that names its command.
    """

    files: tuple[Path, ...]
    stress: frozenset[str]
    plan: Plan
    jobs: int
    options: tuple[str | Path, ...]

    @classmethod
    def parse(  # noqa: PLR0913 - one parameter per option
        cls,
        *,
        files: Sequence[Path],
        stress: Sequence[Path],
        horizons: str,
        models: str | None,
        models_folder: Path | None,
        zero_shot: bool,
        jobs: int,
    ) -> Request:
        """Read the options.

        Raises:
            InputError: a horizon is not forecast.
        """
        wanted = tuple(name.strip() for name in (models or "").split(",") if name.strip())
        return cls(
            files=(*(files or shipped_traces()), *stress),
            stress=frozenset(map(trace_name, stress)),
            plan=Plan(
                horizons_minutes=parse_horizons(horizons),
                models=wanted,
                models_folder=models_folder,
                zero_shot=zero_shot,
            ),
            jobs=jobs,
            options=(
                *_given("--traces", *files),
                *(word for each in stress for word in ("--stress", each)),
                *_given("--horizons", *([horizons] if horizons != ALL_HORIZONS else ())),
                *_given("--models", *([models] if models else ())),
                *_given("--models-folder", *([models_folder] if models_folder else ())),
                *(("--zero-shot",) if zero_shot else ()),
            ),
        )


def _given(option: str, *values: str | Path) -> tuple[str | Path, ...]:
    return (option, *values) if values else ()


def shipped_traces() -> tuple[Path, ...]:
    """The traces that travel with the package."""
    folder = Path(str(resources.files("forecaster").joinpath("data", "traces")))
    return tuple(sorted(folder.glob("*.csv.gz")))


def show(request: Request, form: str, file: Path | None) -> None:
    """Evaluate and print.

    Raises:
        InputError: a trace or the models cannot be used.
    """
    traces = given_traces(request.files)
    made_with = check(request.plan, [trace.name for trace in traces]) | {
        "commit": commit(),
        "horizons_minutes": list(request.plan.horizons_minutes),
        "zero_shot": request.plan.zero_shot,
    }
    origins = sum(len(origins_of(trace)[1]) for trace in traces)
    with live_steps() as steps:
        steps.begin("forecasts", origins)
        judgements = evaluate(
            traces,
            request.plan,
            partial(forecaster_for, request.plan),
            jobs=request.jobs,
            advance=steps.advance,
        )
    result = document(judgements, request.stress, made_with)
    if form == JSON:
        emit(json_text(result), file)
    elif form == HTML:
        from console.forecast_page import page  # matplotlib and jinja are an extra

        emit(page(result, judgements), file)
    elif form == MARKDOWN:
        emit(markdown(result, command_of(request.options)), file)
    else:
        print_tables(result, file)
