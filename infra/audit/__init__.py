"""Compares what Kafka was given with what ClickHouse shows, event by event."""

from infra.audit.audit import audit
from infra.audit.report import Report

__all__ = ["Report", "audit"]
