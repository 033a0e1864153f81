from .loaders import watch
from .patching import environment

__all__ = ["environment", "watch"]
