"""COYO-700M's parquet files -> batches of alt texts with the scores that are asked for.

Of the columns these are read: `text`, `clip_similarity_vitb32` or `clip_similarity_vitl14` (name it
as `similarity_column`), `nsfw_score_opennsfw2` (of the picture), `watermark_score`,
`aesthetic_score_laion_v2`. URLs are not.
"""

from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.scored import ScoredTable

TABLE = ScoredTable(
    prompt=("text",),
    scores={
        "similarity": ("clip_similarity_vitb32",),
        "image_nsfw": ("nsfw_score_opennsfw2",),
        "watermark": ("watermark_score",),
        "aesthetic": ("aesthetic_score_laion_v2",),
    },
)
COYO = Kind(
    name="coyo",
    title="COYO-700M",
    files="part-00000-*.parquet, its 128 parquet files or some of them",
    licence="CC BY 4.0 for the collection; the alt texts are their authors'. Check before use",
    read=TABLE.read,
    patterns=(("*.parquet",),),
    settings=(
        "similarity_column", "min_similarity", "max_image_nsfw", "max_watermark", "min_aesthetic",
    ),
    example={"path": "coyo-700m/data", "min_similarity": 0.3, "max_rows": 6600000},
)  # fmt: skip
