"""The version, for what must not load what `dlpo` offers."""

__version__ = "1.1.0"
