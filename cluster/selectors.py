"""Label selectors of pods and namespaces, with the operators and the edge cases of Kubernetes.

Source of the semantics: k8s.io/apimachinery pkg/labels/selector.go and
pkg/apis/meta/v1/helpers.go (LabelSelectorAsSelector), v0.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from energy.errors import InputError


class Operator(StrEnum):
    """How a requirement compares a label with its values. Pod selectors know the first four."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GREATER_THAN = "Gt"
    LESS_THAN = "Lt"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One expression on one label (or, in a node selector, on one field).

    `values` are compared as text by In and NotIn; Gt and Lt take exactly one integer.
    """

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wants_values = self.operator in {Operator.IN, Operator.NOT_IN}
        wants_number = self.operator in {Operator.GREATER_THAN, Operator.LESS_THAN}
        if wants_values and not self.values:
            raise InputError(f"{self.operator} needs at least one value", where=self.key)
        if wants_number and (len(self.values) != 1 or _integer(self.values[0]) is None):
            raise InputError(f"{self.operator} needs exactly one integer", where=self.key)
        if not (wants_values or wants_number) and self.values:
            raise InputError(f"{self.operator} takes no values", where=self.key)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` satisfy this expression. A missing label satisfies NotIn."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value is not None and value in self.values
            case Operator.NOT_IN:
                return value is None or value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None
            case Operator.GREATER_THAN | Operator.LESS_THAN:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        actual = _integer(value) if value is not None else None
        bound = _integer(self.values[0])
        if actual is None or bound is None:
            return False
        return actual > bound if self.operator is Operator.GREATER_THAN else actual < bound


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold. The empty selector matches everything.

    Kubernetes also has the *absent* selector, which matches nothing; here it is None.
    """

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def of(
        cls, match_labels: Mapping[str, str] | None = None, *expressions: Requirement
    ) -> LabelSelector:
        """Build one from `matchLabels` and `matchExpressions`."""
        labels = sorted((match_labels or {}).items())
        equal = tuple(Requirement(key, Operator.IN, (value,)) for key, value in labels)
        return cls(equal + expressions)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` satisfy every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def narrowed(self, *requirements: Requirement) -> LabelSelector:
        """This selector and `requirements` besides."""
        return LabelSelector(self.requirements + requirements)


_INT64 = range(-(2**63), 2**63)


def _integer(text: str) -> int | None:
    """Go's strconv.ParseInt(text, 10, 64): ASCII digits with one optional sign, else None."""
    digits = text[1:] if text[:1] in {"+", "-"} else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    value = int(text)
    return value if value in _INT64 else None
