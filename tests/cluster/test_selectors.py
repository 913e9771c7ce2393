"""Label selectors, case by case (k8s.io/apimachinery pkg/labels/selector_test.go)."""

from __future__ import annotations

import pytest

from cluster.selectors import LabelSelector, Operator, Requirement
from energy.errors import InputError


@pytest.mark.parametrize(
    ("operator", "values", "labels", "matches"),
    [
        (Operator.IN, ("a", "b"), {"x": "b"}, True),
        (Operator.IN, ("a", "b"), {"x": "c"}, False),
        (Operator.IN, ("a",), {}, False),
        (Operator.IN, ("",), {"x": ""}, True),
        (Operator.NOT_IN, ("a",), {"x": "b"}, True),
        (Operator.NOT_IN, ("a",), {"x": "a"}, False),
        (Operator.NOT_IN, ("a",), {}, True),
        (Operator.EXISTS, (), {"x": ""}, True),
        (Operator.EXISTS, (), {"y": "1"}, False),
        (Operator.DOES_NOT_EXIST, (), {"y": "1"}, True),
        (Operator.DOES_NOT_EXIST, (), {"x": "1"}, False),
        (Operator.GREATER_THAN, ("2",), {"x": "10"}, True),
        (Operator.GREATER_THAN, ("2",), {"x": "2"}, False),
        (Operator.LESS_THAN, ("2",), {"x": "1"}, True),
        (Operator.LESS_THAN, ("2",), {"x": "-1"}, True),
        (Operator.LESS_THAN, ("2",), {"x": "one"}, False),
        (Operator.LESS_THAN, ("2",), {}, False),
        (Operator.GREATER_THAN, ("2",), {"x": "9223372036854775808"}, False),
        (Operator.GREATER_THAN, ("2",), {"x": " 3"}, False),
        (Operator.GREATER_THAN, ("2",), {"x": "٣"}, False),
    ],
)
def test_a_requirement_matches_as_in_kubernetes(
    operator: Operator, values: tuple[str, ...], labels: dict[str, str], *, matches: bool
) -> None:
    """Each operator on labels that are there, missing or no numbers."""
    assert Requirement("x", operator, values).matches(labels) is matches


@pytest.mark.parametrize(
    ("operator", "values"),
    [
        (Operator.IN, ()),
        (Operator.NOT_IN, ()),
        (Operator.EXISTS, ("a",)),
        (Operator.DOES_NOT_EXIST, ("a",)),
        (Operator.GREATER_THAN, ("a",)),
        (Operator.LESS_THAN, ("1", "2")),
    ],
)
def test_requirements_that_kubernetes_refuses_are_refused(
    operator: Operator, values: tuple[str, ...]
) -> None:
    """Values that do not suit the operator are an error, not an expression that never holds."""
    with pytest.raises(InputError):
        Requirement("x", operator, values)


def test_a_selector_wants_all_and_the_empty_one_wants_nothing() -> None:
    """The empty selector matches everything."""
    both = LabelSelector.of({"a": "1"}, Requirement("b", Operator.EXISTS))
    assert both.matches({"a": "1", "b": ""})
    assert not both.matches({"a": "1"})
    assert LabelSelector.of().matches({})
