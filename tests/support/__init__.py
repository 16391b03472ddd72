"""Helpers that test modules share: servers, HTTP calls, bundles, commands, cached worlds."""
