"""The version, for the package and the command."""

__version__ = "0.1.0"
