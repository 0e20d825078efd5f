"""`convergio audit --follow`: checks every message soon after it was processed, for as long as the pipeline runs."""

from infra.audit.follow.follower import Follower
from infra.audit.follow.metrics import AuditMetrics
from infra.audit.follow.service import serve

__all__ = ["AuditMetrics", "Follower", "serve"]
