"""How long an epoch takes, where its time goes, and which of several loaders is faster.

``time_epoch`` times one epoch (``epochs``). ``compare`` has several loaders take turns (``comparing``):
``rounds`` plans how many rounds are needed and takes disturbed ones again, ``foreign_load`` says which
were disturbed. What comes out is a ``Comparison`` of paired samples; ``spritedocs.report`` turns these
into values.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
