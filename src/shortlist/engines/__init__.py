"""Where heavy data work runs. DuckDB is embedded; the same standard SQL text is meant for a cluster later."""
