"""Measured answers about PyTorch ``DataLoader`` workers: the code behind the guide.

Import what you need from the modules: ``spritedocs.sprites`` draws, ``spritedocs.datasets``
serves, ``spritedocs.timing`` measures, ``spritedocs.report`` shows. This file imports none of
them, so that a worker started by spawn or forkserver loads only what its dataset needs.
"""

__version__ = "0.1.0"
