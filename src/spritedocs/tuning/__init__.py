"""The settings for a reader's own dataset: what its items cost, which settings are best, what holds it up.

From the bottom up: ``variants`` makes loaders like the reader's, ``probing`` sees what loading costs,
``candidates`` picks what is worth measuring, ``trials`` measures it, ``search`` does all of that, ``outcome``
decides, ``diagnosis`` names the bottleneck, and ``tuner`` is the way in. ``command`` runs it for the command
line, in a process apart. This file imports none of them, so that asking for help does not load torch.
"""
