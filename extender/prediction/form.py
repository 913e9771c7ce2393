"""The form page: fields as they were typed, what is wrong beside each, and the answer below.

It needs no script: rows are added and removed by the same form's own buttons.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from extender.prediction.answer import Answer, AnsweredServer
from extender.prediction.request import (
    CLUSTER,
    REGRESSOR,
    Asked,
    Place,
    RequestError,
    Wrong,
    read_document,
)

ROWS_AT_FIRST: Final = 3
ROWS_MAX: Final = 100
#: A cluster may have thousands of nodes; a page of them all helps nobody.
SHOWN_MAX: Final = 100
COLUMNS: Final = ("id", "cpus", "memory", "energy_rate", "cpu_usage", "idle_watts")
_NUMBERS: Final = frozenset(COLUMNS) - {"id"}
_FIELDS_MAX: Final = ROWS_MAX * len(COLUMNS) + 10
PREDICT, ADD, REMOVE = "predict", "add", "remove"
_NO_NUMBER: Final = "write a number such as 12 or 2.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A server's fields as they were typed, with what is wrong by column."""

    values: Mapping[str, str]
    wrong: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        """Whether nobody wrote anything; such a row is no server."""
        return not any(self.values.values())


EMPTY_ROW: Final = Row(values=dict.fromkeys(COLUMNS, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The whole form as it was typed, and what is wrong with it."""

    task_load: str = ""
    model: str = REGRESSOR
    from_cluster: bool = False
    rows: tuple[Row, ...] = (EMPTY_ROW,) * ROWS_AT_FIRST
    wrong: Mapping[str, str] = field(default_factory=dict)
    action: str = PREDICT

    @property
    def is_wrong(self) -> bool:
        """Whether anything has to be mended."""
        return bool(self.wrong) or any(row.wrong for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page shows besides the form: an answer, or one line that says why there is none."""

    answer: Answer | None = None
    servers: Sequence[AnsweredServer] = ()
    #: How many servers of the answer are not shown.
    more: int = 0
    problem: str = ""


def read_form(body: bytes) -> Form:
    """Fields of a form that was sent; whatever is odd is left out."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS_MAX
        )
    except ValueError:
        return Form(wrong={"form": f"has too many fields; give {ROWS_MAX} servers at most"})
    typed = {name: value.strip() for name, value in pairs}
    count = 1 + max((_row_number(name) for name in typed), default=ROWS_AT_FIRST - 1)
    rows = [
        Row(values={column: typed.get(f"servers-{row}-{column}", "") for column in COLUMNS})
        for row in range(count)
    ]
    return Form(
        task_load=typed.get("task_load", ""),
        model=typed.get("model", REGRESSOR),
        from_cluster=typed.get("source") == CLUSTER,
        rows=tuple(rows),
        action=_action(typed),
    )


def with_rows(form: Form) -> Form:
    """The form after its buttons for rows."""
    rows = list(form.rows)
    kind, _, place = form.action.partition(" ")
    if kind == REMOVE and place.isdecimal() and int(place) < len(rows):
        del rows[int(place)]
    if (kind == ADD and len(rows) < ROWS_MAX) or not rows:
        rows.append(EMPTY_ROW)
    return _changed(form, rows=tuple(rows))


def asked_by(form: Form, models: Collection[str]) -> Asked | Form:
    """The request of a form; the form itself, with what is wrong, where it is none."""
    wrong: list[Wrong] = []
    document: dict[str, Any] = {"model": form.model}
    task_load = _number(form.task_load, ("task_load",), wrong)
    if task_load is not None:
        document["task_load"] = task_load
    place_of: list[int] = []
    if form.from_cluster:
        document["servers"] = CLUSTER
    else:
        place_of = [place for place, row in enumerate(form.rows) if not row.is_blank]
        document["servers"] = [
            _server(form.rows[place], index, wrong) for index, place in enumerate(place_of)
        ]
    try:
        asked = read_document(document, models)
    except RequestError as error:
        known = {each.place for each in wrong}
        wrong += [each for each in error.wrong if each.place not in known]
        return _marked(form, wrong, place_of)
    return asked if not wrong else _marked(form, wrong, place_of)


def _server(row: Row, index: int, wrong: list[Wrong]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column in COLUMNS:
        typed = row.values[column]
        if not typed:
            continue
        if column in _NUMBERS:
            value = _number(typed, ("servers", index, column), wrong)
            found |= {} if value is None else {column: value}
        else:
            found[column] = typed
    return found


def _number(typed: str, place: Place, wrong: list[Wrong]) -> float | None:
    if not typed:
        return None
    try:
        return float(typed)
    except ValueError:
        wrong.append(Wrong(place, _NO_NUMBER))
        return None


def _marked(form: Form, wrong: Sequence[Wrong], place_of: Sequence[int]) -> Form:
    """Put what is wrong beside its field."""
    of_form: dict[str, str] = {}
    of_row: dict[int, dict[str, str]] = {}
    for each in wrong:
        match each.place:
            case ("servers", int(index), str(column), *_) if column in COLUMNS:
                of_row.setdefault(place_of[index], {}).setdefault(column, each.message)
            case (str(name), *_):
                of_form.setdefault(name, each.message)
            case _:
                of_form.setdefault("form", each.message)
    rows = [
        Row(values=row.values, wrong=of_row.get(place, {})) for place, row in enumerate(form.rows)
    ]
    return _changed(form, rows=tuple(rows), wrong=of_form)


def _changed(form: Form, *, rows: tuple[Row, ...], wrong: Mapping[str, str] | None = None) -> Form:
    return Form(
        task_load=form.task_load,
        model=form.model,
        from_cluster=form.from_cluster,
        rows=rows,
        wrong=form.wrong if wrong is None else wrong,
        action=form.action,
    )


def _row_number(name: str) -> int:
    parts = name.split("-")
    if len(parts) == len(("servers", "0", "id")) and parts[0] == "servers":
        number = parts[1]
        if number.isdecimal() and number.isascii() and len(number) <= len(str(ROWS_MAX)):
            return min(int(number), ROWS_MAX - 1)
    return 0


def _action(typed: Mapping[str, str]) -> str:
    if REMOVE in typed:
        return f"{REMOVE} {typed[REMOVE]}"
    return ADD if ADD in typed else PREDICT
