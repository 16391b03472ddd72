"""The settings of a project: `shortlist.toml` as typed values, one module a section."""
