"""Find the ``DataLoader`` settings for a dataset: what ``spritedocs.tune`` and ``spritedocs tune`` do.

``probing`` and ``probes`` measure what an item and a batch cost. ``search`` lets all settings load in turns
(``candidates``, ``slices``) and the worse half leave, as far as time and memory allow (``prospects``).
``outcome`` makes the ``Tuning`` (``result``) of what was measured; ``diagnosis`` and ``remedies`` say in
words what holds the loader up.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
