"""Every limit of the page in one place: sizes in bytes or characters, times in seconds."""

from dataclasses import dataclass

MIB = 2**20
MAX_TEXT = 1_000  # characters of a search or of the banned words
MAX_FILES = 500  # pictures of one batch


@dataclass(frozen=True)
class Limits:
    """What one visitor, and all visitors together, may take of the machine.

    A visitor is an address: a machine, or the machines behind one router.
    """

    file_bytes: int = 20 * MIB  # one uploaded picture
    visitor_bytes: int = 512 * MIB  # uploads kept of one visitor; its oldest are deleted first
    total_bytes: int = 2048 * MIB  # all files of the page
    kept_seconds: float = 600.0  # after which an upload or a results file is deleted
    body_seconds: float = 300.0  # for the body of a request
    pause_seconds: float = 60.0  # without a byte of it
    json_bytes: int = MIB // 2  # the body of a request that is no upload
    visitor_requests: int = 128  # open at once, streams included
    total_requests: int = 512
    visitor_events: int = 32  # waiting or running
    total_events: int = 64  # waiting
    visitor_logins: int = 5  # failed logins of one visitor in `login_seconds`
    total_logins: int = 50
    login_seconds: float = 60.0
    sessions: int = 100  # tabs whose last values Gradio keeps
    results: int = 500  # sessions whose unread results Gradio keeps
