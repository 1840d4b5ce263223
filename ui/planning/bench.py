"""`unprompt bench`: measures real components on this device -> the rates file that `plan` reads."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from unprompt.build.planning.rates import PictureSize, Rate, RatesFile, published_costs, write_rates
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.machine import describe_machine
from unprompt.index.base.owner import owned
from unprompt.index.base.settings import write_settings
from unprompt.index.texts.json_text import json_text
from unprompt.ui.jobs.config import load_config
from unprompt.ui.jobs.progress import choose_progress
from unprompt.ui.planning.bench_parts import PARTS, Bench, BenchOptions
from unprompt.ui.planning.plan import rates_path
from unprompt.ui.planning.table import show_time

DEVICES = "CUDA_VISIBLE_DEVICES"


def run_bench(
    parts: Sequence[str],
    config: str | None,
    settings: Sequence[str],
    options: BenchOptions,
    output: Path | None,
    as_json: bool,
) -> None:
    """Measure the parts (all if empty), write the rates file and print the rates."""
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ConfigError(f"unknown part {unknown[0]!r}; parts are {', '.join(PARTS)}")
    if config is None and settings:
        raise ConfigError("--set changes the config that --config names")
    path = rates_path(output)
    with owned(path):
        found = _bench(parts, config, settings, options)
        write_rates(path, found)
    if as_json:
        print(json_text(write_settings(found), indent=2))
        return
    print(f"{found.device}, {found.cores} cores")
    for rate in found.rates:
        cores = f"on {rate.cores} cores" if rate.cores else "on the GPU"
        print(
            f"{rate.stage:<8} {rate.subject:<34} {show_time(rate.seconds):>9} each "
            f"{1 / rate.seconds:>9.1f} /s  {cores}"
        )
    print(path)


def _bench(
    parts: Sequence[str], config: str | None, settings: Sequence[str], options: BenchOptions
) -> RatesFile:
    with _visible_device(options.device), tempfile.TemporaryDirectory() as folder:
        loaded = None if config is None else load_config(config, settings)
        machine = describe_machine()
        if (options.device or "").startswith("cuda") and machine.gpu is None:
            raise ConfigError(f"--device {options.device}: torch finds no such GPU here")
        asked = len(set(parts)) not in (0, len(PARTS))
        bench = Bench(Path(folder), loaded, options, machine, published_costs(), asked)
        return _measure(parts or list(PARTS), bench)


def _measure(parts: Sequence[str], bench: Bench) -> RatesFile:
    progress = choose_progress()
    found: list[Rate | PictureSize] = []
    for part in parts:
        progress.note(f"bench: {part}")
        found.extend(PARTS[part](bench))
    return RatesFile(
        device=bench.machine.gpu or bench.machine.cpu,
        cores=bench.machine.cores,
        versions=bench.machine.versions,
        rates=tuple(entry for entry in found if isinstance(entry, Rate)),
        pictures=tuple(entry for entry in found if isinstance(entry, PictureSize)),
    )


@contextmanager
def _visible_device(device: str | None) -> Iterator[None]:
    """Hide all GPUs (cpu) or all but one (cuda:1) before a library first looks for them."""
    name, _, number = (device or "cuda").partition(":")
    if name not in ("cpu", "cuda") or (number and not number.isdigit()) or device == "cpu:":
        raise ConfigError(f"--device takes cpu, cuda or cuda:1, got {device!r}")
    before = os.environ.get(DEVICES)
    if name == "cpu" or number:
        os.environ[DEVICES] = "" if name == "cpu" else number
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(DEVICES, None)
        else:
            os.environ[DEVICES] = before
