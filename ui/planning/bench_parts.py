"""What a benchmark is given, and its parts without pictures: prompt vectors and index search."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from unprompt.build.planning.rates import PictureSize, Rate, Reference, Setting, Stage
from unprompt.build.planning.request import DISTANCES, ENCODER
from unprompt.index.base.machine import Machine
from unprompt.ui.jobs.config import RunConfig

Found = Rate | PictureSize
ROWS, DIM, QUERIES, NEIGHBORS = 20_000, 256, 500, 100


@dataclass(frozen=True)
class Bench:
    """Everything that a part may need."""

    folder: Path  # scratch
    config: RunConfig | None
    machine: Machine
    kind: str | None  # of the GPU
    images: int
    repeats: int
    known: Reference
    asked: bool  # for single parts: what the config lacks for them is an error

    @property
    def prompts(self) -> list[str]:
        """Prompts to draw and encode."""
        from unprompt.build.scenes.grammar import sample_prompts

        return sample_prompts(self.images, 1)

    def rate(
        self,
        stage: Stage,
        subject: str,
        seconds: float,
        settings: Mapping[str, Setting],
        work: float | None = None,
        cores: int | None = None,
    ) -> Rate:
        """A measured rate; of the GPU where there is one and no cores are named."""
        gpu = None if cores else self.machine.gpu
        return Rate(
            stage=stage,
            subject=subject,
            device=gpu or self.machine.cpu,
            seconds=seconds,
            source=f"unprompt bench, median of {self.repeats}",
            date=date.today().isoformat(),
            gpu=self.kind if gpu else None,
            cores=None if gpu else cores or self.machine.cores,
            work=work,
            settings=settings,
            measured=True,
        )


def bench_prompts(bench: Bench) -> Iterator[Found]:
    """all-MiniLM-L6-v2 as the stage corpus runs it, and as a query does."""
    from unprompt.build.planning.speed import time_encoding
    from unprompt.index.engines.devices import load_target_encoder
    from unprompt.index.prompt_encoders.target_encoder import load_prompt_runtime

    prompts = bench.prompts
    seconds = time_encoding(load_target_encoder(), prompts, bench.repeats)
    yield bench.rate("prompts", ENCODER, seconds, {})
    seconds = time_encoding(load_prompt_runtime(), prompts, bench.repeats)
    cores = bench.machine.cores
    yield bench.rate("prompts", f"{ENCODER} in OpenVINO", seconds, {}, cores=cores)


def bench_search(bench: Bench) -> Iterator[Found]:
    """FAISS over random keys in one batch: all rows, and through lists."""
    from unprompt.build.planning.speed import time_search
    from unprompt.index.vectors.faiss_library import load_faiss

    threads = int(load_faiss().omp_get_max_threads())
    settings: dict[str, Setting] = {"rows": ROWS, "dim": DIM, "k": NEIGHBORS, "batch": QUERIES}
    for factory in ("Flat", "IVF512,SQ8"):
        folder = bench.folder / f"search-{factory}"
        found = time_search(folder, factory, ROWS, DIM, QUERIES, NEIGHBORS, bench.repeats)
        yield bench.rate("search", factory, found.seconds, settings, cores=threads)
        if found.gflop_seconds is not None:
            yield bench.rate("index", DISTANCES, found.gflop_seconds, {}, cores=threads)
