"""Who was busy when: each worker, the training loop, the GPU.

``traced`` gives a loader whose workers note what they do (``tracing``, ``stopwatch``), ``trace_epoch``
runs an epoch of it (``epoch``; ``device_clock`` times the GPU). What comes out is a ``Timeline`` of
``Span``s (``spans``), which ``Lanes`` draws and ``merged_trace`` hands to a trace viewer.
``profiled`` asks ``torch.profiler`` (``profiling``).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
