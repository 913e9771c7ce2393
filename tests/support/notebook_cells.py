"""Runs a notebook's cells in this process: no kernel to start, no library to load again."""

from __future__ import annotations

from typing import Any

import repository

FOLDER = repository.ROOT / "notebooks"


def run_notebook(name: str) -> dict[str, Any]:
    """Run `notebooks/<name>.ipynb` from top to bottom and return its names.

    The notebooks are plain Python but for one line that says where plots go.
    """
    import matplotlib.pyplot as plt
    import nbformat

    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    names: dict[str, Any] = {"__name__": name}
    plt.switch_backend("agg")
    try:
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                assert not cell.outputs, f"{name} carries outputs"
                source = cell.source.replace("%matplotlib inline\n", "\n")
                exec(compile(source, f"{name}.ipynb, cell {number}", "exec"), names)  # noqa: S102 - our own
    finally:
        plt.close("all")
    return names
