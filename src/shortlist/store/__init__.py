"""The event store: events, slates and operations of a server, in SQLite or PostgreSQL."""
