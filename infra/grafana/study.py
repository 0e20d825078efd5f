"""The dashboard "Study overview": what learners do, out of the exporter's series."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board

from infra.grafana.panels import HERE, bars, gauges, lines, new_dashboard, number, pie, query, runbook

UID: Final = "convergio-study"


def dashboard() -> board.Dashboard:
    """The four panels that matter most first."""
    return (
        new_dashboard(
            UID,
            "Study overview",
            "What learners do: who is active, how long they study, which features and maestros they use.",
            "label_values(convergio_up, instance)",
        )
        .with_panel(
            gauges(
                "Active Users",
                "Users with an event in the last hour, day and week. LowActiveUsers fires when fewer than 10 were"
                f" active in an hour for half an hour. {runbook('LowActiveUsers')}",
                "short",
                f"max by (period) (convergio_users_active{{{HERE}}})",
                "{{period}}",
            )
        )
        .with_panel(
            lines(
                "Study Time",
                "Minutes studied in each minute: how many learners study at the same time. Gaps of more than five"
                " minutes, and errors and timings that a page reports by itself, are no study time.",
                "short",
                query(
                    f'60 * max(rate(convergio_study_minutes_total{{period="all",{HERE}}}[$__rate_interval]))',
                    "minutes a minute",
                ),
            )
        )
        .with_panel(
            bars(
                "Feature Usage",
                "Uses within the time range of the dashboard.",
                "short",
                f"max by (feature) (increase(convergio_feature_usage_total{{{HERE}}}[$__range]))",
                "feature",
            )
        )
        .with_panel(
            pie(
                "Maestro Popularity",
                "The five maestros that were selected most often within the time range of the dashboard.",
                "short",
                f"topk(5, max by (maestro) (increase(convergio_maestro_usage_total{{{HERE}}}[$__range])))",
                "{{maestro}}",
            )
        )
        .with_panel(
            lines(
                "Sessions",
                "Sessions that begin in an hour, at the present rate.",
                "short",
                query(
                    f'3600 * max(rate(convergio_sessions_total{{period="all",{HERE}}}[$__rate_interval]))',
                    "sessions an hour",
                ),
            )
        )
        .with_panel(
            lines(
                "Events",
                "Events stored a second, by category.",
                "cps",
                query(
                    "sum by (category) (max without (instance)"
                    f" (rate(convergio_events_total{{{HERE}}}[$__rate_interval])))",
                    "{{category}}",
                ),
                stacked=True,
            )
        )
        .with_panel(
            number(
                "Minutes a session",
                "Mean study time of the sessions that began in the last day.",
                "m",
                f"max(convergio:minutes_per_session:ratio1d{{{HERE}}})",
            )
        )
        .with_panel(
            number(
                "Stickiness",
                "The share of the week's users who were active in the last day.",
                "percentunit",
                f"max(convergio:stickiness:ratio{{{HERE}}})",
            )
        )
        .with_panel(
            number(
                "Sessions in 24 hours",
                "Sessions that began in the last 24 hours.",
                "short",
                f'max(convergio_sessions_total{{period="24h",{HERE}}})',
            )
        )
        .with_panel(
            number(
                "Errors",
                "Errors that pages report, for each 1000 page views in the time range of the dashboard. If it rises"
                " after a release, look at the events of the category error: docs/analysts.md.",
                "short",
                f'1000 * sum(increase(convergio_events_total{{category="error",{HERE}}}[$__range]))'
                f' / sum(increase(convergio_events_total{{action="page_view",{HERE}}}[$__range]))',
                warn=20,
                alarm=100,
            )
        )
    )
