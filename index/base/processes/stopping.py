"""Ctrl-C or SIGTERM -> the end of a command within two seconds, whatever it is doing.

The signal raises Stopped in the main thread, which undoes what it holds. Native code, a pool or a
library can hold the main thread up, so a second thread waits GRACE_S seconds and then ends the
process and its workers. Every output is whole or absent, so the same command goes on afterwards.
"""

import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

GRACE_S = 0.7  # from the signal to the hard end
SERVER_GRACE_S = 1.5  # the same for a server, which tells its clients and deletes its files
AGAIN_S = 0.2  # the same after a second signal
KICK_S = 0.05  # between two tries to wake the main thread
SIGNALS = (signal.SIGINT, signal.SIGTERM)
KICK = getattr(signal, "SIGURG", None)  # ignored by default
MESSAGE = "unprompt: stopped; run the same command again to continue\n"
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides it

_LAST: list[Callable[[], object]] = []  # called before a hard end


class Stopped(KeyboardInterrupt):
    """A signal asks this process to stop."""


class _State:
    active = False  # handlers are installed
    received: int | None = None  # the first signal
    raised = False  # the main thread knows of it
    by_itself = False  # a signal is the usual end of the command
    said = False
    lock = threading.Lock()


def run_obeying(command: Callable[[], None]) -> None:
    """Call `command`; a signal ends the process with one line on stderr and exit code 128 + signal.

    Call it from the main thread. A signal that is ignored, as `nohup` has it, stays ignored.
    """
    if _State.active or threading.current_thread() is not threading.main_thread():
        command()
        return
    with _handlers():
        try:
            command()
        except BaseException as error:
            if _State.received is None:
                if _is_interruption(error):  # by other means than a signal
                    sys.stderr.write(MESSAGE)
                    raise SystemExit(128 + signal.SIGINT) from None
                raise
        if _State.received is not None:
            _say()
            raise SystemExit(128 + _State.received)


def _is_interruption(error: BaseException) -> bool:
    """Whether it is a KeyboardInterrupt, or what typer makes of one."""
    if isinstance(error, SystemExit):
        return error.code == 128 + signal.SIGINT
    return isinstance(error, KeyboardInterrupt)


@contextmanager
def ending_by_itself() -> Iterator[None]:
    """Within the block a signal is the usual end of the command, which handles it by itself.

    The exit code is then the command's own. The process still ends hard after SERVER_GRACE_S.
    """
    _State.by_itself = True
    try:
        yield
    finally:
        _State.by_itself = False


@contextmanager
def last_act(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` too where the process is ended hard within the block; it must be quick."""
    _LAST.append(act)
    try:
        yield
    finally:
        _LAST.remove(act)


def end_with_parent(parent: int) -> None:
    """Let the system kill this process when the thread that started it ends (Linux).

    `parent` is the id of the process that started it.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != parent:  # it ended before the call
                os._exit(1)


@contextmanager
def _handlers() -> Iterator[None]:
    """Install the handlers and the watching thread; after a signal they stay until the end."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    obeyed = [number for number in SIGNALS if earlier[number] is not signal.SIG_IGN]
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in obeyed:
        signal.signal(number, _stop)
    kicked = None if KICK is None else signal.signal(KICK, _ignore)
    # workers that are killed leave the clean-up to multiprocessing's tracker, which warns of it
    sys.warnoptions.append("ignore::UserWarning:multiprocessing.resource_tracker")
    _State.active = True
    threading.Thread(target=_watch, args=(reading,), name="signals", daemon=True).start()
    try:
        yield
    finally:
        if _State.received is None:
            for number in obeyed:
                signal.signal(number, earlier[number] or signal.SIG_DFL)
            if KICK is not None:
                signal.signal(KICK, kicked or signal.SIG_DFL)
            signal.set_wakeup_fd(wakeup)
            os.close(writing)
            _State.active = False


def _stop(number: int, frame: FrameType | None) -> None:
    """The handler, which runs in the main thread between two steps of Python."""
    _receive(number)
    _State.raised = True
    raise Stopped


def _kick() -> None:
    """Wake the main thread, where a library took a signal over so that it interrupts no wait.

    polars does so with SIGINT when it is imported. The handler runs once the wait is interrupted.
    """
    ident = threading.main_thread().ident
    if KICK is not None and ident is not None and not _State.raised:
        with suppress(OSError):
            signal.pthread_kill(ident, KICK)


def _receive(number: int) -> None:
    if _State.received is None:
        _State.received = number
        # what threads and destructors report from now on is a consequence of the stop
        sys.unraisablehook = _ignore
        threading.excepthook = _ignore


def _ignore(*report: object) -> None:
    return


def _watch(reading: int) -> None:
    """End the process hard, once a signal is there and GRACE_S is over.

    The system writes the number of each signal into the pipe, also while the main thread is in
    native code.
    """
    deadline: float | None = None
    while True:
        if deadline is not None and time.monotonic() >= deadline:
            _end_hard()
        if not select.select([reading], [], [], None if deadline is None else KICK_S)[0]:
            _kick()
            continue
        numbers = os.read(reading, 64)
        if not numbers:  # the handlers are removed
            os.close(reading)
            return
        for number in numbers:
            if number in SIGNALS:
                wait = SERVER_GRACE_S if _State.by_itself else GRACE_S
                if not _State.by_itself:
                    _receive(number)
                wait = wait if deadline is None else AGAIN_S
                deadline = min(deadline or float("inf"), time.monotonic() + wait)


def _end_hard() -> None:
    processes = sys.modules.get("multiprocessing")
    if processes is not None:
        for child in processes.active_children():
            with suppress(Exception):
                child.kill()
    for act in list(_LAST):
        with suppress(Exception):
            act()
    if _State.received is None:
        os._exit(0)
    _say()
    os._exit(128 + _State.received)


def _say() -> None:
    """Write the message once, past all buffers; of several ranks of a training, the first does."""
    with _State.lock:
        said, _State.said = _State.said, True
    if said or os.environ.get("RANK", "0") != "0":
        return
    with suppress(OSError):
        if os.isatty(2):
            os.write(2, SHOW_CURSOR)
        os.write(2, MESSAGE.encode())


_masks = threading.local()  # what a thread blocked before it forks


def _before_fork() -> None:
    """Hold signals back until the child has its own handlers."""
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS) if _State.active else None


def _after_fork() -> None:
    if _masks.before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _in_child() -> None:
    """A forked worker ends at once at a signal, and its parent's watch does not hear of it."""
    if _State.active:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            if signal.getsignal(number) is _stop:
                signal.signal(number, signal.SIG_DFL)
        _State.active, _State.received, _State.lock = False, None, threading.Lock()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
