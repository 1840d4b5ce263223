"""A Hugging Face dataset -> batches of prompts, or PAIRS rows; the only file that uses `datasets`.

The dataset is a folder that `save_to_disk` wrote, a folder of data files as on the hub, or the name
of a dataset in the setting `hub`. That setting is the only one of all kinds that uses the network.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.sources.collection import FIRST, Captions, CollectionConfig
from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.pairs import Fetch, PairReader, pairs_frame, read_picture_file
from unprompt.index.base.errors import CorpusError, MissingDependencyError, UnreadableImageError
from unprompt.index.captions.names import keys_below
from unprompt.index.captions.texts import follow, texts_of
from unprompt.index.formats.rows import choose_column, missing_column, text_frame
from unprompt.index.formats.tally import Tally

INSTALL = "pip install 'unprompt[hub]'"
SAVED = ("state.json", "dataset_dict.json")  # files that only save_to_disk writes
BATCH, SPLIT = 10_000, "train"


def read_dataset(unit: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Stream the prompts of one split, with the similarity if the settings filter by it."""
    dataset = _load(config, streaming=True)
    names = ["prompt"]
    names_below = keys_below(dataset.features)
    columns = [choose_column(names_below, config.column, unit)]
    if config.min_similarity is not None:
        names.append("similarity")
        columns.append(choose_column(names_below, config.similarity_column, unit))
    with _library_errors(config):
        tops = list(dict.fromkeys(_top(dataset, column) for column in columns))
        for batch in dataset.select_columns(tops).iter(batch_size=BATCH):
            found = [_values(dataset, batch, column) for column in columns]
            yield _frame(names, found, unit, config.captions, tally)


def list_dataset(unit: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the pairs of one split; with `hub` this downloads the split."""
    dataset = _load(config, streaming=False)
    _picture_column(dataset, unit)
    column = choose_column(keys_below(dataset.features), config.column, unit)
    start = 0
    with _library_errors(config):
        for batch in dataset.select_columns([_top(dataset, column)]).iter(batch_size=BATCH):
            values = _values(dataset, batch, column)
            rows = list(range(start, start + len(values)))
            start += len(rows)
            frame = _frame(["prompt", "offset"], [values, rows], unit, config.captions, tally)
            name = pl.col("offset").str.zfill(9).alias("picture")
            yield pairs_frame(frame.with_columns(name))


@contextmanager
def open_dataset(unit: Path, config: CollectionConfig) -> Iterator[Fetch]:
    """Open a split to fetch pictures by row, as encoded bytes."""
    datasets = _library()
    dataset = _load(config, streaming=False)
    column = _picture_column(dataset, unit)
    encoded = dataset.select_columns([column]).cast_column(column, datasets.Image(decode=False))

    def fetch(row: Mapping[str, Any]) -> bytes:
        stored = encoded[int(row["offset"])][column] or {}
        if stored.get("bytes"):
            return bytes(stored["bytes"])
        if stored.get("path"):
            return read_picture_file(Path(stored["path"]))
        raise UnreadableImageError(f"row {row['offset']} of {unit} holds no picture")

    yield fetch


def find_dataset(config: CollectionConfig) -> list[Path]:
    """The folder, or the name on the hub, as the only unit."""
    if config.hub is not None:
        return [Path(config.hub)]
    folder = Path(config.path or "")
    if not folder.is_dir():
        raise CorpusError(f"there is no folder {folder}; the kind huggingface wants a dataset")
    return [folder]


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote the folder."""
    return any((folder / name).is_file() for name in SAVED)


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise MissingDependencyError(f"a Hugging Face dataset needs datasets: {INSTALL}") from error
    return datasets


def _load(config: CollectionConfig, streaming: bool) -> Any:
    datasets = _library()
    with _library_errors(config):
        place = config.hub or str(config.path)
        if config.hub is None and is_saved(Path(place)):
            saved = datasets.load_from_disk(place)
            if isinstance(saved, datasets.Dataset):
                return saved
            split = config.split or SPLIT
            if split not in saved:
                raise CorpusError(f"{place} has no split {split}; it has {', '.join(saved)}")
            return saved[split]
        if not streaming:
            datasets.disable_progress_bars()
        return datasets.load_dataset(
            place, config.subset, split=config.split or SPLIT, streaming=streaming
        )


@contextmanager
def _library_errors(config: CollectionConfig) -> Iterator[None]:
    """Raise every error of the library as a CorpusError that names the dataset."""
    try:
        yield
    except (CorpusError, MissingDependencyError):
        raise
    except Exception as error:  # from datasets, pyarrow or any file system
        reached = "" if config.hub is None else "; without a network, name a `path` on disk"
        raise CorpusError(
            f"cannot read the dataset {config.place} ({type(error).__name__}: {error}){reached}"
        ) from error


def _picture_column(dataset: Any, unit: Path) -> str:
    datasets = _library()
    features = dataset.features.items()
    found = [name for name, kind in features if isinstance(kind, datasets.Image)]
    if not found:
        raise missing_column(unit, "of pictures", list(dataset.features))
    return str(found[0])


def _top(dataset: Any, column: str) -> str:
    """The column that a field, named with dots, belongs to."""
    return column if column in dataset.features else column.partition(".")[0]


def _values(dataset: Any, batch: Mapping[str, Any], column: str) -> list[Any]:
    """The values of a column of a batch, or of a field of its structs."""
    top = _top(dataset, column)
    if top == column:
        return list(batch[top])
    return [follow(value, column.removeprefix(f"{top}.")) for value in batch[top]]


def _frame(
    names: list[str], columns: list[list[Any]], unit: Path, captions: Captions, tally: Tally
) -> pl.DataFrame:
    """Columns as texts, the prompt first with a row for each of its texts.

    A row is a fault if its prompt holds no text.
    """
    rows: list[list[str | None]] = []
    for prompt, *others in zip(*columns, strict=True):
        tally.read += 1
        rest = [None if value is None else str(value) for value in others]
        if prompt is None or isinstance(prompt, str):
            rows.append([prompt, *rest])
            continue
        texts = texts_of(prompt)
        if not texts:
            tally.fault(f"{unit}: wanted a text, got {type(prompt).__name__}")
        kept = texts[:1] if captions == FIRST else texts
        tally.read += max(0, len(kept) - 1)
        rows += [[text, *rest] for text in kept]
    return text_frame(names, [[row[place] for row in rows] for place in range(len(names))], tally)


HUGGINGFACE = Kind(
    name="huggingface",
    title="any Hugging Face dataset",
    files="a folder that save_to_disk wrote or that was cloned from the hub; or `hub: OWNER/NAME`",
    licence="that of the dataset; its card says. Check before use",
    read=read_dataset,
    settings=(
        "column",
        "captions",
        "similarity_column",
        "min_similarity",
        "hub",
        "subset",
        "split",
    ),
    example={"path": "Stable-Diffusion-Prompts", "split": "train", "column": "Prompt"},
    pairs=PairReader(list_dataset, open_dataset),
    find=find_dataset,
)
