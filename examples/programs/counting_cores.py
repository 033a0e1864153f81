"""How many cores this process has, by whom it asks.

    python counting_cores.py [held]

With ``held`` it holds itself to one core first, as ``taskset`` or a container would.
"""

import json
import os
import re
import sys
import warnings

import psutil
from torch.utils.data import DataLoader

from spritedocs.machine import usable_cores

me = psutil.Process()
knows_affinity = hasattr(me, "cpu_affinity")  # macOS does not
if "held" in sys.argv:
    if not knows_affinity:
        raise NotImplementedError(
            "only Linux and Windows hold a process to a core"
        )
    me.cpu_affinity(me.cpu_affinity()[:1])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    DataLoader([0], num_workers=100_000)  # made, but never started
suggestion = re.search(r"system is (\d+)", str(caught[0].message))
print(
    json.dumps(
        {
            "cpu_count": os.cpu_count(),
            "affinity_cores": len(me.cpu_affinity())
            if knows_affinity
            else os.cpu_count(),
            "suggested_workers": int(suggestion[1]),
            "usable_cores": usable_cores(),
        }
    )
)
