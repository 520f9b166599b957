"""Who may ask, and where: the hosts that are ours, the pages of other origins, the path below which a proxy puts it."""

import re
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from cgan_lib.errors import UserError, shown

HOST = re.compile(r"(?:\[([\da-fA-F:.]+)\]|([\w.-]+))(?::\d+)?")  # of an address with or without a port
ORIGIN = re.compile(r"(https?)://(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?", re.ASCII)
ROOT_PATH = re.compile(r"(?:/(?!\.+(?:/|$))[\w.~-]+)*", re.ASCII)
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class KnownHosts:
    """ASGI middleware: 421 for requests to a host that is not this one, such as a page's name that now leads here.

    Known are localhost, the `host` that is listened on and the `others`; when that is the whole network, this machine's
    name and any address too, since only names can be led elsewhere. "*" among the others: every host. Who says none, in
    HTTP/1.0, is no browser.
    """

    def __init__(self, app: ASGIApp, host: str, others: Sequence[str] = ()):
        self.app, self.every = app, "*" in others
        self.addresses = is_everywhere(host)
        machine = socket.gethostname()
        own = (machine, f"{machine}.local") if self.addresses else ()
        self.names = {_plain(name) for name in ("localhost", "127.0.0.1", "::1", host, *own, *others)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what asks for a known host."""
        if scope["type"] == "http" and not self._knows(scope):
            message = "this service is not known by that name: whoever starts it can add it, --allow-host NAME"
            await JSONResponse({"detail": message}, 421, {"Connection": "close"})(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        if self.every:
            return True
        asked = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if not asked and scope["http_version"] == "1.0":
            return True
        found = [match[1] or match[2] for host in asked if (match := HOST.fullmatch(host))]
        return len(asked) == len(found) == 1 and (
            (name := _plain(found[0])) in self.names or (self.addresses and _is_address(name))
        )


def check_hosts(names: Sequence[str]) -> None:
    """`UserError` for what cannot be the name of a host."""
    for name in names:
        if name != "*" and not _is_address(name) and not re.fullmatch(r"[\w.-]+", name):
            raise UserError(
                f"--allow-host {shown(name)} must be a name alone, such as digits.example.org, or '*' for every name."
            )


def shared_with(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """The app, to which scripts of pages of these origins may talk (CORS); "*" is every origin.

    `UserError` for what no browser would call an origin.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=[_origin(origin) for origin in origins],
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["Content-Type"],
        expose_headers=["X-Seed", "X-Index", "Retry-After"],
    )


def _origin(text: str) -> str:
    """As browsers spell it: in small letters, without the port that goes without saying."""
    origin = text.lower()
    if origin == "*":
        return origin
    if not (match := ORIGIN.fullmatch(origin)):
        raise UserError(
            f"--allow-origin {shown(text)} must be a scheme and a name, without a path, such as "
            "https://digits.example.org or http://localhost:3000, or '*' for every page."
        )
    return origin.removesuffix(DEFAULT_PORTS[match[1]])


class BelowPath:
    """ASGI middleware: the app lies at `path` of a proxy, which may take the path off what it passes on, or leave it.

    `UserError` for what is no such path.
    """

    def __init__(self, app: ASGIApp, path: str):
        self.app, self.path = app, path.rstrip("/")
        if not ROOT_PATH.fullmatch(self.path):
            raise UserError(f"--root-path {shown(path)} must be a path alone, such as /digits.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the path as `root_path`; the path itself leads to the page, whose links need its slash."""
        if scope["type"] != "http" or not self.path:
            await self.app(scope, receive, send)
        elif scope["path"] == self.path:
            await RedirectResponse(f"{self.path}/")(scope, receive, send)
        else:
            await self.app({**scope, "root_path": self.path}, receive, send)


def is_everywhere(host: str) -> bool:
    """Whether listening there is listening on every address, as written: 0.0.0.0 or ::."""
    return _is_address(host) and ip_address(host).is_unspecified


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _plain(name: str) -> str:
    """One spelling of a name or an address."""
    return str(ip_address(name)) if _is_address(name) else name.lower().removesuffix(".")
