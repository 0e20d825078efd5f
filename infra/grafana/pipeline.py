"""The dashboard "Pipeline": what arrives, what waits, what is stored, and what needs somebody to act."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from infra.grafana.panels import HERE, lines, new_dashboard, number, quantiles, query, runbook

UID: Final = "convergio-pipeline"
RATE: Final = "[$__rate_interval]"


def dashboard() -> board.Dashboard:
    """What must be 0 first, then the way of an event."""
    found = new_dashboard(
        UID,
        "Pipeline",
        "From a request to a stored event: what arrives, what waits, and what needs somebody to act.",
        'label_values(up{job=~"convergio-.+"}, instance)',
    )
    for panel in _must_be_zero():
        found.with_panel(panel)
    for series in _way_of_an_event():
        found.with_panel(series)
    return found


def _must_be_zero() -> list[Builder[Panel]]:
    oldest = f"max(convergio_processor_oldest_erasure_to_sweep_timestamp_seconds{{{HERE}}})"
    return [
        number(
            "Skipped records",
            f"Offsets at which the log holds no record. Must be 0. {runbook('MissingOffsets')}",
            "short",
            f"sum(convergio_processor_missing_offsets_total{{{HERE}}}) or vector(0)",
            alarm=1,
        ),
        number(
            "Audit: missing or doubled",
            "Acknowledged events that are not stored, and events that are shown more than once. Must be 0."
            f" {runbook('AuditFoundViolation')}",
            "short",
            f"max(convergio_audit_missing_events{{{HERE}}}) + max(convergio_audit_doubled_events{{{HERE}}})",
            alarm=1,
        ),
        number(
            "Audit: other violations",
            "Sessions that are not what their events give, erased users of whom something is shown, messages that are"
            f" neither stored nor dead letters. Must be 0. {runbook('AuditFoundViolation')}",
            "short",
            f"max(convergio_audit_wrong_sessions{{{HERE}}}) + max(convergio_audit_erased_users_shown{{{HERE}}})"
            f" + max(convergio_audit_unreadable_messages{{{HERE}}})",
            alarm=1,
        ),
        number(
            "Audit: not checked for",
            f"Age of the oldest message that was not checked against the store yet. {runbook('AuditBehind')}",
            "s",
            f"max(convergio_audit_lag_seconds{{{HERE}}})",
            warn=600,
            alarm=3600,
        ),
        number(
            "Audit: events checked",
            f"Events checked in the last 24 hours, repeats included. {runbook('AuditBehind')}",
            "short",
            f"sum(increase(convergio_audit_checked_events_total{{{HERE}}}[24h]))",
        ),
        number(
            "Dead letters",
            f"Messages dead-lettered in the last 24 hours. {runbook('DeadLetters')}",
            "short",
            f"sum(increase(convergio_processor_dead_letters_total{{{HERE}}}[24h]))",
            warn=1,
        ),
        number(
            "Oldest erasure not swept",
            f"How long rows of an erased user have been hidden and not deleted. {runbook('ErasureNotSwept')}",
            "s",
            f"(time() - {oldest}) * ({oldest} > bool 0)",
            warn=600,
            alarm=3600,
        ),
        number(
            "Freshness",
            "How long ago a gateway received the newest event that the exporter shows. It rises when nobody studies,"
            f" too. {runbook('EventsStoredLate')}",
            "s",
            f"time() - max(convergio_newest_received_timestamp_seconds{{{HERE}}})",
            warn=120,
            alarm=600,
        ),
    ]


def _way_of_an_event() -> list[Builder[Panel]]:
    return [
        lines(
            "Requests by outcome",
            "Responses of the events route a second, by status; 499: the client went away."
            f" {runbook('GatewayUnavailable')}",
            "reqps",
            query(f"sum by (status) (rate(convergio_gateway_requests_total{{{HERE}}}{RATE}))", "{{status}}"),
            stacked=True,
        ),
        lines(
            "Acknowledgement latency",
            f"How long Kafka takes to acknowledge a record batch. {runbook('GatewayUnavailable')}",
            "s",
            *quantiles("convergio_gateway_acknowledgement_seconds", 50, 95, 99),
        ),
        lines(
            "Events in",
            "Events a second that gateways accepted, or rejected by code.",
            "cps",
            query(f"sum by (verdict) (rate(convergio_gateway_events_total{{{HERE}}}{RATE}))", "{{verdict}}"),
        ),
        lines(
            "Events stored",
            "Events a second that processors stored, or did not because a client (duplicate) or Kafka (redelivered)"
            " sent them again, or because their user was erased.",
            "cps",
            query(f"sum by (outcome) (rate(convergio_processor_events_total{{{HERE}}}{RATE}))", "{{outcome}}"),
        ),
        lines(
            "Lag",
            f"Messages that are not committed yet, by partition. {runbook('CommitsStandStill')}",
            "short",
            query(f"max by (partition) (convergio_processor_lag_messages{{{HERE}}})", "partition {{partition}}"),
            stacked=True,
        ),
        lines(
            "Oldest message not stored",
            f"Age of the oldest message that was read and is not stored. {runbook('EventsStoredLate')}",
            "s",
            query(f"max by (instance) (convergio_processor_oldest_unflushed_seconds{{{HERE}}})", "{{instance}}"),
        ),
        lines(
            "Flush time",
            f"From the preparation of a flush to its acknowledgement. {runbook('FlushFailing')}",
            "s",
            *quantiles("convergio_processor_flush_seconds", 50, 99),
        ),
        lines(
            "Flushes that failed",
            "Flushes a second that ClickHouse or Kafka did not take and that are tried again."
            f" {runbook('FlushFailing')}",
            "cps",
            query(
                f"sum by (instance) (rate(convergio_processor_flush_failures_total{{{HERE}}}{RATE}))", "{{instance}}"
            ),
        ),
        lines(
            "ClickHouse parts",
            "Active parts of the partition that has most, by table. ClickHouse delays inserts at 1 000 and refuses them"
            f" at 3 000: raise CONVERGIO_FLUSH_SECONDS if it does not fall again. {runbook('FlushFailing')}",
            "short",
            query(f"max by (table) (convergio_processor_clickhouse_parts{{{HERE}}})", "{{table}}"),
        ),
        lines(
            "Exporter refresh",
            f"How long the exporter's two readings of ClickHouse take. {runbook('ExporterNotReading')}",
            "s",
            query(f"max by (part) (convergio_exporter_refresh_duration_seconds{{{HERE}}})", "{{part}}"),
        ),
        lines(
            "Age of the exporter's numbers",
            f"How long ago the readings began that the exporter shows. {runbook('ExporterNotReading')}",
            "s",
            query(f"time() - min by (part) (convergio_exporter_refresh_timestamp_seconds{{{HERE}}})", "{{part}}"),
        ),
        lines(
            "Services",
            f"1 while a service is scraped, 0 while it is not. {runbook('TargetDown')}",
            "short",
            query(f'min by (job, instance) (up{{job=~"convergio-.+",{HERE}}})', "{{job}} {{instance}}"),
        ),
        lines(
            "Memory in flight",
            "Bytes that wait for Kafka in gateways, and for a flush in processors; both are bounded by settings.",
            "bytes",
            query(f"sum by (instance) (convergio_gateway_inflight_bytes{{{HERE}}})", "gateway {{instance}}"),
            query(f"sum by (instance) (convergio_processor_inbox_bytes{{{HERE}}})", "processor {{instance}}"),
        ),
    ]
