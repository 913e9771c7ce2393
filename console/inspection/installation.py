"""Is Negawatt itself installed soundly: Python, extras, packages?"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from console.inspection.finding import Finding, State, dotted, one_line

DISTRIBUTION = "negawatt"
PACKAGES = (
    "cluster",
    "console",
    "energy",
    "extender",
    "forecaster",
    "ledger",
    "pricing",
    "simulator",
    "telemetry",
)
PYTHON_MINIMUM, PYTHON_MAXIMUM = (3, 11), (3, 14)  # what uv.lock has wheels for


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """What an extra is for; only what the README's commands do without is optional."""

    enables: str
    optional: bool = False
    target: str = ""  # of make, that installs it


EXTRAS = {
    "backtest": Extra(enables="ARIMA as a rival in `negawatt forecaster evaluate`", optional=True),
    "extender": Extra(enables="`negawatt extender run`: observing a cluster, scoring nodes"),
    "forecaster": Extra(enables="`negawatt forecaster run`: forecasts of traffic"),
    "kubernetes": Extra(enables="reading a cluster"),
    "ledger": Extra(enables="`negawatt extender run`: keeping what was decided"),
    "regressor": Extra(enables="predicting a server's watts with the shipped model"),
    "report": Extra(enables="HTML pages and plots"),
    "simulate": Extra(enables="prices, and the lower bound that policies are compared with"),
    "telemetry": Extra(
        enables="reading load, power and traffic from Prometheus, and `negawatt telemetry run`"
    ),
    "energy-training": Extra(
        enables="`negawatt energy train`, `report` and `evaluate --cross-validate`",
        optional=True,
    ),
    "forecaster-training": Extra(
        enables="training forecasters (TensorFlow)", optional=True, target="training-libraries"
    ),
}
# What a wheel loads and does not bring -> how to get it.
SYSTEM_LIBRARIES = {"libgomp.so.1": "LightGBM needs it; on Debian: apt-get install libgomp1"}
UNKNOWN_EXTRA = Extra(enables="a part of Negawatt", optional=True)


def python_finding(version: tuple[int, int, int], executable: str) -> Finding:
    """Judge the interpreter."""
    found = f"{dotted(version)} ({executable})"
    problem = ""
    if version[:2] < PYTHON_MINIMUM:
        problem = f"too old: {dotted(PYTHON_MINIMUM)} or later is needed"
    elif version[:2] > PYTHON_MAXIMUM:
        problem = f"too new: the lock file ends at {dotted(PYTHON_MAXIMUM)}"
    return Finding(
        topic="python",
        name="Python",
        state=State.BROKEN if problem else State.PRESENT,
        found=f"{found} is {problem}" if problem else found,
        enables="everything",
        get=f"install Python {dotted(PYTHON_MINIMUM)} to {dotted(PYTHON_MAXIMUM)}",
    )


def extra_findings(requirements: Sequence[str]) -> Iterator[Finding]:
    """Import what each extra asks for, in the order that `requirements` (metadata) names them."""
    wanted = by_extra(requirements)
    modules = modules_by_distribution(metadata.packages_distributions())
    for name, distributions in wanted.items():
        yield extra_finding(name, distributions, lambda one: problem_with(one, modules))


def extra_finding(
    name: str, distributions: Sequence[str], problem: Callable[[str], str]
) -> Finding:
    """Judge one extra by what `problem` says of each of its distributions ("" if sound)."""
    extra = EXTRAS.get(name, UNKNOWN_EXTRA)
    problems = {one: said for one in distributions if (said := problem(one))}
    absent = [one for one, said in problems.items() if said == NOT_INSTALLED]
    broken = {one: said for one, said in problems.items() if said != NOT_INSTALLED}
    if broken:
        state, found = State.BROKEN, "; ".join(f"{one}: {said}" for one, said in broken.items())
    elif absent:
        state, found = State.MISSING, f"not installed: {', '.join(absent)}"
    else:
        state, found = State.PRESENT, ", ".join(distributions)
    return Finding(
        topic="extras",
        name=name,
        state=state,
        found=found,
        enables=extra.enables,
        get=_how_to_get(name, extra.target, found),
        optional=extra.optional,
    )


def _how_to_get(extra: str, target: str, found: str) -> str:
    for library, mend in SYSTEM_LIBRARIES.items():
        if library in found:
            return mend
    itself = f"install the extra: `.venv/bin/uv sync --frozen --inexact --extra {extra}`"
    return f"run `make {target}`, or {itself}" if target else itself


def by_extra(requirements: Sequence[str]) -> dict[str, list[str]]:
    """Sort the requirements of a distribution by extra; those of no extra are left out.

    A requirement reads `onnxruntime>=1.20; extra == 'regressor'` (PEP 508).
    """
    wanted: dict[str, list[str]] = {}
    for requirement in requirements:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        extra = re.search(r"""extra\s*==\s*['"]([^'"]+)['"]""", requirement)
        if name and extra:
            wanted.setdefault(extra[1], []).append(name[0])
    return wanted


def modules_by_distribution(distributions: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Turn module -> distributions around; names in the form that pip compares them by."""
    modules: dict[str, list[str]] = {}
    for module, owners in distributions.items():
        for owner in owners:
            modules.setdefault(_normal(owner), []).append(module)
    return modules


def _normal(distribution: str) -> str:
    # A wheel may call itself prometheus_client where the requirement says prometheus-client.
    return re.sub(r"[-_.]+", "-", distribution).lower()


NOT_INSTALLED = "not installed"


def problem_with(distribution: str, modules: Mapping[str, Sequence[str]]) -> str:
    """Import the distribution's modules; "" when all is well.

    Importing is the only honest test: a library may be installed and still lack a system library.
    """
    public = [name for name in modules.get(_normal(distribution), ()) if _is_public(name)]
    if not public:
        return NOT_INSTALLED
    for name in public:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - whatever it raises, it cannot be used
            return one_line(f"{type(error).__name__}: {error}")
    return ""


def _is_public(name: str) -> bool:
    # Wheels also list tests, scripts and extension modules at the top level.
    return name.isidentifier() and not name.startswith("_") and name not in {"tests", "test"}


def package_findings() -> Iterator[Finding]:
    """Look where each of our packages comes from: their names are plain words."""
    ours = Path(__file__).resolve().parents[2]
    owners = metadata.packages_distributions()
    for package in PACKAGES:
        spec = util.find_spec(package)
        origin = Path(spec.origin).resolve().parent if spec and spec.origin else None
        yield package_finding(package, origin=origin, ours=ours, owners=owners.get(package, ()))


def package_finding(
    package: str, *, origin: Path | None, ours: Path, owners: Sequence[str]
) -> Finding:
    """Judge one package: it must lie beside the others, and no other distribution may own it."""
    others = sorted(set(owners) - {DISTRIBUTION})
    problem = ""
    if origin is None:
        problem = "cannot be imported"
    elif origin != ours / package:
        problem = f"shadowed: Python takes it from {origin}, not from {ours / package}"
    elif others:
        problem = f"shared with {', '.join(others)}: the two overwrite each other's files"
    return Finding(
        topic="packages",
        name=package,
        state=State.BROKEN if problem else State.PRESENT,
        found=problem or str(origin),
        enables="everything",
        get="give Negawatt an environment of its own: `make environment`",
    )
