"""The Host and Origin of a request -> allowed, or a Refusal with status 403.

A page that listens on 127.0.0.1 is still reached by every site that the browser of this machine
visits: by requests of the site's scripts, and under the site's own name once that name points to
127.0.0.1 (DNS rebinding). Both show in these headers, which a script cannot change.
"""

import ipaddress
import re
from dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.ui.page.server.refusal import Refusal, Scope

NETLOC = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9]([a-z0-9_.-]{0,252}[a-z0-9])?)(:\d{1,5})?")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
SAME_SITE = {"same-origin", "none"}  # values of Sec-Fetch-Site for the page's own requests


@dataclass(frozen=True)
class Hosts:
    """The names under which the page may be reached, besides the address that it listens on."""

    allowed: tuple[str, ...] = ()  # NAME or NAME:PORT, of `--allow-host`

    def __post_init__(self) -> None:
        for name in self.allowed:
            if not NETLOC.fullmatch(name):
                raise ConfigError(
                    f"--allow-host must be a name such as pictures.example.org or "
                    f"pictures.example.org:8443, in lower case and without http://, got {name!r}"
                )

    def check(self, scope: Scope) -> None:
        """Raise Refusal for a foreign Host, Origin or site, or for a header given twice."""
        host = self._host(scope)
        origins = values(scope, b"origin")
        if len(origins) > 1 or (origins and not self._is_own(origins[0], host)):
            raise Refusal(
                403,
                f"the page of another site ({_shown(origins[0])}) may not ask this server; if it "
                f"is this page behind a proxy, start it with `--allow-host NAME`",
            )
        sites = values(scope, b"sec-fetch-site")
        if not set(sites) <= SAME_SITE and not _is_followed_link(scope):
            raise Refusal(403, "the page of another site may not ask this server")

    def _host(self, scope: Scope) -> str:
        """The Host of a request, NAME or NAME:PORT."""
        hosts = values(scope, b"host")
        host = hosts[0] if len(hosts) == 1 else ""
        found = NETLOC.fullmatch(host)
        if not found or not (host in self.allowed or found[1] in self._names(scope)):
            raise Refusal(
                403,
                f"this server does not answer to the name {_shown(host)}; if that name is right, "
                f"start it with `--allow-host NAME`",
            )
        return host

    def _names(self, scope: Scope) -> tuple[str, ...]:
        """The names that need no port: those allowed, and the address that was connected to."""
        server = str((scope.get("server") or ("", 0))[0])
        return (*self.allowed, *address_names(server))

    def _is_own(self, origin: str, host: str) -> bool:
        scheme, _, netloc = origin.partition("://")
        if scheme not in ("http", "https") or not NETLOC.fullmatch(netloc):
            return False
        return netloc == host or netloc in self.allowed


def address_names(address: str) -> tuple[str, ...]:
    """How a Host header writes an IP address; the loopback has more names."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ()
    mapped = getattr(parsed, "ipv4_mapped", None)  # an IPv4 visitor of an IPv6 socket
    parsed = mapped or parsed
    name = f"[{parsed}]" if parsed.version == 6 else str(parsed)
    return (name, *LOOPBACK_NAMES) if parsed.is_loopback else (name,)


def values(scope: Scope, name: bytes) -> list[str]:
    """All values of a header, in lower case."""
    return [
        value.decode("latin-1").strip().lower() for key, value in scope["headers"] if key == name
    ]


def _is_followed_link(scope: Scope) -> bool:
    """Whether a visitor follows a link to the page, which shows it and does nothing else."""
    navigates = values(scope, b"sec-fetch-mode") == ["navigate"]
    return navigates and scope["path"] == "/" and scope["method"] == "GET"


def _shown(name: str) -> str:
    return ascii(name[:100])
