"""The MkDocs site: pages are built from prose, examples and recordings, and every claim is checked.

``plugin`` is what MkDocs calls. An ``Edition`` chooses the recordings (``edition``), ``pages`` writes an
experiment's page, ``macros`` fill values into prose, ``page_faults`` and ``page_files`` refuse what must
not be published, ``rendering_cache`` keeps what has not changed, and ``swap`` puts the finished site in
place.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
