"""What the reader's own training loop waits for: ``for batch in watch(loader):``, and nothing else to change.

``watch`` gives a loader that passes for the one it wraps (``loaders``). Each of its epochs is timed
(``iterating``; ``epochs`` has what was measured), and told in a line when it ends (``telling``).
``watches`` keeps what was told of each loader until the process ends, with a table over the epochs; of
several ranks by ``ranks``, together.
``patching`` has every loader of a script watched, which ``environment`` makes its Python do.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
