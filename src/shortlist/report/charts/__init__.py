"""Charts as SVG, without scripts: every function returns safe markup for `Figure` or `TableCell`."""

from shortlist.report.charts.bars import bars, distribution, histogram, share_bar
from shortlist.report.charts.lines import bands, lines, running_best
from shortlist.report.charts.points import TradeOff, reliability_plot, scatter, trade_off

__all__ = [
    "TradeOff",
    "bands",
    "bars",
    "distribution",
    "histogram",
    "lines",
    "reliability_plot",
    "running_best",
    "scatter",
    "share_bar",
    "trade_off",
]
