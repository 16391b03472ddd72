"""The metrics of a server of tenants: those of each loaded tenant with the label `tenant`, and of the pool."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from shortlist.serve.telemetry import Metrics
from shortlist.serve.tenants.pool import TenantPool


class TenantMetrics(Collector):
    """Collects the metrics of all loaded tenants, and those of the server itself with an empty label.

    A tenant that is unloaded takes its counters along; they begin at 0 when it comes back, as after a restart.
    """

    def __init__(self, pool: TenantPool, own: Metrics) -> None:
        self.pool, self.own = pool, own

    def collect(self) -> Iterable[Metric]:
        """Yield the families of metrics, each with the samples of all tenants."""
        families: dict[str, Metric] = {}
        _add(families, "", self.own.registry)
        for name, one in self.pool.loaded.items():
            service = one.service
            service.metrics.record_writer(service.writer)
            _add(families, name, service.metrics.registry)
        yield from families.values()
        yield GaugeMetricFamily("shortlist_tenants", "Tenants that are loaded", value=len(self.pool.loaded))
        size = GaugeMetricFamily(
            "shortlist_tenant_bytes", "Size of the bundle of a loaded tenant", labels=["tenant"]
        )
        for name, one in self.pool.loaded.items():
            size.add_metric([name], one.size)
        yield size
        changes = CounterMetricFamily(
            "shortlist_tenant_changes",
            "Tenants that were loaded, unloaded or failed to load",
            labels=["result"],
        )
        for result in ("loaded", "unloaded", "failed"):
            changes.add_metric([result], self.pool.counts[result])
        yield changes


def _add(families: dict[str, Metric], tenant: str, registry: CollectorRegistry) -> None:
    """Add the samples of a registry, with the name of their tenant."""
    for family in registry.collect():
        found = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
        for sample in family.samples:
            labels = {"tenant": tenant, **sample.labels}
            found.add_sample(sample.name, labels, sample.value, sample.timestamp, sample.exemplar)
