"""Five cells of a notebook, run by IPython's shell, as a notebook runs them."""

import multiprocessing
import os
from pathlib import Path

# Its profile and history shall go when this folder goes.
os.environ["IPYTHONDIR"] = str(Path("ipython").resolve())

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

DATASET = """\
from torch.utils.data import Dataset

class Sprites(Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, index):
        return index
"""

CELLS = [
    f"""{DATASET}
from torch.utils.data import DataLoader

def count_batches(method):
    loader = DataLoader(Sprites(), batch_size=8, num_workers=1,
                        multiprocessing_context=method)
    return sum(1 for batch in loader)
""",
    """print("batches by fork:", count_batches("fork"))""",
    """print("batches by spawn:", count_batches("spawn"))""",
    f"%%writefile my_sprites.py\n{DATASET}",
    """\
from my_sprites import Sprites
print("batches by spawn, from a file:", count_batches("spawn"))
""",
]

if __name__ == "__main__":
    methods = multiprocessing.get_all_start_methods()
    shell = InteractiveShell.instance(
        colors="nocolor", config=Config(HistoryManager={"enabled": False})
    )
    shell.InteractiveTB.set_mode("Minimal")
    for number, cell in enumerate(CELLS, 1):
        if "fork" in cell and "fork" not in methods:
            continue
        print(f"In [{number}]:", cell.strip().replace("\n", "\n   ...: "))
        shell.run_cell(cell)
