"""The one place that imports Ray: an address -> the module, quiet, connected while it is used."""

import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from unprompt.index.base.errors import MissingDependencyError, UnpromptError

# read when Ray is imported and by the processes that it starts; the user's own choice stands
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # Ray on this machine only: 127.0.0.1
KNOCK_SECONDS = 10
STARTS = 2
STORE_BYTES = 512 * 2**20  # numbers and rows go through it, no pictures


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """The module `ray`, connected: to what runs already, to a cluster, or to a Ray of our own."""
    ray = load_ray(address)
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        options |= {
            "address": "local", "include_dashboard": False, "object_store_memory": STORE_BYTES,
        }  # fmt: skip
    else:
        options["address"] = address
        _knock(address)
    start_ray(ray, options)
    try:
        yield ray
    finally:
        with redirect_stdout(sys.stderr):
            ray.shutdown()


def start_ray(ray: Any, options: Mapping[str, Any]) -> None:
    """`ray.init`, once more where a busy machine was too slow for it; raises UnpromptError."""
    for left in reversed(range(STARTS)):
        with redirect_stdout(sys.stderr):
            try:
                ray.init(**options)
                return
            except Exception as error:  # Ray has no class of its own for this
                ray.shutdown()
                if not left:
                    raise UnpromptError(
                        f"cannot use Ray at {options['address']}: {error}; a cluster that asks for "
                        "a token needs RAY_AUTH_MODE=token here and on its nodes"
                    ) from error


def _knock(address: str) -> None:
    """Raises UnpromptError where nobody listens: Ray itself would go on trying for minutes."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()
    except OSError as error:
        raise UnpromptError(
            f"no Ray cluster answers at {address} ({error}); start one with `ray start --head`, or "
            "leave out --ray-address"
        ) from error


def load_ray(address: str | None) -> Any:
    """The module `ray` with its Ray Data; raises MissingDependencyError without the extra `ray`.

    Nothing is reported to anybody, and without an address Ray stays on the loopback interface.
    """
    settings = QUIET if address else QUIET | LOOPBACK
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingDependencyError(
            f"the engine ray needs Ray Data, which cannot be imported ({error}); run "
            "`pip install 'unprompt[ray]'`, or leave out --engine ray"
        ) from error
    return ray


def silence(context: Any) -> None:
    """Leave bars, tables and warnings of Ray Data out; progress is shown by whoever asked."""
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1  # a shard may take as long as it likes
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
