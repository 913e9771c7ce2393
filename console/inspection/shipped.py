"""Can what travels with the packages be used: tables, the trained regressor?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from console.inspection.finding import Finding, State, one_line
from energy.errors import NegawattError, UnavailableError

REINSTALL = "install it anew: `make environment`, or `uv tool install --force negawatt`"


def data_findings() -> Iterator[Finding]:
    """Load what travels with the packages."""
    yield data_finding("server catalogue", "power curves of known servers", _catalogue)
    yield data_finding("energy-cost regressor", "power curves of unknown servers", _regressor)
    yield data_finding("pods and traffic", "`negawatt demo`", _demo_data)


def data_finding(name: str, enables: str, load: Callable[[], str]) -> Finding:
    """Judge shipped data by loading it; `load` says what it found."""
    try:
        state, found = State.PRESENT, load()
    except UnavailableError as error:
        state, found = State.MISSING, str(error)
    except NegawattError as error:
        state, found = State.BROKEN, str(error)
    except Exception as error:  # noqa: BLE001 - any failure means that it cannot be used
        state, found = State.BROKEN, one_line(f"{type(error).__name__}: {error}")
    return Finding(
        topic="data", name=name, state=state, found=found, enables=enables, get=REINSTALL
    )


def _catalogue() -> str:
    from energy.catalogue import Catalogue

    return f"{len(Catalogue.shipped().servers)} measured servers"


def _regressor() -> str:
    """Load the model; its files are compared with their checksums before anything is read."""
    from energy.regressor.artefact import Regressor

    shipped = Regressor.shipped()
    known = len(shipped.training_cpu_models)
    return f"{shipped.name}, trained on {known} CPU models, checksums agree"


def _demo_data() -> str:
    from simulator.churn import ShapeTable
    from simulator.replicas import Traffic

    return f"{len(ShapeTable.shipped().weights)} pod sizes, {len(Traffic.shipped().rates)} rates"
