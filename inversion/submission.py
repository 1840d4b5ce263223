"""(image id, vector (d,)) pairs -> the competition's csv: a line `imgId_eId,val` a number."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from unprompt.index.durable import write_atomically

HEADER = "imgId_eId,val"


def write_submission(path: Path, vectors: Iterable[tuple[str, np.ndarray]]) -> int:
    """Write the file and return how many images it has; numbers are the shortest float32 text."""
    count = 0
    with (
        write_atomically(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as out,
    ):
        out.write(HEADER + "\n")
        for image_id, vector in vectors:
            values = np.asarray(vector, dtype=np.float32)
            out.writelines(f"{image_id}_{place},{value!s}\n" for place, value in enumerate(values))
            count += 1
    return count
