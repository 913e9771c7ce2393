"""Hardware has many spellings: one label and one key for each CPU model, one word for each vendor.

The key decides which servers share a CPU model, so that a model is never tested on a CPU that it
was trained on. "Intel Xeon  L5335", "Intel Xeon processor L5335", "Xeon L5335 @ 2.00GHz" are one.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: "2.2 GHz", "2933MHz", and "2.2G": a bare letter only after a decimal point, as 8176M is a model.
_CLOCK: Final = re.compile(
    r"@?\s*(?<![\w.-])(\d+(?:\.\d+)?(?=\s*[gm]hz)|\d+\.\d+(?=\s*g\b))\s*(g|m)(?:hz)?(?!\w)",
    re.IGNORECASE,
)
_BRACKETS: Final = re.compile(r"\([^)]*\)?|\[[^\]]*\]?")
_MARKS: Final = re.compile(r"\((?:r|tm|c)\)|[®™©]", re.IGNORECASE)
_CORE_COUNT: Final = re.compile(
    r"\b(?:\d+|single|dual|two|quad|four|six|eight|twelve|sixteen)[- ]cores?\b", re.IGNORECASE
)
_FILLERS: Final = frozenset(
    {"processor", "processors", "cpu", "cpus", "series", "inc.", "the", "model", "scalable", "mp"}
    | {"dp", "generation", "tdp", "cache"}
)
_COUNT_PREFIX: Final = re.compile(r"^\s*\d+\s*(?:x|×)\s+", re.IGNORECASE)
_GENERATION: Final = re.compile(r"(?<=[\dlhmpwktuq])[\s-]*v\s*(\d)(?=\s|$)", re.IGNORECASE)
#: Linux appends Intel's version as a lone zero: "E5-2660 0 @ 2.20GHz".
_FIRST_VERSION: Final = re.compile(r"(?<=\d[\dl])(?:\s+|[\s-]*v\s*)0(?=\s|$)", re.IGNORECASE)
#: "28C", "32C/64T", "205W" and "38.5MB L3": never four digits, which are models (6230C, 2687W).
_SIZES: Final = re.compile(
    r"(?<![\w.-])(?:\d{1,3}\s?c(?:\s?/\s?\d{1,3}\s?t)?|\d{1,3}(?:\.\d+)?\s?(?:w|mi?b))(?![\w.-])"
    r"|\bl3\b",
    re.IGNORECASE,
)
_ORDINAL_GENERATION: Final = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|\d(?:st|nd|rd|th))[\s-]gen(?:eration)?\b",
    re.IGNORECASE,
)
_DASHES: Final = re.compile("[\u2010-\u2015\u2212]")
#: "Xeon-Platinum", "EPYC-7601": the name of a family ends at a hyphen.
_FAMILY_HYPHEN: Final = re.compile(
    r"\b(xeon|platinum|gold|silver|bronze|epyc|opteron|pentium|core|intel|amd)-(?=\w)",
    re.IGNORECASE,
)
#: "E5 2660", "i3 540" take a hyphen; "L-5420", "X 5570", "E 5345" none, but E-2176G is a model.
_APART: Final = re.compile(
    r"(?<![\w-])(e[357]|i[3579])\s+(?=\d{3,5}[a-z]{0,2}(?:\s|-|v|$))", re.IGNORECASE
)
_TOGETHER: Final = re.compile(
    r"(?<![\w-])([lx]|e(?=[\s-]+[3457]))[\s-]+(?=\d{4}(?:\s|$))", re.IGNORECASE
)
_POWER_GRADE: Final = re.compile(r"(?<=\d)\s+(he|ee|se|hs)(?=\s|$)", re.IGNORECASE)

_AMD_FAMILIES: Final = frozenset({"epyc", "opteron", "ryzen", "threadripper"})
_INTEL_FAMILIES: Final = frozenset(
    {"xeon", "pentium", "core", "celeron", "atom", "platinum", "gold", "silver", "bronze"}
)
#: Numbers that only one maker ever sold. Others (8380, 6276) name no maker by themselves.
_INTEL_NUMBER: Final = re.compile(
    r"e[357]-\d{4}[a-z]*|e-2\d{3}[a-z]?|[elx]\d{4}|i[3579]-\d{3,5}[a-z]*"
    r"|(?:5\d{3}|81\d{2})[a-z]{0,2}",
    re.IGNORECASE,
)
_AMD_NUMBER: Final = re.compile(r"7[2-7f][\df][1-3][px]?|9[\df]\d[45][a-z]?", re.IGNORECASE)
#: Words that some results write and others leave out, so that the key must not hold them.
_OPTIONAL_WORDS: Final = frozenset(
    {"intel", "amd", "xeon", "epyc", "opteron", "platinum", "gold", "silver", "bronze"}
)

#: Vendors whose name took several forms, by the beginning of what is left of it in lower case.
_VENDORS: Final = {
    "acer": "Acer",
    "apple": "Apple",
    "asustek": "ASUS",
    "bull": "Bull",
    "cisco": "Cisco",
    "colfax": "Colfax",
    "dell": "Dell",
    "depo": "DEPO",
    "five9": "Five9",
    "fujitsu": "Fujitsu",
    "giga": "Gigabyte",
    "h3c": "H3C",
    "hewlett packard enterprise": "HPE",
    "hewlett": "HP",
    "hitachi": "Hitachi",
    "hpe": "HPE",
    "huawei": "Huawei",
    "ibm": "IBM",
    "inspur": "Inspur",
    "intel": "Intel",
    "lenovo": "Lenovo",
    "nec": "NEC",
    "nettrix": "Nettrix",
    "new h3c": "H3C",
    "plat'home": "PlatHome",
    "powerleader": "Powerleader",
    "quanta": "Quanta",
    "sgi": "SGI",
    "sugon": "Sugon",
    "sun": "Sun",
    "super": "Supermicro",
    "tyan": "Tyan",
    "verari": "Verari",
    "zt": "ZT",
}


def vendor_name(name: str) -> str:
    """Return one word or two for a vendor, whatever company form the source appends."""
    words = " ".join(name.split())
    for beginning, vendor in _VENDORS.items():
        if words.lower().startswith(beginning):
            return vendor
    return re.split(r"[,(]| inc\b| corp| co\b| ltd", words, flags=re.IGNORECASE)[0].strip()


def clock_gigahertz(cpu_name: str) -> float | None:
    """Clock in GHz that a CPU name states outside brackets, or inside where only there."""
    for text in (_BRACKETS.sub(" ", cpu_name), cpu_name):
        match = _CLOCK.search(text)
        if match:
            value = float(match[1])
            return value if match[2].lower() == "g" else value / 1000
    return None


def cpu_label(name: str) -> str:
    """Return a CPU's name without marks, clock, core count and remarks: `Intel Xeon E5-2660 v2`."""
    text = _MARKS.sub(" ", _MARKS.sub(" ", name))
    text = unicodedata.normalize("NFKC", _DASHES.sub("-", text)).replace("_", " ")
    text = _COUNT_PREFIX.sub("", _BRACKETS.sub(" ", _DASHES.sub("-", text)))
    text = _ORDINAL_GENERATION.sub(" ", _CORE_COUNT.sub(" ", text))
    clock = _CLOCK.search(text)
    text = re.sub(r"[,;@]", " ", _CLOCK.sub(" ", text))
    text = _FAMILY_HYPHEN.sub(r"\1 ", _SIZES.sub(" ", text))
    words = [word for word in text.split() if word.lower() not in _FILLERS]
    label = _TOGETHER.sub(r"\1", _APART.sub(r"\1-", " ".join(words)))
    label = _POWER_GRADE.sub(lambda match: match[1].upper(), label)
    label = _FIRST_VERSION.sub("", label)
    label = _GENERATION.sub(lambda match: f" v{match[1]}", label)
    if clock and not any(character.isdigit() for character in label):
        unit = "GHz" if clock[2].lower() == "g" else "MHz"
        label = f"{label} {float(clock[1]):g} {unit}".strip()
    return _with_maker(label)


def cpu_maker(name: str) -> str:
    """`Intel`, `AMD` or, for other makers, the first word of the name."""
    label = cpu_label(name)
    return label.split()[0] if label else ""


def cpu_model_key(name: str) -> str:
    """Return one key for all spellings of a CPU model, in lower case: `intel e5-2660 v2`.

    Empty when the name holds no letter or digit.
    """
    label = cpu_label(name).lower()
    words = re.sub(r"[^a-z0-9.\-]+", " ", label).split()
    kept = [word for word in words if word not in _OPTIONAL_WORDS] or words
    maker = words[0] if words else ""
    return " ".join([maker, *(word for word in kept if word != maker)]).strip(" -.")


def slug(*parts: str) -> str:
    """Return names joined to one lower-case identifier of letters, digits and single hyphens."""
    text = unicodedata.normalize("NFKD", "-".join(parts)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _with_maker(label: str) -> str:
    lowered = set(re.split(r"[\s-]", label.lower()))
    maker = "AMD" if lowered & (_AMD_FAMILIES | {"amd"}) else ""
    if not maker and (lowered & (_INTEL_FAMILIES | {"intel"})):
        maker = "Intel"
    if not maker and any(_INTEL_NUMBER.fullmatch(word) for word in label.split()):
        maker = "Intel"
    if not maker and any(_AMD_NUMBER.fullmatch(word) for word in label.split()):
        maker = "AMD"
    if not maker:
        return label
    rest = [word for word in label.split() if word.lower() != maker.lower()]
    return " ".join([maker, *rest])
