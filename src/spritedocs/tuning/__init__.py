"""Find the ``DataLoader`` settings for a dataset: what ``spritedocs.tune`` and ``spritedocs tune`` do.

``probing`` and ``probes`` measure what an item and a batch cost, ``candidates`` and ``costing`` predict
settings from it, ``trials`` measures the best of them, ``search`` goes on until one is found,
``diagnosis`` and ``remedies`` say in words what holds the loader up, and ``outcome`` makes the ``Tuning``
that is returned (``result``).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
