"""``python -m spritedocs`` is the command ``spritedocs``."""

from spritedocs.entry import main

main()
