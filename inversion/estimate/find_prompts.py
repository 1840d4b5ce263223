"""Keys (q, d_image) -> the k nearest distinct prompts of an index, whatever their renders."""

import numpy as np

from unprompt.index.store.prompt_index import Neighbors, PromptIndex

MOST_ROWS = 2**19  # queries times fetched rows that are in memory together
GROWTH = 4  # times as many rows are fetched where a search found too few prompts


def find_prompts(index: PromptIndex, keys: np.ndarray, k: int) -> Neighbors:
    """Find the k nearest distinct prompts of each key; each prompt counts by its best render.

    A search fetches as many renders as k prompts have on average. Queries that find fewer than k
    prompts among them are searched again for more rows, up to all rows of the index. Rows (q, k)
    are padded with -1 where the index has fewer prompts.
    """
    manifest = index.manifest
    if manifest.prompts >= manifest.ntotal:  # each row has its own prompt
        return index.search(keys, k)
    prompts = max(1, manifest.prompts)
    wanted = min(k, prompts)
    scores = np.full((len(keys), k), -np.inf, dtype=np.float32)
    rows = np.full((len(keys), k), -1, dtype=np.int64)
    left = np.arange(len(keys))
    fetched = min(wanted * -(-manifest.ntotal // prompts), manifest.ntotal)
    while len(left):
        at_once = max(1, MOST_ROWS // fetched)
        for start in range(0, len(left), at_once):
            part = left[start : start + at_once]
            everywhere = fetched == manifest.ntotal
            found = index.search(keys[part], fetched, everywhere)
            own = distinct_prompts(found, index.prompt_ids_of(found.rows), wanted)
            scores[part, :wanted], rows[part, :wanted] = own
        if fetched == manifest.ntotal:
            break
        left = left[rows[left, wanted - 1] < 0]
        fetched = min(GROWTH * fetched, manifest.ntotal)
    return Neighbors(scores, rows)


def distinct_prompts(neighbors: Neighbors, prompt_ids: np.ndarray, k: int) -> Neighbors:
    """Keep the best row of each prompt, at most k per query, padded with -1.

    `prompt_ids` (q, n) belong to the rows (q, n).
    """
    count = len(neighbors.rows)
    scores = np.full((count, k), -np.inf, dtype=np.float32)
    rows = np.full((count, k), -1, dtype=np.int64)
    for query in range(count):
        found = neighbors.rows[query] >= 0
        candidates = neighbors.rows[query][found]
        identities = prompt_ids[query][found]
        first = np.sort(np.unique(identities, return_index=True)[1])[:k]
        rows[query, : len(first)] = candidates[first]
        scores[query, : len(first)] = neighbors.scores[query][found][first]
    return Neighbors(scores, rows)
