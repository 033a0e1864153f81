"""Recordings: examples executed on a machine, with where their numbers come from.

``record`` runs an example in a kernel of its own (``recorder``, ``kernel``) and writes a notebook whose
metadata name machine, versions, commit and fingerprints (``provenance``, ``fingerprints``). ``Library``
reads them back, checked (``library``, ``integrity``, ``summaries``, ``cleaning``), ``claims`` judges what
pages assert, and ``beside`` compares the reader's own with ours. Reading imports neither torch nor a
kernel.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
