"""What `negawatt forecaster fine-tune` does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import typer
from rich.table import Table

from console.forecast_traces import given_traces
from console.forecast_training import needs_training_extra
from console.output import JSON, json_text, say, stdout
from energy.errors import InputError, UnavailableError
from forecaster.model_set import DESCRIPTION_FILE, LSTM_FILE, SHIPPED, ModelSet


def show(file: Path, models: Path | None, into: Path, seed: int, form: str) -> None:
    """Tune, write a copy of the models where that helps, and print both errors.

    Raises:
        InputError: the trace or the models cannot be used.
    """
    source = models or SHIPPED
    (trace,) = given_traces([file])
    description = dict(ModelSet.load(source).description)
    if into.resolve() == source.resolve():
        raise InputError("is where the models come from", where=str(into), mend="name another")
    with needs_training_extra():
        from forecaster.training.export import networks_of, to_onnx
        from forecaster.training.fine_tune import fine_tune
        from forecaster.training.series import TrainingSeries

        series = TrainingSeries.cleaned(
            trace.name, trace.first_minute, trace.values, step_minutes=trace.step_minutes
        )
        tuned = fine_tune(networks_of(source / LSTM_FILE), series, seed)
        graph = to_onnx(tuned.models)
    said = {
        "series": series.name,
        "before_relative_mae_ratio": round(tuned.before_ratio, 4),
        "after_relative_mae_ratio": round(tuned.after_ratio, 4),
        "kept": tuned.kept,
    }
    if tuned.kept:
        description |= {"id": f"{description['id']}-{series.name}"[:63], "tuned_to": said}
        _write(source, into, graph, description)
    if form == JSON:
        typer.echo(json_text(said))
        return
    table = Table("series", "before", "after", title="Relative MAE on the part held back")
    table.add_row(series.name, f"{tuned.before_ratio:.3f}", f"{tuned.after_ratio:.3f}")
    stdout().print(table)
    say(f"written: {into}" if tuned.kept else "not better: nothing was written")


def _write(source: Path, into: Path, graph: bytes, description: dict[str, object]) -> None:
    try:
        shutil.copytree(source, into, dirs_exist_ok=True)
        (into / LSTM_FILE).write_bytes(graph)
        text = json.dumps(description, indent=2) + "\n"
        (into / DESCRIPTION_FILE).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnavailableError(
            f"cannot be written ({error.strerror})", where=str(into), mend="name another folder"
        ) from None
