"""Options of `build` and `invert` that choose where bulk work runs -> EngineConfig."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from unprompt.index.engines.engine import EngineConfig


EngineOption = Annotated[
    str,
    typer.Option("--engine", help="Where the work runs: local is this machine, ray is Ray Data."),
]
WorkersOption = Annotated[
    str | None,
    typer.Option(
        "--workers",
        metavar="N|MIN:MAX",
        help="Number of processes (local) or actors (ray). With a range, Ray adds actors while "
        "there is work. Default: one per GPU; for rendering scenes, one per core.",
    ),
]
CpusOption = Annotated[
    float | None,
    typer.Option("--cpus-per-worker", help="Cores per worker."),
]
GpusOption = Annotated[
    float | None,
    typer.Option("--gpus-per-worker", help="GPUs per worker; 0.5 puts two workers on one GPU."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        help="Ray cluster as HOST:PORT or auto. Default: Ray runs on this machine.",
        envvar="RAY_ADDRESS",
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Make only the shards whose number % N == I, as one task of a job array.",
    ),
]


def read_engine(
    engine: str,
    workers: str | None,
    cpus: float | None,
    gpus: float | None,
    address: str | None,
    shard: str | None,
) -> "EngineConfig":
    """The options as one config; raises ConfigError for values that cannot work."""
    from unprompt.index.base.errors import ConfigError
    from unprompt.index.base.settings import read_settings
    from unprompt.index.engines.engine import EngineConfig

    fewest, _, most = (workers or "").partition(":")
    share, _, shares = (shard or "0/1").partition("/")
    for name, value, numbers in (
        ("--workers takes N or MIN:MAX", workers, [fewest, most or "1"]),
        ("--shard takes I/N, such as 0/8", shard, [share, shares]),
    ):
        if value is not None and not all(number.isdecimal() for number in numbers):
            raise ConfigError(f"{name}, got {value!r}")
    settings = {
        "name": engine,
        "workers": int(fewest) if fewest else None,
        "most_workers": int(most) if most else None,
        "cpus": cpus,
        "gpus": gpus,
        "address": address if engine == "ray" else None,  # the environment may name one
        "share": int(share),
        "shares": int(shares),
    }
    return read_settings(EngineConfig, settings, "the options of the engine")
