"""LAION's parquet files and their like -> batches of alt texts with the scores asked for.

LAION-400M and LAION-5B: `TEXT`, `similarity`; joined releases add `punsafe`, `pwatermark` and
`aesthetic`. LAION-COCO: made captions in `top_caption` (name it as `column`). DataComp: `text`,
`clip_b32_similarity_score`, `clip_l14_similarity_score`. URLs are not read.
"""

from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.scored import ScoredTable

TABLE = ScoredTable(
    prompt=("text", "caption"),
    scores={
        "similarity": ("similarity", "clip_b32_similarity_score", "clip_l14_similarity_score"),
        "image_nsfw": ("punsafe",),
        "watermark": ("pwatermark",),
        "aesthetic": ("aesthetic", "aesthetic_score"),
    },
)
LAION = Kind(
    name="laion",
    title="LAION-400M, LAION-5B, LAION-COCO, DataComp",
    files="part-*.parquet",
    licence="CC BY 4.0 for the tables; the alt texts are their authors'. Check before use",
    read=TABLE.read,
    patterns=(("*.parquet",),),
    settings=(
        "column", "similarity_column", "min_similarity", "max_image_nsfw", "max_watermark",
        "min_aesthetic",
    ),
    example={"path": "laion2B-en", "min_similarity": 0.3, "max_watermark": 0.8},
)  # fmt: skip
