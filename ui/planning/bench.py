"""`unprompt bench`: this device's rates, measured with real components -> the file `plan` reads."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unprompt.build.planning.choose_rate import gpu_kinds
from unprompt.build.planning.rates import PictureSize, Rate, RatesFile, reference, write_rates
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.machine import describe_machine, gpu_kind
from unprompt.index.base.settings import write_settings
from unprompt.ui.jobs.config import load_config
from unprompt.ui.jobs.progress import choose_progress
from unprompt.ui.planning.bench_parts import Bench, Found, bench_prompts, bench_search
from unprompt.ui.planning.bench_pictures import bench_embed, bench_render
from unprompt.ui.planning.bench_train import bench_train
from unprompt.ui.planning.figures import show_time
from unprompt.ui.planning.plan import rates_path

PARTS: dict[str, Callable[[Bench], Iterator[Found]]] = {
    "render": bench_render,
    "embed": bench_embed,
    "prompts": bench_prompts,
    "search": bench_search,
    "train": bench_train,
}
DEVICES = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class BenchOptions:
    """How much is measured, and on what."""

    device: str | None = None
    images: int = 64
    repeats: int = 3


def run_bench(
    parts: Sequence[str],
    config: str | None,
    settings: Sequence[str],
    options: BenchOptions,
    output: Path | None,
    as_json: bool,
) -> None:
    """Measure the parts, write the rates file and print what was found."""
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ConfigError(f"unknown part {unknown[0]!r}; parts are {', '.join(PARTS)}")
    if config is None and settings:
        raise ConfigError("--set changes the config that --config names")
    path = rates_path(output)
    with _visible_device(options.device):
        found = _measure(parts or list(PARTS), config, settings, options)
    write_rates(path, found)
    if as_json:
        print(json.dumps(write_settings(found), indent=2))
        return
    print(f"{found.device}, {found.cores} cores")
    for rate in found.rates:
        cores = f"on {rate.cores} cores" if rate.cores else "on the GPU"
        print(
            f"{rate.stage:<8} {rate.subject:<34} {show_time(rate.seconds):>9} each "
            f"{1 / rate.seconds:>9.1f} /s  {cores}"
        )
    print(path)


def _measure(
    parts: Sequence[str], config: str | None, settings: Sequence[str], options: BenchOptions
) -> RatesFile:
    machine = describe_machine()
    if (options.device or "").startswith("cuda") and machine.gpu is None:
        raise ConfigError(f"--device {options.device}: torch finds no such GPU here")
    progress = choose_progress()
    rates: list[Rate] = []
    pictures: list[PictureSize] = []
    known = reference()
    kind = gpu_kind(machine.gpu, gpu_kinds(known.rates)) if machine.gpu else None
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(
            folder=Path(folder),
            config=None if config is None else load_config(config, settings),
            machine=machine,
            kind=kind,
            images=options.images,
            repeats=options.repeats,
            known=known,
            asked=len(parts) < len(PARTS),
        )
        for part in parts:
            progress.note(f"bench: {part}")
            for found in PARTS[part](bench):
                (rates if isinstance(found, Rate) else pictures).append(found)  # type: ignore
    return RatesFile(
        device=machine.gpu or machine.cpu,
        cores=machine.cores,
        versions=machine.versions,
        rates=tuple(rates),
        pictures=tuple(pictures),
    )


@contextmanager
def _visible_device(device: str | None) -> Iterator[None]:
    """Hide the GPUs from all libraries, or all but one, before the first of them looks."""
    if device is None:
        yield
        return
    name, _, number = device.partition(":")
    if name not in ("cpu", "cuda") or (number and not number.isdigit()) or device == "cpu:":
        raise ConfigError(f"--device takes cpu, cuda or cuda:1, got {device!r}")
    before = os.environ.get(DEVICES)
    if name == "cpu":
        os.environ[DEVICES] = ""
    elif number:
        os.environ[DEVICES] = number
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(DEVICES, None)
        else:
            os.environ[DEVICES] = before
