"""The command line: ``spritedocs new | record | status | compare | doctor | tune | watch``.

``entry`` is where a process starts, ``streams`` keeps its output from failing, ``commands`` has a thin
function for each command, ``new_example`` writes the files of one, ``about_recordings`` says what commands
lack, ``terminal`` prints comparisons.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
