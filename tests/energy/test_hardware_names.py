"""All spellings of a CPU model have one key, and no two models share one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.hardware_names import (
    clock_gigahertz,
    cpu_label,
    cpu_maker,
    cpu_model_key,
    slug,
    vendor_name,
)


@pytest.mark.parametrize(
    ("key", "spellings"),
    [
        (
            "intel l5335",
            [
                "Intel Xeon  L5335",
                "Intel Xeon L5335",
                "Intel Xeon processor L5335",
                "Xeon L5335 @ 2.00GHz",
                "Intel(R) Xeon(R) CPU L5335 @ 2.00GHz",
                "INTEL XEON L5335 2000 MHz",
            ],
        ),
        (
            "intel e5-2660",
            [
                "Intel Xeon E5-2660 2.20 GHz (Intel Turbo Boost Technology up to 3.00 GHz)",
                "Intel Xeon E5-2660 (2.20GHz)",
                "Intel(R) Xeon(R) CPU E5-2660 0 @ 2.20GHz",
                "2 x Intel Xeon E5-2660",
                "E5-2660 v0",
                "Intel Xeon E5-2660-v0",
            ],
        ),
        (
            "intel e5-2660 v2",
            [
                "Intel Xeon E5-2660 v2",
                "Intel Xeon E5-2660V2",
                "E5-2660-v2",
                "E5 2660 v2",
                "Intel Xeon E5 2660v2",
                "Intel Xeon E5\u20112660 v2",
                "Xeon E5\u20132660 v2",
                "Intel Xeon DP E5-2660-V2",
            ],
        ),
        ("intel e7-4870", ["Intel Xeon MP E7-4870", "Xeon E7 4870"]),
        ("intel l5420", ["L-5420", "Intel Xeon L-5420", "Xeon L 5420", "Xeon L5420"]),
        ("intel x5570", ["X5570", "Intel Xeon X-5570"]),
        ("intel e-2176g", ["Intel Xeon E-2176G", "Xeon E-2176G 3.70GHz"]),
        ("intel core i3-540", ["Core i3 540", "Intel Core i3-540", "Intel Core-i3-540 3.06 GHz"]),
        (
            "amd 7601",
            ["EPYC-7601", "AMD EPYC 7601 2.2 GHz 32C/64T", "AMD EPYC\u20117601", "7601 180W"],
        ),
        ("amd 6276", ["AMD Opteron Model 6276", "AMD Opteron-6276", "Opteron 6276 16C"]),
        ("amd 2384", ["Third-Generation AMD Opteron 2384", "Third Generation Opteron 2384"]),
        ("intel e3-1265l v3", ["Intel Xeon E3-1265LV3", "Intel Xeon E3-1265L v3"]),
        (
            "intel 8180",
            [
                "Intel Xeon Platinum 8180 @2.50 GHz",
                "Intel Xeon Platinum 8180, 2.50 GHz",
                "Intel® Xeon® Platinum 8180 Processor",
                "Xeon 8180",
                "Intel Xeon-Platinum 8180",
                "Platinum 8180 2.5GHz, 28C",
                "8180 205W",
                "Intel Xeon Platinum 8180 38.5MB L3",
                "Intel Xeon Platinum 8180 2.5GHz 28C/56T 205W 38.5 MB L3 cache",
                "Intel Xeon Scalable Platinum 8180",
                "1st Gen Intel Xeon Scalable Platinum 8180",
                "Intel Xeon\u2013Platinum 8180",
            ],
        ),
        ("intel 8176m", ["Intel Xeon Platinum 8176M"]),
        ("amd 4164ee", ["AMD Opteron 4164 EE", "AMD Opteron 4164EE"]),
        ("amd 8376he", ["Quad-Core AMD Opteron(r) Processor 8376 HE"]),
        ("amd 9654", ["AMD EPYC 9654 96-Core Processor", "AMD EPYC™ 9654 2.4G"]),
        ("intel 3.8 ghz", ["Intel Xeon 3.8GHz", "Intel Xeon processor 3.8 GHz"]),
    ],
)
def test_every_spelling_of_a_cpu_model_has_the_same_key(key: str, spellings: list[str]) -> None:
    """Clock, marks, brackets, fillers and spacing do not matter."""
    assert {cpu_model_key(spelling) for spelling in spellings} == {key}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Intel Xeon E5-2660", "Intel Xeon E5-2660 v2"),
        ("AMD EPYC 7702", "AMD EPYC 7702P"),
        ("Intel Xeon X5670", "Intel Xeon L5670"),
        ("AMD Opteron 8380", "Intel Xeon Platinum 8380"),
        ("Intel Xeon E3-1240L v5", "Intel Xeon E3-1240 v5"),
        ("Intel Xeon Gold 6230C", "Intel Xeon Gold 6230"),
        ("Intel Xeon E5-2687W", "Intel Xeon E5-2687"),
        ("Intel Xeon Platinum 8180M", "Intel Xeon Platinum 8180"),
        ("Intel Xeon E5345", "Intel Xeon L5345"),
    ],
)
def test_different_models_have_different_keys(one: str, other: str) -> None:
    """A suffix, a version or another maker is another CPU."""
    assert cpu_model_key(one) != cpu_model_key(other)


@given(st.text(max_size=60))
def test_a_label_of_a_label_is_the_same_and_has_the_same_key(name: str) -> None:
    """Whatever is typed, naming settles: our table and a user's file meet at the same key."""
    label = cpu_label(name)
    assert cpu_model_key(label) == cpu_model_key(name)


@given(st.text(max_size=60), st.text(max_size=20))
def test_slugs_hold_letters_digits_and_single_hyphens_only(one: str, other: str) -> None:
    """A slug can stand in a file name, a label and a URL."""
    joined = slug(one, other)
    assert set(joined) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert "--" not in joined


def test_vendors_have_one_name_each() -> None:
    """Company forms and typing errors fall away."""
    names = ["Super Micro Computer, Inc.", "Supermicro", "SuperMicro, Inc.", "Supermicro Inc."]
    assert {vendor_name(name) for name in names} == {"Supermicro"}
    assert vendor_name("Hewlett-Packard Company") == "HP"
    assert vendor_name("Hewlett Packard Enterprise") == "HPE"
    assert vendor_name("Unheard-of Machines, Ltd.") == "Unheard-of Machines"


def test_a_clock_is_read_from_a_name_and_a_model_number_is_not_one() -> None:
    """8176M is a model, 2.2G and 2933 MHz are clocks."""
    assert clock_gigahertz("Xeon E5-2660 2.20 GHz (up to 3.00 GHz)") == 2.2
    assert clock_gigahertz("Xeon X5570 2933 MHz") == 2.933
    assert clock_gigahertz("Intel Xeon Platinum 8176M") is None


def test_the_maker_is_known_by_the_family_too() -> None:
    """EPYC 7763 does not say AMD, but is."""
    assert (cpu_maker("EPYC 7763"), cpu_maker("Xeon L5420")) == ("AMD", "Intel")
    assert cpu_maker("Ampere Altra Q80-30") == "Ampere"
