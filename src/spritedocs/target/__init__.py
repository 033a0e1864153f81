"""The reader's own code: named, loaded, and run in a process of its own.

``loading`` finds what ``file.py:callable`` names (``files``), ``dataset_kinds`` says what was found, and
``their_errors`` what it raised. ``run`` has a function called with it in a ``process`` apart (``guard``),
which answers through a ``channel``; what the code prints is cut short (``printed``).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
