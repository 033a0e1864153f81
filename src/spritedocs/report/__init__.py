"""Results for people: values with their intervals, tables and figures, in a terminal and in a notebook.

Samples become a ``Measurement``, or where there are none a ``Gap`` with its reason (``measurement``);
``formatting`` puts it in digits. A table takes them, with a figure (``bars``,
``blocks`` or ``lines``, on ``drawing``), and ``show`` prints it (``showing``); a notebook keeps the samples
beside what it displays, so that pages can quote values.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
