"""The kinds of panels that the dashboards are made of, with what all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import barchart, common, gauge, piechart, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

RUNBOOK: Final = "docs/runbook.md"
SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="$datasource")
HEIGHT: Final = 8
HALF, QUARTER = 12, 6
"""Widths of panels, of 24 columns."""
HERE: Final = 'instance=~"$instance"'
"""Selects the instances that are chosen in the dashboard."""

Panel = TypeVar("Panel", timeseries.Panel, stat.Panel, gauge.Panel, barchart.Panel, piechart.Panel)


def new_dashboard(uid: str, title: str, description: str, instances: str) -> board.Dashboard:
    """A dashboard with its data source, and the instances that a query finds, as variables."""
    return (
        board.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["convergio"])
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .editable()
        .with_variable(board.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            board.QueryVariable("instance")
            .label("Instance")
            .datasource(SOURCE)
            .query(instances)
            .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".+")
        )
        .link(
            board.DashboardLink("Convergio")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["convergio"])
            .include_vars(True)
            .keep_time(True)
        )
    )


def query(expression: str, legend: str = "") -> prometheus.Dataquery:
    """A query over the dashboard's span."""
    return prometheus.Dataquery().expr(expression).legend_format(legend).range()


def instant(expression: str, legend: str = "") -> prometheus.Dataquery:
    """A query of the end of the dashboard's span."""
    return prometheus.Dataquery().expr(expression).legend_format(legend).instant()


def table(expression: str) -> prometheus.Dataquery:
    """The same, as a row for each series."""
    return instant(expression).format(PromQueryFormat.TABLE)


def quantiles(histogram: str, *percents: int) -> list[prometheus.Dataquery]:
    """Percentiles of a histogram."""
    rates = f"sum by (le) (rate({histogram}_bucket{{{HERE}}}[$__rate_interval]))"
    return [query(f"histogram_quantile({percent / 100:g}, {rates})", f"p{percent}") for percent in percents]


def lines(
    title: str, description: str, unit: str, *queries: prometheus.Dataquery, stacked: bool = False
) -> timeseries.Panel:
    """A time series from 0 upwards."""
    panel = _filled(timeseries.Panel(), title, description, unit, queries, HALF).min(0).fill_opacity(10)
    panel.legend(common.VizLegendOptions().show_legend(True).placement(options.LegendPlacement.BOTTOM))
    panel.tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL)).fill_opacity(40)
    return panel


def number(
    title: str,
    description: str,
    unit: str,
    expression: str,
    *,
    warn: float | None = None,
    alarm: float | None = None,
) -> stat.Panel:
    """One number; yellow from `warn` on, red from `alarm` on."""
    panel = _filled(stat.Panel(), title, description, unit, [instant(expression)], QUARTER)
    return panel.thresholds(thresholds(warn, alarm))


def thresholds(warn: float | None = None, alarm: float | None = None) -> board.ThresholdsConfig:
    """Green, yellow from `warn` on, red from `alarm` on."""
    steps = [model.Threshold(value=None, color="green")]
    if warn is not None:
        steps.append(model.Threshold(value=warn, color="yellow"))
    if alarm is not None:
        steps.append(model.Threshold(value=alarm, color="red"))
    return board.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def gauges(title: str, description: str, unit: str, expression: str, legend: str) -> gauge.Panel:
    """A gauge for each series."""
    panel = _filled(gauge.Panel(), title, description, unit, [instant(expression, legend)], HALF)
    return panel.min(0).thresholds(thresholds())


def bars(title: str, description: str, unit: str, expression: str, label: str) -> barchart.Panel:
    """A bar for each value of a label."""
    return _filled(barchart.Panel(), title, description, unit, [table(expression)], HALF).min(0).x_field(label)


def pie(title: str, description: str, unit: str, expression: str, legend: str) -> piechart.Panel:
    """A slice for each series."""
    panel = _filled(piechart.Panel(), title, description, unit, [instant(expression, legend)], HALF)
    panel.legend(
        piechart.PieChartLegendOptions()
        .show_legend(True)
        .placement(options.LegendPlacement.RIGHT)
        .display_mode(options.LegendDisplayMode.TABLE)
    )
    return panel


def runbook(alert: str) -> str:
    """Where to read what to do."""
    return f"Runbook: {RUNBOOK}#{alert.lower()}."


def _filled(
    panel: Panel, title: str, description: str, unit: str, queries: Sequence[prometheus.Dataquery], span: int
) -> Panel:
    panel.title(title).description(description).unit(unit).datasource(SOURCE).span(span).height(HEIGHT)
    for letter, each in zip(ascii_uppercase, queries, strict=False):
        panel.with_target(each.ref_id(letter))
    return panel
