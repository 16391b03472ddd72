"""The version, in one place: the build, bundles and the server read it here."""

__version__ = "0.1.0"
