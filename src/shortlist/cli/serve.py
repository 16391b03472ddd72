"""`shortlist serve`: recommendations, events and the page over HTTP."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli.terminal import FunctionsOption, load_functions, print_text
from shortlist.errors import ShortlistError
from shortlist.threads import VARIABLE as THREADS_VARIABLE

if TYPE_CHECKING:
    from shortlist.serve.settings import ServerSettings

HEADER_MS = 10_000
"""Longest time in which the headers of a request must arrive, milliseconds."""
CONNECTIONS = 1_024
"""Connections of a worker; further ones wait to be accepted."""


ServedBundle = Annotated[
    str,
    typer.Argument(
        help="The bundle that `shortlist train` wrote, or a folder of bundles; one of an object store (s3://…) is copied and followed. "
        "Or a folder of tenants, each with a folder `bundle` or `models`."
    ),
]
StoreAddress = Annotated[
    str | None,
    typer.Option(
        help="Event store: a SQLite file, or postgresql://… to share it between servers (default: a SQLite file beside the "
        "bundle). Of tenants: with {tenant} for the name."
    ),
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        help="Further host name that requests may be addressed to, or * for any; repeat it for several (default: this machine; "
        "with API keys any name)."
    ),
]
Origins = Annotated[
    list[str] | None,
    typer.Option(
        help="Origin whose pages may call the server from a browser (CORS), such as https://shop.example; repeat it for several."
    ),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        help="With tenants: the size that the bundles of the loaded ones may have together, such as 4GB; those that were used longest "
        "ago are unloaded (default: no limit)."
    ),
]
LoadingThreads = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of threads with which a worker loads models (default: SHORTLIST_THREADS, or the cores that it may use). A request "
        "uses one core.",
    ),
]

SecondKey = Annotated[
    str,
    typer.Option(
        help="Whether an operator's change must be approved with another key than it was proposed with: auto (as soon as two keys have the "
        "scope approve), always or never."
    ),
]


def _default_settings() -> ServerSettings:
    from shortlist.serve.settings import ServerSettings

    return ServerSettings()


@dataclass(frozen=True)
class ServerOptions:
    """How a server runs.

    Attributes
    ----------
    store
        The event store (default: `SHORTLIST_STORE`, then a SQLite file beside the bundle).
    host, port
        Bind address.
    workers
        Number of worker processes.
    functions
        Python file that registers custom features.
    report
        Evaluation report that the page shows (default: `report.html` beside the bundle).
    settings
        What the server answers and how long it waits; `workers` is set from above.
    grace
        Seconds that requests have to finish when the server is stopped.
    """

    store: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    functions: Path | None = None
    report: Path | None = None
    settings: ServerSettings = field(default_factory=_default_settings)
    grace: int = 10


def serve(
    bundle: ServedBundle,
    store: StoreAddress = None,
    host: Annotated[str, typer.Option(help="Bind address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 8000,
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="Number of worker processes. Each loads the model and uses one core."
        ),
    ] = 1,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Report of `shortlist evaluate --html` for the page's Quality tab (default: report.html beside the bundle)."
        ),
    ] = None,
    functions: FunctionsOption = None,
    allowed_host: AllowedHosts = None,
    cors_origin: Origins = None,
    root_path: Annotated[
        str,
        typer.Option(
            help="Path prefix below which a reverse proxy serves this server, such as /recs; the proxy may remove it or leave it."
        ),
    ] = "",
    admin_without_key: Annotated[
        bool, typer.Option(help="Let anyone on this machine change models while there are no API keys.")
    ] = False,
    grace: Annotated[
        int,
        typer.Option(min=1, max=600, help="Seconds that requests have to finish when the server is stopped."),
    ] = 10,
    threads: LoadingThreads = None,
    memory_limit: MemoryLimit = None,
    second_key: SecondKey = "auto",
) -> None:
    """Serve recommendations, events and the page over HTTP.

    Given a folder of bundles (`shortlist train --out models/`), the newest bundle serves, and newer ones replace it without a restart,
    also in an object store. Given a folder of tenants, each of them is served below /t/NAME/, and loaded when it is asked for.
    """
    from shortlist.serve.settings import ServerSettings

    load_functions(functions)
    if threads is not None:
        os.environ[THREADS_VARIABLE] = str(threads)  # for the workers
    settings = ServerSettings.of(
        hosts=tuple(allowed_host or ()),
        origins=tuple(cors_origin or ()),
        root_path=root_path,
        admin_without_key=admin_without_key,
        workers=workers,
        memory_limit=_bytes_of_worker(memory_limit, workers),
        second_key=second_key,
    )
    _run(bundle, ServerOptions(store, host, port, workers, functions, report, settings, grace))


def _bytes_of_worker(memory_limit: str | None, workers: int) -> int | None:
    """Return the memory limit of one worker."""
    from shortlist.serve.memory import byte_size

    return None if memory_limit is None else max(byte_size(memory_limit, "memory_limit") // workers, 1)


def _run(bundle: str, options: ServerOptions) -> None:
    """Serve tenants, or what a path or an address holds."""
    from shortlist.bundle.follow import followed
    from shortlist.serve.tenants.folder import holds_tenants

    if "://" not in bundle and holds_tenants(Path(bundle)):
        run_tenants(Path(bundle), options)
        return
    if options.settings.memory_limit is not None:
        raise ShortlistError(
            f"{bundle} is no folder of tenants; a memory limit says how many of them are loaded",
            field="memory_limit",
        )
    _check_store(bundle, options.store)
    with followed(bundle) as path:
        run_server(path, options)


def _check_store(bundle: str, store: str | None) -> None:
    """Refuse a bundle of an object store without an event store of its own place."""
    if "://" in bundle and not (store or os.environ.get("SHORTLIST_STORE")):
        raise ShortlistError(
            "name the event store (--store): by default it lies beside the bundle, and a copy of a bundle can be deleted at any time",
            field="store",
        )


def run_server(bundle: Path, options: ServerOptions) -> None:
    """Serve a bundle or a folder of bundles until interrupted."""
    from shortlist.bundle.format import read_manifest
    from shortlist.bundle.registry import BundleRegistry
    from shortlist.serve.keys import all_keys
    from shortlist.store.event_store import EventStore, path_beside

    model = BundleRegistry(bundle).current()
    read_manifest(model.path, thorough=False)  # report a damaged bundle here rather than in a worker
    target = options.store or os.environ.get("SHORTLIST_STORE") or str(path_beside(bundle))
    opened = EventStore(target)
    shown, keys, store_id = opened.shown_target, all_keys(opened), opened.id
    opened.close()
    if not keys and not is_loopback(options.host):
        raise ShortlistError(
            f"{options.host} is reachable from other machines, but the store has no API keys, so anyone could use the server; "
            f"create a key first: `shortlist keys add app --scopes recommend,events --store {shown}`",
            field="host",
        )
    os.environ["SHORTLIST_BUNDLE"], os.environ["SHORTLIST_STORE"] = str(bundle), target
    os.environ.pop("SHORTLIST_TENANTS", None)
    options.settings.model_copy(update={"store_id": store_id, "keyed": bool(keys)}).to_environment()
    if options.report is not None:
        os.environ["SHORTLIST_REPORT"] = str(options.report)
    active = len([key for key in keys if key.revoked is None])
    access = f"{active} API keys" if keys else "no API keys (local access only)"
    print_text(
        f"model {model.version} at http://{options.host}:{options.port} · API docs at /docs · {access} · Ctrl-C stops"
    )
    _listen(options)


def run_tenants(folder: Path, options: ServerOptions) -> None:
    """Serve a folder of tenants until interrupted. Those without a bundle are named, and served once they have one.

    On an address that other machines can reach, a tenant answers nobody until its store has keys.
    """
    from shortlist.serve.tenants.app import VARIABLE
    from shortlist.serve.tenants.folder import TenantFolder

    if options.report is not None:
        raise ShortlistError(
            "a report is of one tenant; the page of each shows the file report.html beside its bundle",
            field="report",
        )
    store = options.store or os.environ.get("SHORTLIST_STORE")
    there = TenantFolder(folder, store)
    for name in there.misnamed():
        print_text(
            f"{folder / name} is not served: the name of a tenant has 1 to 63 small letters, digits, - and _, and begins with a letter or a digit; "
            "rename the folder",
            "yellow",
        )
    tenants = there.all()
    for tenant in tenants:
        if not tenant.trained:
            print_text(
                f"tenant {tenant.name} has no bundle yet: `shortlist train --out {tenant.bundle}` makes one",
                "yellow",
            )
    keyed = not is_loopback(options.host)
    os.environ[VARIABLE], os.environ["SHORTLIST_STORE"] = str(folder), store or ""
    options.settings.model_copy(update={"keyed": keyed}).to_environment()
    ready = sum(tenant.trained for tenant in tenants)
    access = (
        "each tenant answers its own API keys"
        if keyed
        else "tenants without API keys are open (local access only)"
    )
    print_text(f"{ready} tenants at http://{options.host}:{options.port}/t/NAME/ · {access} · Ctrl-C stops")
    _listen(options)


def _listen(options: ServerOptions) -> None:
    """Run the workers. They are separate processes and get their options through environment variables."""
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import Server

    if options.functions is not None:
        os.environ["SHORTLIST_FUNCTIONS"] = str(options.functions)
    Server(
        "shortlist.serve.worker:make_worker_app",
        address=options.host,
        port=options.port,
        workers=options.workers,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,  # while it waits for the version of HTTP, Granian waits without end
        websockets=False,
        backpressure=CONNECTIONS,
        factory=True,
        respawn_failed_workers=True,
        workers_kill_timeout=options.grace,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MS),
        log_level=LogLevels.warning,
    ).serve()


def is_loopback(host: str) -> bool:
    """Return whether an address is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
