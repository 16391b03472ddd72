"""The result of tuning as an HTML page."""

from __future__ import annotations

from shortlist.metrics.significance import Estimate
from shortlist.report.charts import bars, running_best
from shortlist.report.document import (
    Block,
    Document,
    Figure,
    FigureGrid,
    Heading,
    Paragraph,
    TableBlock,
    TableRow,
)
from shortlist.report.render import render_page
from shortlist.tuning.search import TuningResult


def tuning_page(result: TuningResult, name: str, simulated: bool) -> str:
    """Return the trials, the importance of the settings and the best settings as one HTML file.

    Parameters
    ----------
    result
        The result of `tune`.
    name
        The name of the project.
    simulated
        Whether the data come from a simulated world.
    """
    importance = bars({n: Estimate(s, s, s) for n, s in list(result.importance.items())[:14]})
    values = [(at, t["value"]) for at, t in enumerate(result.trials) if t["state"] == "COMPLETE"]
    figures = [
        Figure("Importance", "share of the variation between trials", importance),
        Figure("Trials", "finished trials in order; the line is the best so far", running_best(values)),
    ]
    rows = [TableRow(n, [f"{v:.3g}" if isinstance(v, float) else str(v)]) for n, v in result.best.items()]
    advice = (
        "The settings were chosen on the validation slice. The best of many trials is partly chance, so its value there "
        "is too high. Evaluate the settings on the test with `shortlist evaluate`."
    )
    blocks: list[Block] = [
        FigureGrid(figures),
        Heading("The best settings"),
        TableBlock(["", "value"], rows),
        Paragraph(advice),
    ]
    return render_page(Document(f"{name}: tuning", [result.sentence()], blocks, simulated))
