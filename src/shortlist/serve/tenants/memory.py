"""How much memory a tenant takes."""

from __future__ import annotations

from shortlist.serve.memory import mapped_bytes, own_bytes, release_memory
from shortlist.serve.tenants.folder import Tenant


class TenantMemory:
    """Measures the memory of one tenant: make it before the tenant is loaded, and call `loaded` afterwards.

    A tenant takes two kinds of memory. Files of its bundle are mapped, and the system says how much of each was read so far; `measure`
    asks again, because that grows with the requests. The rest (indexes, live state, caches) is what the process grew by while the
    tenant was loaded. The first tenant of a process loads libraries, too, which belong to no tenant: it counts with the size of its
    bundle. So do all where the system does not tell.

    Tenants are loaded one at a time, but others answer requests meanwhile, so the rest is known to a few MB. It is not measured again
    while the tenant serves: what its live state gains is added when it is loaded the next time.

    Attributes
    ----------
    size
        Bytes that the tenant takes, when it was last measured.
    """

    def __init__(self, tenant: Tenant, first: bool) -> None:
        self._tenant, self._bundle = tenant, tenant.size()
        release_memory()  # what others freed would be taken for free
        self._before = None if first else own_bytes()
        self._rest: int | None = None
        self.size = self._bundle

    def loaded(self) -> None:
        """Take what the process grew by as the memory of the tenant that was just loaded."""
        release_memory()
        after = own_bytes()
        if self._before is not None and after is not None:
            self._rest = max(after - self._before, 0)
        self.measure()

    def measure(self) -> None:
        """Measure again how much of the bundle's files is in memory."""
        mapped = mapped_bytes(self._tenant.folder)
        self.size = max(mapped, self._bundle) if self._rest is None else mapped + self._rest

    def __repr__(self) -> str:
        return f"TenantMemory({self._tenant.name}, {self.size // 10**6} MB)"
