"""The rank suite as one HTML file that needs no network: summary, plots, and every cell."""

from __future__ import annotations

from console import rank_tables as tables
from console.placement_page import Page, Section, render
from console.placement_tables import Document
from console.plots import dots_by_policy
from simulator.scenarios.families import SITUATIONS

EVERYTHING = "all"


def rank_page(document: Document) -> str:
    """The page: the summary of all cells first, dots per situation, then the cells by family."""
    summary = document["summary"]
    sections = [
        Section(
            title=f"Summary: {situation}",
            headings=["policy", *tables.SUMMARY_HEADINGS],
            rows=[[name, *tables.summary_row(one)] for name, one in policies.items()],
        )
        for situation, policies in summary.items()
        if situation != EVERYTHING
    ]
    headings = ["setting", "label kWh", *tables.compared(document), "bound"]
    for family, cells in tables.by_family(document).items():
        rows = [tables.row(document, cell, intervals=True) for cell in cells]
        sections.append(Section(title=family, headings=headings, rows=rows))
    ablations = list(tables.ablation_rows(document))
    if ablations:
        sections.append(
            Section(title="Ablations", headings=tables.ABLATION_HEADINGS, rows=ablations)
        )
    explained = (
        f"Energy divided by that of {document['reference']} on the same pods, mean ± half of the "
        "95 % interval; ✓ better, ✗ worse beyond it; behind a slash pods pending at the end and "
        "pod-hours waited."
    )
    return render(
        Page(
            title="Placement rules, ranked (simulated)",
            lines=[
                f"Seeds {', '.join(map(str, document['seeds']))}, commit {document['commit']}.",
                explained,
                *(f"{sentence}." for sentence in document["grid"]),
            ],
            headings=["all cells", *tables.SUMMARY_HEADINGS],
            rows=[[name, *tables.summary_row(one)] for name, one in summary[EVERYTHING].items()],
            plots=[
                (f"Energy to the label, {situation}", dots_by_policy(ratios, "energy / label"))
                for situation, ratios in _ratios(document).items()
            ],
            sections=sections,
        )
    )


def _ratios(document: Document) -> dict[str, dict[str, list[float]]]:
    """Mean ratios of each policy's cells, by situation."""
    found: dict[str, dict[str, list[float]]] = {}
    for situation, families in SITUATIONS.items():
        for cell in document["cells"]:
            if cell["family"] in families:
                for name in tables.compared(document):
                    if name in cell["policies"]:
                        ratios = found.setdefault(situation, {}).setdefault(name, [])
                        ratios.append(cell["policies"][name]["label_ratio"]["mean"])
    return found
