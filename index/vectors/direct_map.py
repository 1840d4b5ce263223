"""An index with inverted lists -> a map from ids to places in the lists, where all ids are there.

FAISS reads outside of its memory for an id that no list holds.
"""

from typing import Any

import numpy as np

from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.vectors.faiss_library import load_faiss


def map_ids(inner: Any) -> None:
    """Let an index reconstruct its rows; does nothing for one without lists.

    Raises DamagedFileError where the lists do not hold every id from 0 on once, ConfigError for
    packed codes.
    """
    faiss = load_faiss()
    if not isinstance(inner, faiss.IndexIVF) or not inner.direct_map.no():
        return
    if isinstance(inner, faiss.IndexIVFFastScan):  # FAISS 1.15.1 crashes
        raise ConfigError(
            "packed codes (x4fs) in lists cannot be read back; rebuild the index with "
            "`index.keep_keys: true`, or with other codes"
        )
    seen, lists = np.zeros(inner.ntotal, dtype=bool), inner.invlists
    for number in range(inner.nlist):
        size = lists.list_size(number)
        if not size:
            continue
        pointer = lists.get_ids(number)
        ids = faiss.rev_swig_ptr(pointer, size)
        if ids.min() < 0 or ids.max() >= inner.ntotal:
            raise _broken(number)
        seen[ids] = True
        lists.release_ids(number, pointer)
    if not seen.all():
        raise _broken(int(np.argmin(seen)))
    inner.make_direct_map()


def _broken(number: int) -> DamagedFileError:
    return DamagedFileError(
        f"the lists of the FAISS index do not hold every row once (near {number}); rebuild the "
        "index, or fetch it again"
    )
