"""The audit of metrics: which offline metrics order policies as their true outcome does."""

from shortlist.evaluate.audit.agreement import Agreement, MetricScore, agreement, agreements
from shortlist.evaluate.audit.result import AuditResult
from shortlist.evaluate.audit.simulation import audit_world

__all__ = ["Agreement", "AuditResult", "MetricScore", "agreement", "agreements", "audit_world"]
