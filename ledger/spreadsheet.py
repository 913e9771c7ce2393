"""Cells of CSV files as spreadsheets may open them: pure."""

from __future__ import annotations

from typing import Final

#: Spreadsheets run a cell that begins so, in East Asia also in full width
#: (https://owasp.org/www-community/attacks/CSV_Injection); a quote before it makes it text.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")


def cell(value: object) -> object:
    """Return a value that no spreadsheet takes for a formula; numbers stay numbers."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
