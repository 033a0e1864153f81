"""``python -m spritedocs`` is the command ``spritedocs``."""

from spritedocs.cli import main

main()
