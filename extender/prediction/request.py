"""What `POST /predict` is asked: a task, servers, a model. Checked in slices, so nobody waits long.

The names of the request are the paper's; each is documented with its unit.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, Self

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

SERVERS_MAX: Final = 10_000
ID_LENGTH_MAX: Final = 253
CLUSTER: Final = "cluster"
REGRESSOR: Final = "regressor"
FOREST: Final = "paper-random-forest"
Place = tuple[str | int, ...]

_PRINTABLE: Final = r"^[^\x00-\x1f\x7f]+$"


def _named(value: object) -> object:
    """The paper numbers its servers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[
    str,
    BeforeValidator(_named),
    StringConstraints(min_length=1, max_length=ID_LENGTH_MAX, pattern=_PRINTABLE),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": ID_LENGTH_MAX,
                    "pattern": _PRINTABLE,
                },
                {"type": "integer"},
            ]
        }
    ),
]
# A thousandth of anything is the least that means something; less only breaks arithmetic.
Cores = Annotated[float, Field(ge=0.001, le=100_000, allow_inf_nan=False)]
Gigabytes = Annotated[float, Field(ge=0.001, le=10_000_000, allow_inf_nan=False)]
WattsPerCore = Annotated[float, Field(ge=0.001, le=10_000, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Watts = Annotated[float, Field(ge=0.0001, le=10_000_000, allow_inf_nan=False)]
TaskLoad = Annotated[float, Field(ge=0.001, le=10_000_000, allow_inf_nan=False)]


class GivenServer(BaseModel):
    """A server as the caller describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Id = Field(description="Name or number of the server; each once.")
    cpus: Cores = Field(description="Cores of the server.")
    memory: Gigabytes = Field(description="Memory of the server, gigabytes of 2^30 bytes.")
    energy_rate: WattsPerCore = Field(
        description="Watts per core at full load: the server's peak watts over its cores."
    )
    cpu_usage: Percent = Field(
        0.0, description="What of the server's CPU is busy already, percent of all its cores."
    )
    idle_watts: Watts | None = Field(
        None, description="Watts awake and without load, where known; below cpus x energy_rate."
    )


class PredictRequest(BaseModel):
    """A task, and the servers that could run it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    task_load: TaskLoad = Field(
        description="CPU that the task keeps busy, percent of one core: 15 is 0.15 cores."
    )
    servers: (
        Annotated[list[GivenServer], Field(min_length=1, max_length=SERVERS_MAX)]
        | Literal["cluster"]
    ) = Field(
        description="The servers, or `cluster` for the cluster's own nodes with their present load."
    )
    model: str = Field(
        REGRESSOR,
        description="`regressor`: watts that the task adds, on the predicted power curve (nodes of"
        " the cluster: on their power profiles). `paper-random-forest`: the paper's model.",
    )


class _Head(BaseModel):
    """The request without what is in its list of servers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    task_load: TaskLoad
    servers: list[Any] | Literal["cluster"]
    model: str = REGRESSOR


@dataclass(frozen=True, slots=True)
class Given:
    """Servers of a request, an entry each: names, and rows of plain figures.

    A row is (cpus, memory, energy_rate, cpu_usage, idle_watts or NaN). Plain tuples, because
    Python's search for garbage halts every thread while it looks through ten thousand objects.
    """

    names: list[str] = field(default_factory=list)
    rows: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    @classmethod
    def of(cls, servers: Iterable[GivenServer]) -> Self:
        """Take servers one by one."""
        given = cls()
        for server in servers:
            given.add(server)
        return given

    def add(self, server: GivenServer) -> None:
        """Take one more."""
        idle_watts = math.nan if server.idle_watts is None else server.idle_watts
        self.names.append(server.id)
        self.rows.append(
            (server.cpus, server.memory, server.energy_rate, server.cpu_usage, idle_watts)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that was read; ``servers`` is None where the cluster's are meant."""

    task_load_percent: float
    servers: Given | None
    model: str

    @property
    def task_cores(self) -> float:
        """Cores that the task keeps busy."""
        return self.task_load_percent / 100.0


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong, and where in the request: names and places of a list."""

    place: Place
    message: str

    def line(self) -> str:
        """As one line."""
        where = ".".join(str(part) for part in self.place)
        return f"{where}: {self.message}" if where else self.message


class RequestError(ValueError):
    """A request that cannot be answered; never empty."""

    def __init__(self, wrong: Sequence[Wrong]) -> None:
        super().__init__("; ".join(each.line() for each in wrong))
        self.wrong = tuple(wrong)


_SERVER: Final = TypeAdapter(GivenServer)
_WRONG_MAX: Final = 20


def read_json(body: bytes, models: Collection[str]) -> Asked:
    """Read a JSON body; ``models`` are the names that it may ask for.

    Raises:
        RequestError: it is no JSON, or not such a request.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError([Wrong((), f"the body is no JSON: {error}")]) from None
    return read_document(document, models)


def read_document(document: object, models: Collection[str]) -> Asked:
    """Read a request from plain values; every server on its own, so that other threads get turns.

    Raises:
        RequestError: some value is wrong; it names up to twenty of them.
    """
    if not isinstance(document, Mapping):
        raise RequestError([Wrong((), "the body is no object")])
    wrong: list[Wrong] = []
    try:
        head = _Head.model_validate(document)
    except ValidationError as error:
        wrong += _wrong(error, ())
        head = None
    if head is not None and head.model not in models:
        wrong.append(Wrong(("model",), f"should be one of {', '.join(models)}"))
    given = document.get("servers")
    servers = Given()
    if wrong and isinstance(given, str):
        wrong = [each for each in wrong if each.place != ("servers",)]
        wrong += [Wrong(("servers",), _SAID["list_type"])] if given != CLUSTER else []
    if isinstance(given, list):
        wrong += _check_count(given)
        if len(given) <= SERVERS_MAX:
            wrong += _read_servers(given, servers)
    if wrong or head is None:
        raise RequestError(sorted(wrong[:_WRONG_MAX], key=lambda each: len(each.place)))
    return Asked(
        task_load_percent=float(head.task_load),
        servers=None if head.servers == CLUSTER else servers,
        model=head.model,
    )


def _check_count(given: Sequence[object]) -> Iterator[Wrong]:
    if not given:
        yield Wrong(("servers",), "give at least one server")
    if len(given) > SERVERS_MAX:
        yield Wrong(("servers",), f"{len(given)} servers; give {SERVERS_MAX} at most")


def _read_servers(given: Sequence[object], servers: Given) -> Iterator[Wrong]:
    """Add servers; yields what is wrong with them."""
    place_of: dict[str, int] = {}
    for place, each in enumerate(given):
        try:
            server = _SERVER.validate_python(each)
        except ValidationError as error:
            yield from _wrong(error, ("servers", place))
            continue
        first = place_of.setdefault(server.id, place)
        if first != place:
            yield Wrong(("servers", place, "id"), "another server has the same id")
        if server.idle_watts is not None and server.idle_watts >= server.cpus * server.energy_rate:
            peak = server.cpus * server.energy_rate
            yield Wrong(
                ("servers", place, "idle_watts"),
                f"must be below the watts at full load, cpus x energy_rate = {peak:g}",
            )
        servers.add(server)


def _wrong(error: ValidationError, before: Place) -> Iterator[Wrong]:
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        place = tuple(part for part in each["loc"] if part not in _VARIANTS)
        yield Wrong((*before, *place), _said(each["type"], each["msg"]))


_SAID: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is no field of a request",
    "string_pattern_mismatch": "must have no control characters",
    "float_type": "should be a number",
    "too_short": "should not be empty",
    "too_long": f"should have {ID_LENGTH_MAX} characters at most",
    "model_type": "should be an object that describes a server",
    "list_type": "should be a list of servers, or the word cluster",
}

#: How pydantic names the members of a union in a place; nobody wrote them.
_VARIANTS: Final = frozenset({"list[any]", "literal['cluster']"})


def _said(kind: str, message: str) -> str:
    plain = message.removeprefix("Input ")
    return _SAID.get(kind, plain[:1].lower() + plain[1:])
