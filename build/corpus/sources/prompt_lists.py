"""Tables of prompts that people wrote -> batches of prompts.

- Gustavosta's Stable-Diffusion-Prompts: `data/train.parquet` and `data/eval.parquet` with a column
  `Prompt`, or a folder that `save_to_disk` wrote.
- Lexica: parquet or csv with a column `prompt`, or a folder that `save_to_disk` wrote.
- Open Prompts: `prompts.csv` with `prompt` and `raw_data`, the JSON of a Discord message, which is
  not read.
- `file`: any txt, csv, tsv, jsonl or parquet file.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.hugging_face import is_saved, read_dataset
from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.scored import ScoredTable
from unprompt.index.formats.tables import COMPRESSED, READERS
from unprompt.index.formats.tally import Tally

# A .json in a folder may be anything; it is read where it is named itself.
TABLES = tuple(f"*{suffix}" for suffix in READERS if suffix != ".json")
PACKED = tuple(f"*{suffix}.gz" for suffix in COMPRESSED if suffix != ".json")
PROMPTS = ScoredTable(prompt=("prompt",))
ANY = ScoredTable(prompt=("prompt", "caption", "text"))


def read_list(path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the prompts of a table, or of a folder that `save_to_disk` wrote."""
    reader = read_dataset if path.is_dir() else PROMPTS.read
    return reader(path, config, tally)


GUSTAVOSTA = Kind(
    name="gustavosta",
    title="Gustavosta/Stable-Diffusion-Prompts",
    files="data/train.parquet, data/eval.parquet, csv, or a folder of save_to_disk",
    licence="none stated; prompts that users published on Lexica. Check before use",
    read=read_list,
    patterns=(("*.parquet",), ("*.csv",)),
    settings=("column", "captions", "split"),
    is_unit=is_saved,
    example={"path": "Stable-Diffusion-Prompts/data"},
)
LEXICA = Kind(
    name="lexica",
    title="Lexica (vera365/lexica_dataset and other lists)",
    files="*.parquet, *.csv or *.jsonl with a column `prompt`, or a folder of save_to_disk",
    licence="none stated; prompts that users published on Lexica. Check before use",
    read=read_list,
    patterns=(("*.parquet",), ("*.csv",), ("*.jsonl",)),
    settings=("column", "captions", "split"),
    is_unit=is_saved,
    example={"path": "lexica_dataset/data"},
)
OPEN_PROMPTS = Kind(
    name="open_prompts",
    title="Open Prompts of krea.ai",
    files="prompts.csv",
    licence="none stated; prompts from Discord channels. Check before use",
    read=PROMPTS.read,
    patterns=(("prompts.csv", "prompts.csv.gz"), ("*.csv",)),
    example={"path": "open-prompts/prompts.csv"},
)
FILE = Kind(
    name="file",
    title="any table of prompts",
    files="a .txt, .csv, .tsv, .jsonl, .json or .parquet file, or a folder of them",
    licence="that of your file",
    read=ANY.read,
    patterns=((*TABLES, *PACKED),),
    settings=("column", "captions", "group", "similarity_column", "min_similarity"),
    example={"path": "prompts.csv", "column": "prompt"},
)
