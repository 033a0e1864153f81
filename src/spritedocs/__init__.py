"""Measured answers about PyTorch ``DataLoader`` workers: the code behind the guide.

Import what you need from the modules: :mod:`spritedocs.sprites` draws, :mod:`spritedocs.datasets`
serves, :mod:`spritedocs.timing` measures, :mod:`spritedocs.report` shows. This file imports none of
them, so that a worker started by spawn or forkserver loads only what its dataset needs.
"""

__version__ = "0.1.0"
