"""Quantities against Kubernetes' own answers and against exact arithmetic."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cluster.quantities import Format, Quantity, cpu_millicores, parse, whole_units
from energy.errors import InputError

GOLDEN = Path(__file__).parent / "golden" / "quantities.json"

SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
decimals = st.from_regex(r"[+-]?[0-9]{1,12}(\.[0-9]{0,12})?", fullmatch=True)
quantity_texts = st.builds(
    "{}{}".format,
    decimals,
    st.one_of(st.sampled_from(SUFFIXES), st.integers(-20, 20).map("e{}".format)),
)


def test_kubernetes_and_we_read_the_same_quantities() -> None:
    """Over two thousand texts, accepted or refused, agree with the answers of the Go code."""
    cases: list[dict[str, Any]] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert len(cases) > 2000
    for case in cases:
        if case.get("refused"):
            with pytest.raises(InputError):
                parse(case["text"])
            continue
        quantity = parse(case["text"])
        ours: dict[str, Any] = {"format": quantity.format.value}
        if "canonical" in case:
            ours["canonical"] = quantity.canonical()
        if "value" in case:
            ours["value"] = quantity.value()
        if "milli_value" in case:
            ours["milli_value"] = quantity.milli_value()
        assert {"text": case["text"], **ours} == case


@given(quantity_texts)
def test_the_canonical_form_reads_back_as_the_same_amount(text: str) -> None:
    """Writing loses nothing, and writing again changes nothing."""
    quantity = parse(text)
    again = parse(quantity.canonical())
    assert again.exact == quantity.exact
    assert again.canonical() == quantity.canonical()


@given(decimals, st.sampled_from(SUFFIXES[4:10]))
def test_decimal_amounts_are_exact(number: str, suffix: str) -> None:
    """The amount is the decimal times the power of ten, up to nano."""
    power = 3 * (1 + SUFFIXES[4:10].index(suffix))
    exact = Fraction(number.rstrip(".")) * Fraction(10) ** power
    nano = 10**9
    read = parse(number + suffix).exact
    assert abs(read) == Fraction(math.ceil(abs(exact) * nano), nano)


@given(quantity_texts)
def test_values_round_away_from_zero_to_the_next_whole(text: str) -> None:
    """Whoever asks for a fraction is counted for the whole."""
    quantity = parse(text)
    assume(abs(quantity.exact) < 2**63 // 1000)
    assert abs(quantity.milli_value()) == math.ceil(abs(quantity.exact) * 1000)
    assert abs(quantity.value()) == math.ceil(abs(quantity.exact))


@given(quantity_texts, quantity_texts)
def test_sums_are_exact(first: str, second: str) -> None:
    """Adding quantities adds amounts."""
    one, two = parse(first), parse(second)
    assert (one + two).exact == one.exact + two.exact


@given(st.text())
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    """No text leads to another error, nor to a message of many lines."""
    said = ""
    try:
        parse(text)
    except InputError as refusal:
        said = str(refusal)
    assert "\n" not in said
    assert len(said) < 250


@pytest.mark.parametrize(
    "text", ["1e1001", "1e-1001", "1e99999999999999999999", "9" * 1001, "1" + "0" * 2000]
)
def test_absurdly_large_texts_are_refused_at_once(text: str) -> None:
    """No text makes the arithmetic slow."""
    with pytest.raises(InputError, match="is not a Kubernetes quantity"):
        parse(text)


@pytest.mark.parametrize("text", ["10E", "9223372036854775808"])
def test_amounts_beyond_64_bits_are_refused_where_go_would_wrap(text: str) -> None:
    """A node or pod never has a wrapped amount."""
    with pytest.raises(InputError, match="does not fit 64 bits"):
        parse(text).value()


def test_requests_are_never_negative() -> None:
    """The readers of requests refuse what a quantity allows."""
    assert (cpu_millicores("0.1m"), whole_units("1.5Ki")) == (1, 1536)
    for reader in (cpu_millicores, whole_units):
        with pytest.raises(InputError, match="is negative"):
            reader("-1")


def test_a_sum_keeps_the_suffixes_of_what_is_not_zero() -> None:
    """Zero has no say in how a sum is written."""
    zero, binary = Quantity(0, 0, Format.DECIMAL_SI), parse("2Gi")
    assert (zero + binary).canonical() == "2Gi"
    assert (binary + parse("1k")).format is Format.BINARY_SI
