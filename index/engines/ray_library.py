"""The only importer of Ray: a cluster address -> the module `ray`, connected and without output."""

import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from unprompt.index.base.errors import MissingDependencyError, UnpromptError

# Ray and its processes read these at import; a value that the user has set has priority
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # a local Ray listens on 127.0.0.1 only
CONNECT_SECONDS = 10
STARTS = 2
STORE_BYTES = 512 * 2**20  # the object store holds numbers and rows, no pictures


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """The module `ray`, connected to a running Ray, the cluster at `address`, or a new Ray."""
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
        _check_reachable(address)
    start_ray(ray, options)
    try:
        yield ray
    finally:
        with redirect_stdout(sys.stderr):
            ray.shutdown()


def start_ray(ray: Any, options: Mapping[str, Any]) -> None:
    """Call `ray.init`, twice where a busy machine times out; raises UnpromptError."""
    for left in reversed(range(STARTS)):
        with redirect_stdout(sys.stderr):
            try:
                ray.init(**options)
                return
            except Exception as error:  # Ray raises no class of its own here
                ray.shutdown()
                if not left:
                    raise UnpromptError(
                        f"cannot use Ray at {options['address']}: {error}; a cluster that asks for "
                        "a token needs RAY_AUTH_MODE=token here and on its nodes"
                    ) from error


def _check_reachable(address: str) -> None:
    """Raises UnpromptError where no server listens: Ray itself would retry for minutes."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise UnpromptError(
            f"no Ray cluster answers at {address} ({error}); start one with `ray start --head`, or "
            "leave out --ray-address"
        ) from error


def load_ray(address: str | None) -> Any:
    """The module `ray` with its Ray Data; raises MissingDependencyError without the extra `ray`.

    Ray sends no usage statistics. Without an address it uses the loopback interface only.
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
    """Turn off bars, tables and warnings of Ray Data: `unprompt` shows its own progress."""
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1  # a shard can take any time
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
