"""A folder of tenants: each subfolder holds the models, the event store and the keys of one.

tenants/
operators.sqlite       keys of whoever runs the server: metrics of all tenants
acme/
models/              a folder of bundles, or `bundle`, one bundle
events.sqlite        the event store, with the keys of this tenant
shortlist.toml       the project; only training reads it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from shortlist.bundle.registry import bundles_in
from shortlist.errors import ShortlistError

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""Names of tenants. Small letters only: some file systems take `Acme` and `acme` for one folder."""
PLACE = "{tenant}"
"""Stands for the name of the tenant in the address of a store."""


@dataclass(frozen=True)
class Tenant:
    """One tenant: its name, its folder and the address of its event store."""

    name: str
    folder: Path
    store: str

    @property
    def bundle(self) -> Path:
        """The folder of its bundles, or its bundle."""
        models = self.folder / "models"
        return models if models.is_dir() else self.folder / "bundle"

    @property
    def trained(self) -> bool:
        """Whether there is a bundle."""
        return (self.bundle / "manifest.json").exists() or bool(bundles_in(self.bundle))

    def size(self) -> int:
        """Return the size of its largest bundle in bytes."""
        bundles = [self.bundle] if (self.bundle / "manifest.json").exists() else bundles_in(self.bundle)
        return max(
            (sum(file.stat().st_size for file in one.rglob("*") if file.is_file()) for one in bundles),
            default=0,
        )


class TenantFolder:
    """The tenants of a folder. It is read anew each time: tenants come and go while a server runs.

    Parameters
    ----------
    folder
        The folder.
    store
        Address of the stores, with `{tenant}` for the name (default: `events.sqlite` in the folder of each tenant).

    Raises
    ------
    ShortlistError
        `store` is one address for all tenants.
    """

    def __init__(self, folder: str | Path, store: str | None = None) -> None:
        if store is not None and PLACE not in store:
            raise ShortlistError(
                f"each tenant has a store of its own: write {PLACE} where the name of the tenant belongs, as in "
                f"postgresql://host/events_{PLACE}",
                field="store",
            )
        self.folder, self.store = Path(folder), store

    def find(self, name: str) -> Tenant | None:
        """Return a tenant, None where there is none of that name."""
        folder = self.folder / name
        if NAME.fullmatch(name) is None or not folder.is_dir():
            return None
        store = str(folder / "events.sqlite") if self.store is None else self.store.replace(PLACE, name)
        return Tenant(name, folder, store)

    def all(self) -> list[Tenant]:
        """Return all tenants, by name."""
        found = (self.find(path.name) for path in sorted(self.folder.iterdir()))
        return [tenant for tenant in found if tenant is not None]

    def misnamed(self) -> list[str]:
        """Return the names of folders with a bundle that are no tenants, because their names cannot be part of an address."""
        found = (path for path in sorted(self.folder.iterdir()) if path.is_dir() and path.name[0] != ".")
        return [
            path.name
            for path in found
            if not NAME.fullmatch(path.name) and Tenant(path.name, path, "").trained
        ]

    def __repr__(self) -> str:
        return f"TenantFolder({str(self.folder)!r})"


def holds_tenants(folder: Path) -> bool:
    """Return whether a folder holds tenants, and is not a bundle or a folder of bundles."""
    if not folder.is_dir() or (folder / "manifest.json").exists() or bundles_in(folder):
        return False
    return any(tenant.trained for tenant in TenantFolder(folder).all())
