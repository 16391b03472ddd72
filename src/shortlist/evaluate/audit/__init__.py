"""The audit: which metric should I believe? Policies, metrics, and what these policies truly bring."""

from shortlist.evaluate.audit.agree import Agreement, Score, agreement, agreements
from shortlist.evaluate.audit.world import Audit, audit_world

__all__ = ["Agreement", "Audit", "Score", "agreement", "agreements", "audit_world"]
