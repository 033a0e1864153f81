"""Pixel-art pictures, drawn from a number: the same number gives the same sprite on every machine.

A number chooses a family and a look (``pixel_art``); ``draw_sprite`` gives its pixels, and the other
functions write many of them, as PNG files or packed into one array (``files``). ``spritedocs.datasets``
serves them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
