"""The state that the routes share: models, store, slates, metrics and keys of one server process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shortlist.bundle.registry import BundleRegistry
from shortlist.serve.batching import RequestBatcher
from shortlist.serve.cursors import CursorSigner
from shortlist.serve.keys import Keyring
from shortlist.serve.live_models import CatalogueUpdates, LiveModels
from shortlist.serve.model_watcher import ModelWatcher, first_model
from shortlist.serve.operators import ApprovedSettings
from shortlist.serve.settings import ServerSettings
from shortlist.serve.slates import SlateService
from shortlist.serve.telemetry import Metrics
from shortlist.serve.writer import StoreNews, Writer
from shortlist.store.event_store import EventStore


@dataclass
class Service:
    """The parts of a server.

    `report` is where the page finds the evaluation's report, if there is one.
    """

    live: LiveModels
    writer: Writer
    slates: SlateService
    batcher: RequestBatcher
    metrics: Metrics
    registry: BundleRegistry
    watcher: ModelWatcher
    keyring: Keyring
    cursors: CursorSigner
    approved: ApprovedSettings
    report: Path
    second_key: str

    @property
    def faults(self) -> list[str]:
        """Why the server is degraded; empty where it is not."""
        found = ["the event store cannot be used; the server's log says why"] if self.writer.fault else []
        if self.watcher.fault:
            found.append(self.without_folder(self.watcher.fault))
        if self.approved.fault:
            found.append(self.approved.fault)
        return found

    @property
    def needs_second_key(self) -> bool:
        """Whether a change of settings must be approved with another key than it was proposed with."""
        approving = sum("approve" in key.scopes for key in self.keyring.keys.values())
        return self.second_key == "always" or (self.second_key == "auto" and approving > 1)

    def without_folder(self, text: str) -> str:
        """Return a message about bundles without the folder: where bundles lie is no business of clients."""
        folder = str(self.registry.folder)
        return text.replace(f"{folder}{os.sep}", "").replace(folder, "the folder of models")


def report_path(bundle: str | Path) -> Path:
    """Where the evaluation's report is by default: in a folder of bundles, or beside a bundle."""
    folder = Path(bundle)
    return (folder.parent if (folder / "manifest.json").exists() else folder) / "report.html"


def make_service(bundle: str | Path, store: str | Path, settings: ServerSettings | None = None) -> Service:
    """Load the model that should serve and bring it to where the store is. Raises `BundleError`, `StoreError`."""
    settings = settings or ServerSettings()
    registry, metrics = BundleRegistry(bundle), Metrics()
    writer = Writer(store, partial(EventStore, expected=settings.store_id))
    try:
        serving = first_model(registry, writer)
        live = LiveModels(serving)
        metrics.start_serving(serving.recommender)

        def land(news: StoreNews, prepared: CatalogueUpdates | None) -> None:
            live.land(news, prepared)
            now = live.serving.recommender.now()
            if news.events:
                metrics.activity.stored(len(news.events))
            for _, event in news.events:
                metrics.events.labels(event.kind).inc()
                metrics.lag.set(max(now - event.time, 0) / 1000)

        keyring = Keyring(settings.workers, settings.keyed)
        writer.follow(land, serving.row, serving.operation, live.prepare)
        writer.run(keyring.refresh)
        writer.also.append(keyring.refresh)
        approved = ApprovedSettings(live)
        writer.run(approved.refresh)
        writer.also.append(approved.refresh)
        slates = SlateService(live, writer, metrics)
        return Service(
            live,
            writer,
            slates,
            RequestBatcher(slates),
            metrics,
            registry,
            ModelWatcher(registry, live, writer, metrics, approved),
            keyring,
            CursorSigner(writer.run(EventStore.signing_key)),
            approved,
            Path(os.environ.get("SHORTLIST_REPORT") or report_path(bundle)),
            settings.second_key,
        )
    except BaseException:
        writer.stop()
        raise
