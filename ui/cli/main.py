"""Arguments of `unprompt` -> one call of a job.

It exits with 0, 1 (an UnpromptError), 2 (usage), 75 (another process writes the same output), 130
(Ctrl-C) or 143 (SIGTERM).
"""

import atexit
import gc
import os
import sys
from typing import Annotated, Any, TextIO, cast

import typer
from typer.core import TyperCommand, TyperOption

from unprompt.index.base.errors import UnpromptError
from unprompt.index.base.processes.stopping import run_obeying
from unprompt.index.texts.visible import VisibleStream, one_line
from unprompt.ui.cli.clean import clean
from unprompt.ui.cli.engine_options import (
    AddressOption,
    CpusOption,
    EngineOption,
    GpusOption,
    ShardOption,
    WorkersOption,
    read_engine,
)
from unprompt.ui.cli.index import index_app
from unprompt.ui.cli.invert import invert
from unprompt.ui.cli.join import join
from unprompt.ui.cli.make.make import make_app
from unprompt.ui.cli.options import BundleOption, ConfigArgument, OutputRun, SetOption
from unprompt.ui.cli.plan import bench, plan
from unprompt.ui.cli.rerender import rerender
from unprompt.ui.cli.score import evaluate, tune
from unprompt.ui.cli.seal import seal
from unprompt.ui.cli.sources import sources
from unprompt.ui.cli.train import train_app

# New objects per garbage collection: the 70,000 of the imports are scanned once, not 180 times.
GARBAGE = 50_000
EPILOG = "Every command has examples: unprompt COMMAND --help"

app = typer.Typer(
    name="unprompt",
    help="Recover the prompt behind a generated image, as a vector and as text.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(index_app)
app.add_typer(train_app)
app.add_typer(make_app)


def _version(shown: bool) -> None:
    if shown:
        from importlib.metadata import version

        print(f"unprompt {version('unprompt')}")
        raise typer.Exit()


class _BuildCommand(TyperCommand):
    """Adds the names of the stages to the help of --stage: the table loads only to show it."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help of `unprompt build`."""
        from unprompt.ui.jobs.build import STAGE_NAMES

        for option in self.params:
            if isinstance(option, TyperOption) and option.name == "stage":
                option.help = f"{option.help} Stages: {', '.join(STAGE_NAMES)}."
        super().format_help(ctx, formatter)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Recover the prompt behind a generated image, as a vector and as text."""


@app.command(cls=_BuildCommand)
def build(
    config: ConfigArgument,
    output: OutputRun = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            "--stage",
            help="Run only this stage, even if it is done. Repeatable.",
        ),
    ] = None,
    settings: SetOption = None,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Render failed rows of finished shards again."),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Delete the output of stages whose settings changed."),
    ] = False,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = None,
    ray_address: AddressOption = None,
    shard: ShardOption = None,
) -> None:
    """Build an index and a bundle from prompts: render, embed, index, fit.

    A rerun makes only what is missing, also after a crash.

    \b
    Examples:
      unprompt build scenes-tiny
      unprompt build my-corpus.yaml --output runs/mine
      unprompt build scenes-small --stage corpus --stage images
      unprompt build scenes-tiny --set corpus.count=800 --output runs/bigger
      unprompt build my-corpus.yaml --engine ray --ray-address auto --workers 2:16
      unprompt build my-corpus.yaml --stage images --shard $SLURM_ARRAY_TASK_ID/8
    """
    from unprompt.ui.jobs.build import run_build
    from unprompt.ui.jobs.progress import choose_progress

    chosen = read_engine(engine, workers, cpus, gpus, ray_address, shard)
    progress = choose_progress()
    print(
        run_build(config, output, stage, settings or [], retry_failed, overwrite, chosen, progress)
    )


app.command()(clean)
app.command()(invert)
app.command()(tune)
app.command()(join)
app.command()(rerender)
app.command("eval")(evaluate)
app.command()(seal)
app.command()(sources)
app.command()(plan)
app.command()(bench)


@app.command()
def demo(
    bundle: BundleOption = None,
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free port.")] = 7860,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
    auth: Annotated[
        str | None,
        typer.Option(help="NAME:PASSWORD that visitors must enter.", envvar="UNPROMPT_AUTH"),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that others reach needs --auth.")
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A further NAME[:PORT] of the page, such as that of a proxy before it. Repeatable."
        ),
    ] = None,
) -> None:
    """Open the page: drop an image, see its prompt. Listens on 127.0.0.1 alone by default.

    \b
    Examples:
      unprompt demo
      unprompt demo --bundle runs/mine/bundle --port 8000 --no-open
      UNPROMPT_AUTH=me:secret unprompt demo --host 0.0.0.0
      unprompt demo --allow-host pictures.example.org     # behind a proxy on this machine
    """
    from unprompt.ui.page.serve import run_demo

    run_demo(bundle, port, open_browser, auth, host, allow_host or [])


def main() -> None:
    """Entry point: an UnpromptError becomes one line on stderr, and a signal another one."""
    gc.set_threshold(GARBAGE)
    atexit.register(gc.freeze)  # saves 0.1 s: the ending interpreter scans no objects
    _guard_streams()
    run_obeying(_run)


def _run() -> None:
    try:
        app()
    except UnpromptError as error:
        print(f"unprompt: {one_line(error)}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except (OSError, MemoryError) as error:  # a full disk behind stdout, an unreadable folder
        from unprompt.index.base.machine import shortage

        _drop_unwritable_output()
        lack = shortage(error)
        shown = f"{error or 'out of memory'}; {lack}" if lack else error
        print(f"unprompt: {one_line(shown)}", file=sys.stderr)
        raise SystemExit(1) from None


def _guard_streams() -> None:
    """Show on stdout and stderr what steers a terminal; rich and typer keep their colors.

    `sys.stderr` gets a descriptor of its own: what native libraries print can then be dropped.
    Streams that somebody put in their place, such as a test's, stay.
    """
    try:
        if sys.stderr.fileno() == 2:
            own = os.dup(2)
            encoding = sys.stderr.encoding
            stderr = os.fdopen(own, "w", buffering=1, encoding=encoding, errors="backslashreplace")
            sys.stderr = cast(TextIO, VisibleStream(stderr, returns=True))
        if sys.stdout.fileno() == 1:
            sys.stdout = cast(TextIO, VisibleStream(sys.stdout))
    except (OSError, ValueError, AttributeError):
        return


def _drop_unwritable_output() -> None:
    """Discard output that stdout rejects, which would fail again at the end of the process."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
