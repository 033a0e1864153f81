"""What this machine is and allows: cores, memory, temporary folders, processes, start methods, GPU.

``describe`` looks once (``description``, ``accelerator``), ``memory`` reads what processes hold,
``workspace`` finds room for files, ``page_cache`` drops them from memory, ``programs`` runs a script apart
and ``outcome`` reads what it said. ``ranks`` tells which rank of a training ended the others. ``processes``,
``supervisor``, ``leftovers`` and ``interruption`` see to it that nothing stays behind. Nothing here knows of
loaders or of sprites.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
