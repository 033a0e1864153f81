from .loaders import watch

__all__ = ["watch"]
