"""What every record of the ledger promises: values that each database keeps and JSON carries.

Numbers are finite, whole numbers fit 64 bits, texts have no NUL, no lone surrogate and a length
that every database takes. A check takes any value, returns the plain one or raises `TypeError` or
`ValueError` with what is wrong; a record runs its checks when it is made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from operator import index
from typing import Any, Final, TypeVar
from uuid import uuid4

from energy.errors import InputError

#: Kubernetes' own limits, and room for a sentence; every database takes these lengths.
NAMESPACE_LENGTH_MAX: Final = 63
NAME_LENGTH_MAX: Final = 253
WORD_LENGTH_MAX: Final = 64
REASON_LENGTH_MAX: Final = 4096
#: `namespace/kind/name`.
KEY_LENGTH_MAX: Final = NAMESPACE_LENGTH_MAX + WORD_LENGTH_MAX + NAME_LENGTH_MAX + 2
#: The end of the year 9999: what a broken clock says beyond it can be shown by nobody.
MOMENT_SECONDS_MAX: Final = 253_402_300_799.0
#: Beyond any figure, and so small that differences, products with a lifetime and sums are finite.
NUMBER_MAX: Final = 1e100
#: Below any figure, and so large that products with shares of a lifetime do not underflow, which
#: PostgreSQL refuses.
NUMBER_MIN: Final = 1e-100
_INTEGER_MAX: Final = 2**63 - 1
_ESCAPED_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

Check = Callable[[Any], Any]
T = TypeVar("T")


def check_fields(record: object, checks: Mapping[str, Check]) -> None:
    """Replace each field of a frozen record by its plain value; `InputError` names a bad one."""
    for name, check in checks.items():
        value = getattr(record, name)
        try:
            plain = check(value)
        except (TypeError, ValueError) as error:
            where = f"{type(record).__name__}.{name}"
            raise InputError(f"{error}, not {value!r:.100}", where=where) from None
        if plain is not value:
            object.__setattr__(record, name, plain)


def fields_of(record: object, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Return the plain values under the fields' names."""
    return {name: getattr(record, name) for name in checks}


def made_from(kind: Callable[..., T], checks: Mapping[str, Check], given: Any) -> T:  # noqa: ANN401 - any mapping, or `TypeError`
    """Make a record of a document's fields; names that we do not know are left."""
    return kind(**{name: given[name] for name in checks if name in given})


def new_uid() -> str:
    """Return what no other record is called: a record that is written twice is known by it."""
    return uuid4().hex


def number(value: Any) -> float:  # noqa: ANN401 - that is what is checked
    """A finite float; what is no larger than 1e-100 is 0."""
    if value.__class__ is not float:
        if isinstance(value, bool | str | bytes):
            raise TypeError("must be a number")
        value = float(value)
    if not -NUMBER_MAX <= value <= NUMBER_MAX:
        raise ValueError("must be finite and no larger than 1e100")
    if -NUMBER_MIN < value < NUMBER_MIN:
        return 0.0
    return value  # type: ignore[no-any-return]  # a float by now


def at_least_zero(value: Any) -> float:  # noqa: ANN401 - same
    """A finite float of at least 0."""
    checked = number(value)
    if checked < 0:
        raise ValueError("must be at least 0")
    return checked


def above_zero(value: Any) -> float:  # noqa: ANN401 - same
    """A finite float of more than 0."""
    checked = number(value)
    if checked <= 0:
        raise ValueError("must be more than 0")
    return checked


def share(value: Any) -> float:  # noqa: ANN401 - same
    """A float from 0 to 1."""
    checked = number(value)
    if not 0 <= checked <= 1:
        raise ValueError("must be from 0 to 1")
    return checked


def moment(value: Any) -> float:  # noqa: ANN401 - same
    """Unix seconds from 1970 to the year 9999."""
    checked = number(value)
    if not 0 <= checked <= MOMENT_SECONDS_MAX:
        raise ValueError("must be Unix seconds, from 0 to the year 9999")
    return checked


def json_object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - same
    """What JSON can carry under names; a copy, as it came back from JSON."""
    if not isinstance(value, Mapping):
        raise TypeError("must be an object")
    wire = json.dumps(dict(value), ensure_ascii=False, allow_nan=False)
    if _ESCAPED_NUL.search(wire) or not _has_no_surrogate(wire):
        raise ValueError("must be text that UTF-8 can carry, without NUL")
    plain: dict[str, Any] = json.loads(wire)
    return plain


def whole(value: Any) -> int:  # noqa: ANN401 - same
    """A whole number of at least 0 that fits 64 bits."""
    if isinstance(value, bool):
        raise TypeError("must be a whole number")
    checked = index(value)
    if not 0 <= checked <= _INTEGER_MAX:
        raise ValueError("must be from 0 to 2^63 - 1")
    return checked


def text(length_max: int, length_min: int = 0) -> Check:
    """Text of so many characters that UTF-8 can carry."""

    def check(value: Any) -> str:  # noqa: ANN401 - same
        if not isinstance(value, str):
            raise TypeError("must be text")
        if not length_min <= len(value) <= length_max:
            raise ValueError(f"must have {length_min} to {length_max} characters")
        if "\0" in value or not (value.isascii() or _has_no_surrogate(value)):
            raise ValueError("must be text that UTF-8 can carry, without NUL")
        return str(value)

    return check


def _has_no_surrogate(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def or_none(check: Check) -> Check:
    """None, or what a check takes."""
    return lambda value: None if value is None else check(value)


def one_of(words: tuple[str, ...]) -> Check:
    """One of these words."""

    def check(value: Any) -> str:  # noqa: ANN401 - same
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return str(value)

    return check


def many_of(kind: type, plural: str) -> Check:
    """A tuple of records of this kind."""

    def check(value: Any) -> tuple[Any, ...]:  # noqa: ANN401 - same
        listed = tuple(value)
        if not all(isinstance(each, kind) for each in listed):
            raise TypeError(f"must be {plural}")
        return listed

    return check


NAME: Final = text(NAME_LENGTH_MAX, 1)
NAME_OR_EMPTY: Final = text(NAME_LENGTH_MAX)
NAMESPACE: Final = text(NAMESPACE_LENGTH_MAX, 1)
NAMESPACE_OR_EMPTY: Final = text(NAMESPACE_LENGTH_MAX)
WORD: Final = text(WORD_LENGTH_MAX, 1)
WORD_OR_EMPTY: Final = text(WORD_LENGTH_MAX)
REASON: Final = text(REASON_LENGTH_MAX, 1)
