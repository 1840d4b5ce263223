"""A build config -> the stages that make a run folder from it: corpus, images, keys and index."""

from functools import partial
from pathlib import Path

from unprompt.build.corpus.corpus import PROMPTS_FILE, make_corpus, read_corpus
from unprompt.build.corpus.dropped import say_dropped
from unprompt.build.corpus.encode_prompts import encode_parts
from unprompt.build.keys.assemble import assemble_index
from unprompt.build.keys.embed import EmbedWork, embed_images
from unprompt.build.keys.take_embeddings import check_texts, has_text_vectors, take_embeddings
from unprompt.build.pictures.copy_pairs import CopyPlan, copy_pairs
from unprompt.build.pictures.render import render_images
from unprompt.build.stage import BuildRun, Stage
from unprompt.index.base.stages import StageLedger
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.engines.devices import cuda_devices, load_target_encoder
from unprompt.index.engines.engine import Demand
from unprompt.index.exported.export import read_identity
from unprompt.index.vectors.embeddings import EmbeddingsInfo, read_embeddings


def pictures_of(folder: RunFolder) -> Path:
    """The image shards of a run whose config is unknown: in its folder, or where its corpus is."""
    corpus = StageLedger(folder.path).settings("corpus")["corpus"]
    return Path(corpus["paths"][0]) if corpus["source"] == "shards" else folder.images


def _make_corpus(run: BuildRun) -> int:
    corpus = make_corpus(run.folder.corpus, run.config.corpus, load_target_encoder(), run.progress)
    for line in say_dropped(corpus.report["read"]):
        run.progress.note(f"corpus: {line}")
    kept = ", ".join(f"{count} {split}" for split, count in corpus.report["kept"].items())
    run.progress.note(f"corpus: {corpus.report['collected']} prompts -> {kept}")
    return 0


def _make_images(run: BuildRun) -> int:
    if run.config.corpus.source in ("shards", "embeddings"):
        return 0
    prompts, render = read_corpus(run.folder.corpus).prompts, run.config.render
    if run.config.corpus.source == "pairs":
        corpus = run.config.corpus
        plan = CopyPlan(prompts, corpus.collections, render.images_per_shard, corpus.final)
        made = copy_pairs(run.images, plan, run.retry_failed, run.progress, run.engine)
    else:
        made = render_images(
            run.images, prompts, render, run.retry_failed, run.progress, run.engine
        )
    if made.failed:
        run.progress.note(
            f"images: {made.failed} rows failed, see status and error_message in the parquet files "
            f"of {run.images}; `unprompt build --retry-failed` tries them again"
        )
    return made.left


def _export_encoder(run: BuildRun) -> int:
    from unprompt.index.exported.export import copy_encoder, export_encoder

    if run.exported_tower is not None:
        copy_encoder(run.exported_tower, run.folder.encoder)
    else:
        export_encoder(run.config.encoder, run.folder.encoder, run.trained)
    return 0


def _embed(run: BuildRun) -> int:
    if run.config.corpus.source == "embeddings":
        _take_embeddings(run)
        left = 0
    else:
        prompts = run.folder.corpus / PROMPTS_FILE
        pictures = EmbedWork(run.images, run.folder.image_embeddings, prompts, run.folder.encoder)
        left = embed_images(pictures, run.progress, run.engine)
    return left + (embed_texts(run) if run.config.embed.keys == "text" else 0)


def embed_texts(run: BuildRun) -> int:
    """Encode the train prompts with the text tower of the CLIP into RUN/embeddings/text.

    Returns how many parts are left to other processes.
    """
    from unprompt.index.towers.clip_text import load_text_tower

    rows = read_corpus(run.folder.corpus).prompts
    return encode_parts(
        run.folder.text_embeddings,
        rows.filter(rows["split"] == "train"),
        EmbeddingsInfo(*read_identity(run.folder.encoder), "text"),
        partial(load_text_tower, run.config.encoder, trained=run.trained),
        run.progress,
        run.engine,
        Demand(devices=cuda_devices()),
    )


def _take_embeddings(run: BuildRun) -> None:
    from unprompt.index.exported.export import load_encoder

    (collection,) = run.config.corpus.collections
    if has_text_vectors(collection):
        from unprompt.index.towers.clip_text import load_text_tower

        lowest = check_texts(collection, load_text_tower(run.config.encoder))
        run.progress.note(f"embed: text vectors reproduced, lowest cosine {lowest:.3f}")
    take_embeddings(
        collection,
        run.folder.image_embeddings,
        read_corpus(run.folder.corpus).prompts,
        load_encoder(run.folder.encoder),
        run.progress,
    )


def _make_index(run: BuildRun) -> int:
    manifest = assemble_index(
        run.folder.index,
        run.folder.embeddings / run.config.embed.keys,
        run.folder.image_embeddings,
        read_corpus(run.folder.corpus),
        run.config.index,
        run.progress,
        run.engine,
    )
    recall = manifest.recall
    measured = f", recall@{recall.k} {recall.value}" if recall else ""
    run.progress.note(f"index: {manifest.ntotal} rows, {manifest.factory}{measured}")
    return 0


def _make_fallback(run: BuildRun) -> int:
    if run.config.fallback is None:
        return 0
    from unprompt.build.keys.fallback import make_fallback

    make_fallback(
        run.folder.fallback,
        run.images,
        read_embeddings(run.folder.image_embeddings).rows,
        load_target_encoder(),
        run.config.fallback,
        run.progress,
    )
    return 0


_KEYS = ("corpus", "render", "encoder", "embed")  # the sections that decide the keys

CORPUS = Stage(
    name="corpus",
    needs=(),
    output=lambda folder: folder.corpus,
    settings=("corpus",),
    run=_make_corpus,
)
IMAGES = Stage(
    name="images",
    needs=("corpus",),
    output=lambda folder: folder.images,
    settings=("corpus", "render"),
    run=_make_images,
    sharded=True,
    retried=True,
)
ENCODER = Stage(
    name="encoder",
    needs=(),
    output=lambda folder: folder.encoder,
    settings=("encoder",),
    run=_export_encoder,
)
EMBED = Stage(
    name="embed",
    needs=("images", "encoder"),
    output=lambda folder: folder.embeddings,
    settings=_KEYS,
    run=_embed,
    sharded=True,
    retried=True,
)
INDEX = Stage(
    name="index",
    needs=("embed",),
    output=lambda folder: folder.index,
    settings=(*_KEYS, "index"),
    run=_make_index,
    retried=True,
)
FALLBACK = Stage(
    name="fallback",
    needs=("embed",),
    output=lambda folder: folder.fallback,
    settings=("corpus", "render", "fallback"),  # it sees pictures with a tower of its own
    run=_make_fallback,
)
