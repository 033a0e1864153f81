"""Predict an epoch from what it costs to load an item, to hand over a batch, and to train on it.

``Costs`` and ``Settings`` go in, a ``Prediction`` comes out (``epoch``: an event model of workers that take
turns); where processes share too few cores, ``sharing`` says how fast each of them is.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
