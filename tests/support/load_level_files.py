"""Writes small load-level files."""

from __future__ import annotations

from pathlib import Path

CELLS = {
    "publication": '"Nov 28, 2012"',
    "hardware_availability": "Oct-2012",
    "vendor": "Dell Inc.",
    "model": '"PowerEdge R720 (Intel Xeon E5-2660, 2.20 GHz)"',
    "formfactor": "2U",
    "cpuname": "Intel Xeon E5-2660 2.20 GHz",
    "cpufreq": "2200",
    "cpusenabled": '"16 cores, 2 chips, 8 cores/chip"',
    "hardwarethreads": "32 (2 / core)",
    "memamountgb": "24",
    "watts_idle": "52.3",
    "watts_10": "75.4",
    "watts_20": "86.6",
    "watts_30": "98.3",
    "watts_40": "112",
    "watts_50": "124",
    "watts_60": "140",
    "watts_70": "161",
    "watts_80": "178",
    "watts_90": "201",
    "watts_100": "231",
    "ssj_ops_100": "1450585",
}
HEADER = ",".join(CELLS)


def row(**cells: str) -> str:
    """Return a Dell R720 as a line, with some cells replaced."""
    return ",".join(_quoted({**CELLS, **cells}[column]) for column in CELLS)


def write(folder: Path, *rows: str) -> Path:
    """Write a file of these rows."""
    file = folder / "servers.csv"
    file.write_text("\n".join((HEADER, *rows)) + "\n", encoding="utf-8")
    return file


def _quoted(cell: str) -> str:
    return f'"{cell}"' if "," in cell and not cell.startswith('"') else cell
