"""The requests and logins of each visitor -> admitted, or a Refusal; and who a visitor is.

A visitor is an address. All methods are called in the one thread of the server.
"""

import ipaddress
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from unprompt.ui.page.server.hosts import values
from unprompt.ui.page.server.limits import Limits
from unprompt.ui.page.server.refusal import Refusal, Scope

NETWORK = 64  # bits of an IPv6 address that one household or machine shares


def visitor_of(scope: Scope, behind_proxy: bool) -> str:
    """The address of a visitor, or the network of an IPv6 address.

    A proxy on this machine appends the visitor's address to X-Forwarded-For; from elsewhere, and
    without a proxy, that header is a visitor's invention.
    """
    peer = str((scope.get("client") or ("unknown", 0))[0])
    forwarded = values(scope, b"x-forwarded-for")
    if behind_proxy and forwarded and _is_loopback(peer):
        peer = forwarded[-1].rpartition(",")[2].strip()
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return "unknown"
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped or address.version == 4 or address.is_loopback:
        return str(mapped or address)
    return str(ipaddress.ip_network((address, NETWORK), strict=False))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


class Requests:
    """The requests that are open, streams included."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: Counter[str] = Counter()

    @contextmanager
    def admit(self, visitor: str) -> Iterator[None]:
        """Hold a place for one request; raises Refusal if there is none."""
        if self._open[visitor] >= self._limits.visitor_requests:
            raise Refusal(429, "too many open requests from this address", retry=5)
        if self._open.total() >= self._limits.total_requests:
            raise Refusal(503, "too many visitors at the moment; try again soon", retry=5)
        self._open[visitor] += 1
        try:
            yield
        finally:
            self._open[visitor] -= 1
            if not self._open[visitor]:
                del self._open[visitor]


class Logins:
    """The failed logins of the last `login_seconds`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._failed: deque[tuple[float, str]] = deque()

    def attempt(self, visitor: str) -> None:
        """Count an attempt as failed until `succeed`; raises Refusal after too many."""
        now = time.monotonic()
        while self._failed and now - self._failed[0][0] > self._limits.login_seconds:
            self._failed.popleft()
        own = [when for when, who in self._failed if who == visitor]
        over = len(own) >= self._limits.visitor_logins
        if over or len(self._failed) >= self._limits.total_logins:
            first = own[0] if over else self._failed[0][0]
            wait = int(first + self._limits.login_seconds - now) + 1
            raise Refusal(429, f"too many failed logins; try again in {wait} seconds", retry=wait)
        self._failed.append((now, visitor))

    def succeed(self, visitor: str) -> None:
        """Forget the failed logins of a visitor."""
        self._failed = deque(one for one in self._failed if one[1] != visitor)
