"""Several tenants on one server: each is the application of a server of its own, below its path and loaded on demand."""
