"""A build config -> a run folder with corpus, images, embeddings and index; the stages in order.

RUN/corpus/   RUN/images/   RUN/embeddings/   RUN/bundle/{encoder,index}   RUN/stages/
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from unprompt.build.config import BuildConfig
from unprompt.build.corpus.corpus import PROMPTS_FILE, make_corpus, read_corpus
from unprompt.build.corpus.encode_prompts import encode_parts
from unprompt.build.keys.assemble import assemble_index
from unprompt.build.keys.embed import EmbedWork, embed_images
from unprompt.build.keys.take_embeddings import check_texts, has_text_vectors, take_embeddings
from unprompt.build.pictures.copy_pairs import Plan, copy_pairs
from unprompt.build.pictures.render import render_images
from unprompt.index.base.durable import read_json
from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.base.stages import StageLedger
from unprompt.index.bundle.bundle import ENCODER
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.engines.devices import cuda_devices, load_target_encoder
from unprompt.index.engines.engine import LOCAL, Demand, EngineConfig
from unprompt.index.exported.export import DESCRIPTION, read_identity
from unprompt.index.vectors.embeddings import EmbeddingsInfo, read_embeddings

STAGES = ("corpus", "images", "encoder", "embed", "index", "fallback")
IN_SHARDS = ("images", "embed")  # those that several processes can share


@dataclass(frozen=True)
class TowerSources:
    """Where image towers come from besides the libraries."""

    bundles: Mapping[str, Path] = field(default_factory=dict)  # by the name in `encoder.model`
    trained: Path | None = None  # export of this run's own training
    training: Mapping[str, Any] | None = None  # all settings that decide what was trained


def pictures_of(folder: Path) -> Path:
    """The image shards of a run whatever its config: rendered in its folder, or brought along."""
    corpus = StageLedger(folder).settings("corpus")["corpus"]
    return Path(corpus["paths"][0]) if corpus["source"] == "shards" else folder / "images"


def check_share(engine: EngineConfig, stages: Sequence[str], again: bool) -> None:
    """Raises ConfigError where one of several processes is to do what cannot be shared."""
    if engine.shares > 1 and (again or not set(stages) <= set(IN_SHARDS)):
        raise ConfigError(
            "--shard i/n is for the stages that are made of shards, "
            f"{' and '.join(f'--stage {stage}' for stage in IN_SHARDS)}, without --retry-failed "
            "and --overwrite; run the other stages in one process before and after"
        )


class BuildRun:
    """One run folder and the config that fills it."""

    def __init__(
        self,
        folder: Path,
        config: BuildConfig,
        progress: Progress = SILENT,
        towers: TowerSources = TowerSources(),
        engine: EngineConfig = LOCAL,
    ):
        self.folder = folder
        self.paths = RunFolder(folder)
        self.config = config
        self._towers = towers
        self._progress = progress
        self._engine = engine
        self._ledger = StageLedger(folder)

    @property
    def images(self) -> Path:
        """Image shards, rendered here or brought along."""
        if self.config.corpus.source == "shards":
            return Path(self.config.corpus.paths[0])
        return self.paths.images

    def settings(self, stage: str) -> dict[str, Any]:
        """All settings that decide what `stage` writes, those of earlier stages included."""
        whole = write_settings(self.config)
        corpus = {"corpus": self.config.corpus.written}
        images = {**corpus, "render": self.config.render.deciding}
        if stage == "corpus":
            return corpus
        if stage == "encoder":
            return self._encoder_settings(whole)
        if stage == "images":
            return images
        embed = {**images, **self._encoder_settings(whole), "embed": whole["embed"]}
        if stage == "fallback":  # it looks at pictures, with a tower of its own
            return {**images, "fallback": whole["fallback"]}
        return embed if stage == "embed" else {**embed, "index": whole["index"]}

    def _encoder_settings(self, whole: Mapping[str, Any]) -> dict[str, Any]:
        settings = {"encoder": whole["encoder"]}
        if self._towers.training is not None:
            settings["training"] = self._towers.training
        bundle = self._towers.bundles.get(self.config.encoder.model)
        if bundle is not None:
            settings["tower"] = read_json(bundle / ENCODER / DESCRIPTION)["files"]
        return settings

    def build(self, stages: Sequence[str] = STAGES, retry_failed: bool = False) -> bool:
        """Run the stages that are not done; a finished run returns at once.

        False where other processes have still to do their share of a stage; whoever finds all its
        shards there marks it as done.
        """
        check_share(self._engine, stages, retry_failed)
        work: dict[str, Callable[[], int | None]] = {
            "corpus": self._make_corpus,
            "images": lambda: self._render(retry_failed),
            "encoder": self._export_encoder,
            "embed": self._embed,
            "index": self._assemble,
            "fallback": self._make_fallback,
        }
        for stage in STAGES:
            if stage in stages and retry_failed and stage in ("images", "embed", "index"):
                self._ledger.reopen(stage)
            if stage not in stages:
                continue
            self._need_earlier(stage)
            fresh = not self._ledger.is_begun(stage)
            if self._ledger.begin(stage, self.settings(stage)):
                try:
                    left = work[stage]()
                except UnpromptError:
                    # nothing written yet: a mended setting must not count as another run's
                    if fresh and not self._output(stage).exists() and self._engine.shares == 1:
                        self._ledger.forget(stage)
                    raise
                if left:
                    self._progress.note(f"{stage}: {left} shards are left to other processes")
                    return False
                self._ledger.finish(stage, self.settings(stage))
                self._progress.note(f"{stage}: done")
        return True

    def discard_changed(self, later: Sequence[str] = ()) -> None:
        """Delete the first stage that was begun with other settings, and every one after it."""
        changed = [stage for stage in STAGES if self._ledger.differs(stage, self.settings(stage))]
        for stage in changed:
            shutil.rmtree(self._output(stage), ignore_errors=True)
            self._ledger.forget(stage)
        if changed:
            for stage in later:
                self._ledger.forget(stage)

    def _output(self, stage: str) -> Path:
        return {
            "corpus": self.paths.corpus,
            "images": self.paths.images,
            "encoder": self.paths.encoder,
            "embed": self.paths.embeddings,
            "index": self.paths.index,
            "fallback": self.paths.fallback,
        }[stage]

    def _need_earlier(self, stage: str) -> None:
        needed = {
            "images": ["corpus"],
            "embed": ["images", "encoder"],
            "index": ["embed"],
            "fallback": ["embed"],
        }
        for earlier in needed.get(stage, []):
            if not self._ledger.is_done(earlier):
                raise ConfigError(
                    f"the stage {stage} needs the stage {earlier}, which is not done in "
                    f"{self.folder}; run `unprompt build` without --stage, or --stage {earlier}"
                )

    def _make_corpus(self) -> None:
        corpus = make_corpus(
            self.paths.corpus, self.config.corpus, load_target_encoder(), self._progress
        )
        kept = ", ".join(f"{count} {split}" for split, count in corpus.report["kept"].items())
        self._progress.note(f"corpus: {corpus.report['collected']} prompts -> {kept}")

    def _render(self, retry_failed: bool) -> int:
        if self.config.corpus.source in ("shards", "embeddings"):
            return 0
        prompts, render = read_corpus(self.paths.corpus).prompts, self.config.render
        if self.config.corpus.source == "pairs":
            plan = Plan(prompts, self.config.corpus.collections, render.images_per_shard)
            rendered = copy_pairs(self.images, plan, retry_failed, self._progress, self._engine)
        else:
            rendered = render_images(
                self.images, prompts, render, retry_failed, self._progress, self._engine
            )
        if rendered.failed:
            self._progress.note(
                f"images: {rendered.failed} rows failed, see status and error_message in the "
                f"parquet files of {self.images}; `unprompt build --retry-failed` tries them again"
            )
        return rendered.left

    def _export_encoder(self) -> None:
        from unprompt.index.exported.export import copy_encoder, export_encoder

        folder, bundle = self.paths.encoder, self._towers.bundles.get(self.config.encoder.model)
        if bundle is not None:
            copy_encoder(bundle / ENCODER, folder)
        else:
            export_encoder(self.config.encoder, folder, self._towers.trained)

    def _embed(self) -> int:
        tower = self.paths.encoder
        if self.config.corpus.source == "embeddings":
            self._take_embeddings()
            left = 0
        else:
            prompts = self.paths.corpus / PROMPTS_FILE
            pictures = EmbedWork(self.images, self.paths.image_embeddings, prompts, tower)
            left = embed_images(pictures, self._progress, self._engine)
        return left + (self.embed_texts() if self.config.embed.keys == "text" else 0)

    def embed_texts(self) -> int:
        """Encode the train prompts with the CLIP's text tower.

        Returns how many parts are left to other processes.
        """
        from unprompt.index.towers.clip_text import load_text_tower

        rows = read_corpus(self.paths.corpus).prompts
        return encode_parts(
            self.paths.text_embeddings,
            rows.filter(rows["split"] == "train"),
            EmbeddingsInfo(*read_identity(self.paths.encoder), "text"),
            partial(load_text_tower, self.config.encoder, trained=self._towers.trained),
            self._progress,
            self._engine,
            Demand(devices=cuda_devices()),
        )

    def _take_embeddings(self) -> None:
        from unprompt.index.exported.export import load_encoder

        (collection,) = self.config.corpus.collections
        if has_text_vectors(collection):
            from unprompt.index.towers.clip_text import load_text_tower

            lowest = check_texts(collection, load_text_tower(self.config.encoder))
            self._progress.note(f"embed: text vectors made again, lowest cosine {lowest:.3f}")
        take_embeddings(
            collection,
            self.paths.image_embeddings,
            read_corpus(self.paths.corpus).prompts,
            load_encoder(self.paths.encoder),
            self._progress,
        )

    def _make_fallback(self) -> None:
        if self.config.fallback is None:
            return
        from unprompt.build.keys.fallback import make_fallback

        make_fallback(
            self.paths.fallback,
            self.images,
            read_embeddings(self.paths.image_embeddings).rows,
            load_target_encoder(),
            self.config.fallback,
            self._progress,
        )

    def _assemble(self) -> None:
        corpus = read_corpus(self.paths.corpus)
        manifest = assemble_index(
            self.paths.index,
            self.paths.embeddings / self.config.embed.keys,
            self.paths.image_embeddings,
            corpus,
            self.config.index,
            self._progress,
            self._engine,
        )
        recall = manifest.recall
        measured = f", recall@{recall.k} {recall.value}" if recall else ""
        self._progress.note(f"index: {manifest.ntotal} rows, {manifest.factory}{measured}")
