"""A build config -> a run folder with corpus, images, embeddings and index; the stages in order.

RUN/corpus/   RUN/images/   RUN/embeddings/   RUN/bundle/{encoder,index}   RUN/stages/
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unprompt.build.assemble import assemble_index
from unprompt.build.config import BuildConfig
from unprompt.build.corpus import make_corpus, read_corpus
from unprompt.build.embed import embed_images
from unprompt.build.encode_prompts import encode_prompts
from unprompt.build.images import render_images
from unprompt.index.bundle import ENCODER, FALLBACK, INDEX
from unprompt.index.durable import read_json
from unprompt.index.embeddings import read_embeddings
from unprompt.index.errors import ConfigError, UnpromptError
from unprompt.index.progress import SILENT, Progress
from unprompt.index.runtime import DESCRIPTION
from unprompt.index.settings import write_settings
from unprompt.index.stages import StageLedger

STAGES = ("corpus", "images", "encoder", "embed", "index", "fallback")


@dataclass(frozen=True)
class TowerSources:
    """Where image towers come from besides the libraries."""

    bundles: Mapping[str, Path] = field(default_factory=dict)  # by the name in `encoder.model`
    trained: Path | None = None  # export of this run's own training
    training: Mapping[str, Any] | None = None  # all settings that decide what was trained


class BuildRun:
    """One run folder and the config that fills it."""

    def __init__(
        self,
        folder: Path,
        config: BuildConfig,
        progress: Progress = SILENT,
        towers: TowerSources = TowerSources(),
    ):
        self.folder = folder
        self.config = config
        self._towers = towers
        self._progress = progress
        self._ledger = StageLedger(folder)

    @property
    def corpus(self) -> Path:
        """Prompts and their target vectors."""
        return self.folder / "corpus"

    @property
    def images(self) -> Path:
        """Image shards, rendered here or brought along."""
        if self.config.corpus.source == "shards":
            return Path(self.config.corpus.paths[0])
        return self.folder / "images"

    @property
    def embeddings(self) -> Path:
        """Vectors of the corpus, one folder a kind of key."""
        return self.folder / "embeddings"

    @property
    def image_embeddings(self) -> Path:
        """Vectors of all pictures, the held-out ones included."""
        return self.embeddings / "image"

    @property
    def bundle(self) -> Path:
        """What a query needs."""
        return self.folder / "bundle"

    def settings(self, stage: str) -> dict[str, Any]:
        """All settings that decide what `stage` writes, those of earlier stages included."""
        whole = write_settings(self.config)
        corpus = {"corpus": whole["corpus"]}
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

    def build(self, stages: Sequence[str] = STAGES, retry_failed: bool = False) -> None:
        """Run the stages that are not done; a finished run returns at once."""
        work: dict[str, Callable[[], None]] = {
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
                    work[stage]()
                except UnpromptError:
                    # nothing written yet: a mended setting must not count as another run's
                    if fresh and not self._output(stage).exists():
                        self._ledger.forget(stage)
                    raise
                self._ledger.finish(stage, self.settings(stage))
                self._progress.note(f"{stage}: done")

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
            "corpus": self.corpus,
            "images": self.folder / "images",
            "encoder": self.bundle / ENCODER,
            "embed": self.embeddings,
            "index": self.bundle / INDEX,
            "fallback": self.bundle / FALLBACK,
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
        from unprompt.index.minilm import load_prompt_encoder

        corpus = make_corpus(self.corpus, self.config.corpus, load_prompt_encoder(), self._progress)
        kept = ", ".join(f"{count} {split}" for split, count in corpus.report["kept"].items())
        self._progress.note(f"corpus: {corpus.report['collected']} prompts -> {kept}")

    def _render(self, retry_failed: bool) -> None:
        if self.config.corpus.source == "shards":
            return
        failed = render_images(
            self.images,
            read_corpus(self.corpus).prompts,
            self.config.render,
            retry_failed,
            self._progress,
        )
        if failed:
            self._progress.note(
                f"images: {failed} rows failed, see status and error_message in the parquet "
                f"files of {self.images}; `unprompt build --retry-failed` tries them again"
            )

    def _export_encoder(self) -> None:
        from unprompt.index.runtime import copy_encoder, export_encoder

        folder, bundle = self.bundle / ENCODER, self._towers.bundles.get(self.config.encoder.model)
        if bundle is not None:
            copy_encoder(bundle / ENCODER, folder)
        else:
            trained = self._towers.trained
            corpus = None if trained is None else self.config.corpus.held_out_digest
            export_encoder(self.config.encoder, folder, trained, corpus)

    def _embed(self) -> None:
        from unprompt.index.runtime import load_encoder

        prompts = read_corpus(self.corpus).prompts
        encoder = load_encoder(self.bundle / ENCODER)
        embed_images(self.images, self.image_embeddings, prompts, encoder, self._progress)
        if self.config.embed.keys == "text":
            from unprompt.index.clip import ClipTextEncoder, load_clip

            train = prompts.filter(prompts["split"] == "train")
            texts = ClipTextEncoder(load_clip(self.config.encoder))
            encode_prompts(self.embeddings / "text", train, texts, self._progress)

    def _make_fallback(self) -> None:
        if self.config.fallback is None:
            return
        from unprompt.build.fallback import make_fallback
        from unprompt.index.minilm import load_prompt_encoder

        make_fallback(
            self.bundle / FALLBACK,
            self.images,
            read_embeddings(self.image_embeddings).rows,
            load_prompt_encoder(),
            self.config.fallback,
            self._progress,
        )

    def _assemble(self) -> None:
        corpus = read_corpus(self.corpus)
        manifest = assemble_index(
            self.bundle / INDEX,
            self.embeddings / self.config.embed.keys,
            self.image_embeddings,
            corpus,
            self.config.index,
        )
        recall = manifest.recall
        measured = f", recall@{recall.k} {recall.value}" if recall else ""
        self._progress.note(f"index: {manifest.ntotal} rows, {manifest.factory}{measured}")
