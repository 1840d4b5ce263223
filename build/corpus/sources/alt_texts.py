"""Parquet files of web pictures' alt texts -> batches of alt texts with the requested scores.

- LAION-400M and LAION-5B: `TEXT`, `similarity` and `NSFW` as a word; joined releases add `punsafe`,
  `pwatermark` and `aesthetic`. LAION-COCO: generated captions in `top_caption` or, as lists, in
  `all_captions`, to be named as `column`.
- DataComp: `text`, `clip_b32_similarity_score`, `clip_l14_similarity_score`.
- COYO-700M: `text`, `clip_similarity_vitb32` or `clip_similarity_vitl14` (to be named as
  `similarity_column`), `nsfw_score_opennsfw2` of the picture, `watermark_score`,
  `aesthetic_score_laion_v2`.

URLs are not read.
"""

from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.scored import ScoredTable

FILTERS = (
    "similarity_column", "min_similarity", "max_image_nsfw", "max_watermark", "min_aesthetic",
)  # fmt: skip
COYO_TABLE = ScoredTable(
    prompt=("text",),
    scores={
        "similarity": ("clip_similarity_vitb32",),
        "image_nsfw": ("nsfw_score_opennsfw2",),
        "watermark": ("watermark_score",),
        "aesthetic": ("aesthetic_score_laion_v2",),
    },
)
LAION_TABLE = ScoredTable(
    prompt=("text", "caption"),
    scores={
        "similarity": ("similarity", "clip_b32_similarity_score", "clip_l14_similarity_score"),
        "image_nsfw": ("punsafe", "nsfw"),
        "watermark": ("pwatermark",),
        "aesthetic": ("aesthetic", "aesthetic_score"),
    },
)
COYO = Kind(
    name="coyo",
    title="COYO-700M",
    files="part-00000-*.parquet, its 128 parquet files or some of them",
    licence="CC BY 4.0 for the collection; the alt texts are their authors'. Check before use",
    read=COYO_TABLE.read,
    patterns=(("*.parquet",),),
    settings=FILTERS,
    example={"path": "coyo-700m/data", "min_similarity": 0.3, "max_rows": 6600000},
)
LAION = Kind(
    name="laion",
    title="LAION-400M, LAION-5B, LAION-COCO, DataComp",
    files="part-*.parquet",
    licence="CC BY 4.0 for the tables; the alt texts are their authors'. Check before use",
    read=LAION_TABLE.read,
    patterns=(("*.parquet",),),
    settings=("column", "captions", "group", *FILTERS),
    example={"path": "laion2B-en", "min_similarity": 0.3, "max_watermark": 0.8},
)
