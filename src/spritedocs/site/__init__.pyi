from .plugin import SpritedocsPlugin

__all__ = [
    "SpritedocsPlugin",
]
