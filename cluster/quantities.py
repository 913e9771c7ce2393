"""Kubernetes quantities (`100m`, `1.5Gi`, `1e3`), read and written as Kubernetes does.

Source: k8s.io/apimachinery v0.36 pkg/api/resource/{quantity,suffix,amount}.go. Differences, on
purpose: an amount that does not fit 64 bits is refused where Go wraps or answers 0, an exponent
beyond 1000 is refused, and `canonical` never keeps the text as it was written, as Go's String
does with `+5` or `1.500`, nor loses the suffix of an amount beyond 999E, as Go does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from energy.errors import InputError

_INT64_MAX = 2**63 - 1
_NANO = -9
_SYNTAX = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?"
    r"(?P<suffix>[eEinumkKMGTP]*[+-]?[0-9]*)",
    re.ASCII,
)
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)", re.ASCII)
# Far beyond any quantity, and small enough that no text can make arithmetic slow.
_EXPONENT_MAX = 1000
_DIGITS_MAX = 1000


class Format(Enum):
    """Which family of suffixes a quantity was written with, and is written back with."""

    DECIMAL_SI = "DecimalSI"
    BINARY_SI = "BinarySI"
    DECIMAL_EXPONENT = "DecimalExponent"


_DECIMAL_SUFFIXES = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_DECIMAL_BY_EXPONENT = {exponent: suffix for suffix, exponent in _DECIMAL_SUFFIXES.items()}
_BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_BINARY_NAMES = ("", *_BINARY_SUFFIXES)


@dataclass(frozen=True, slots=True, order=False)
class Quantity:
    """An exact decimal: `unscaled` x 10^`scale`, and the family of suffixes it prefers.

    Equality compares the fields; compare `exact` for the amount alone.
    """

    unscaled: int
    scale: int
    format: Format

    @property
    def exact(self) -> Fraction:
        """The amount, without loss."""
        return Fraction(self.unscaled) * Fraction(10) ** self.scale

    def value(self) -> int:
        """The amount in whole units, rounded up (away from zero), as bytes are counted."""
        return self._scaled_to(0)

    def milli_value(self) -> int:
        """The amount in thousandths, rounded up (away from zero), as CPU is counted."""
        return self._scaled_to(-3)

    def _scaled_to(self, scale: int) -> int:
        shift = self.scale - scale
        if shift >= 0:
            result = self.unscaled * _power_of_ten(shift)
        else:
            result = _divided_up(self.unscaled, _power_of_ten(-shift))
        if not -_INT64_MAX - 1 <= result <= _INT64_MAX:
            raise InputError(f"quantity {self.canonical()} does not fit 64 bits")
        return result

    def __add__(self, other: Quantity) -> Quantity:
        """The sum; the suffixes of the first that is not zero."""
        scale = min(self.scale, other.scale)
        total = self.unscaled * 10 ** (self.scale - scale)
        total += other.unscaled * 10 ** (other.scale - scale)
        return Quantity(total, scale, self.format if self.unscaled else other.format)

    def canonical(self) -> str:
        """The canonical form: no fraction, the largest suffix without loss."""
        if not self.unscaled:
            return "0"
        if self.format is Format.BINARY_SI and self._is_whole() and abs(self.exact) >= 1024:  # noqa: PLR2004 - below it Kubernetes writes decimals
            number, power = _without_factors(int(self.exact), 1024, len(_BINARY_NAMES) - 1)
            return f"{number}{_BINARY_NAMES[power]}"
        return self._decimal_text()

    def _is_whole(self) -> bool:
        return self.exact.denominator == 1

    def _decimal_text(self) -> str:
        number, factors = _without_factors(self.unscaled, 10)
        exponent = self.scale + factors
        excess = exponent % 3
        if self.format is not Format.DECIMAL_EXPONENT:
            largest = max(_DECIMAL_BY_EXPONENT)
            excess = max(excess, exponent - largest)
        number *= 10**excess
        exponent -= excess
        if self.format is Format.DECIMAL_EXPONENT:
            return f"{number}e{exponent}" if exponent else str(number)
        return f"{number}{_DECIMAL_BY_EXPONENT[exponent]}"


def parse(text: str) -> Quantity:
    """Read a quantity.

    Raises:
        InputError: if Kubernetes would refuse the text, or it is absurdly long.
    """
    found = _SYNTAX.fullmatch(text) if text and len(text) <= _DIGITS_MAX else None
    if found is None:
        raise _refusal(text)
    base, exponent, form = _interpret(found["suffix"], text)
    whole, part = found["whole"], found["part"] or ""
    if not whole and not part and not _reads_as_nothing(base, exponent):
        raise _refusal(text)
    unscaled, scale = int(f"0{whole}{part}"), -len(part)
    if base == 2:  # noqa: PLR2004 - the base of the binary suffixes
        unscaled <<= exponent
    else:
        scale += exponent
    if scale < _NANO:
        # Whoever asks for something gets something: the smallest step, never nothing.
        unscaled, scale = _divided_up(unscaled, 10 ** (_NANO - scale)), _NANO
    if form is Format.BINARY_SI:
        unscaled, scale, form = _bounded_binary(unscaled, scale)
    return Quantity(-unscaled if found["sign"] == "-" else unscaled, scale, form)


def cpu_millicores(text: str) -> int:
    """Millicores of a CPU quantity, rounded up; at least 0."""
    return _not_negative(parse(text).milli_value(), text)


def whole_units(text: str) -> int:
    """Bytes, or counts of an extended resource, rounded up; at least 0."""
    return _not_negative(parse(text).value(), text)


def _not_negative(amount: int, text: str) -> int:
    if amount < 0:
        raise InputError(f"quantity {text!r} is negative")
    return amount


def _bounded_binary(unscaled: int, scale: int) -> tuple[int, int, Format]:
    """Binary quantities stop at 2^63 - 1, and those below one become decimal."""
    one = 10**-scale
    if unscaled > _INT64_MAX * one:
        return _INT64_MAX, 0, Format.BINARY_SI
    return unscaled, scale, Format.DECIMAL_SI if 0 < unscaled < one else Format.BINARY_SI


def _reads_as_nothing(base: int, exponent: int) -> bool:
    """Kubernetes takes a bare suffix for 0, but only those of its quick path."""
    return exponent >= _NANO if base == 10 else exponent <= _BINARY_SUFFIXES["Ti"]  # noqa: PLR2004 - the base of decimals


def _interpret(suffix: str, text: str) -> tuple[int, int, Format]:
    if suffix in _DECIMAL_SUFFIXES:
        return 10, _DECIMAL_SUFFIXES[suffix], Format.DECIMAL_SI
    if suffix in _BINARY_SUFFIXES:
        return 2, _BINARY_SUFFIXES[suffix], Format.BINARY_SI
    if power := _EXPONENT.fullmatch(suffix):
        exponent = int(power[1])
        if abs(exponent) <= _EXPONENT_MAX:
            return 10, exponent, Format.DECIMAL_EXPONENT
    raise _refusal(text)


def _refusal(text: str) -> InputError:
    shown = text if len(text) <= 40 else f"{text[:40]}..."  # noqa: PLR2004 - one line
    return InputError(
        f"{shown!r} is not a Kubernetes quantity", mend="write it like 250m, 1.5, 2Gi or 1e9"
    )


def _power_of_ten(exponent: int) -> int:
    return int(10**exponent)


def _divided_up(dividend: int, divisor: int) -> int:
    quotient = -(-abs(dividend) // divisor)
    return quotient if dividend >= 0 else -quotient


def _without_factors(number: int, factor: int, at_most: int | None = None) -> tuple[int, int]:
    """(n, k) with number = n x factor^k and k as large as possible, or `at_most`."""
    times = 0
    while number % factor == 0 and (at_most is None or times < at_most):
        number //= factor
        times += 1
    return number, times
