"""Who may ask: checks of every request, before anything else looks at it.

- Host: only names of this machine, since a page elsewhere may give a name of its own our address (DNS rebinding).
- Origin: what changes something comes from our own page, or from a program with the token (request forgery).
- Token: in a header, or in a cookie that the printed address sets; compared in constant time.
- Size and time of bodies, before anything is parsed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_NAMES = ("localhost",)
MAX_JSON = 64 * 1024
_BODY_PATIENCE_S = 20.0
_SAFE = {"GET", "HEAD"}
_MOST_QUERY = 1024
_HOST = re.compile(r"[\w.-]+(:\d{1,5})?|\[[0-9a-f:.]+\](:\d{1,5})?", re.ASCII | re.IGNORECASE)
"""A name or an address with or without a port, and nothing that a browser would read as another one."""
_OWN_SITE = {"same-origin", "none"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What is let in."""

    token: str
    cookie: str
    """Name of the cookie: browsers keep one jar for all ports of a machine."""
    names: Sequence[str] = LOCAL_NAMES
    """Names by which browsers may call this machine. Addresses in numbers of it are always fine: nobody can give
    them another meaning."""
    any_address: bool = False
    """True if it listens to the network, and so is called by addresses other than loopback."""
    max_upload: int = 10**9
    """Bytes of the largest file."""
    key: str | None = None
    """Opens the page once, in place of the token: for an address that other users of this machine can see, since
    it is an argument of the program that opens it."""
    upload_path: str = "/api/scenes"


class Refusal(HTTPException):
    """A request is not let in."""


class Guard:
    """Lets requests through to the application, or answers them itself."""

    def __init__(self, app: ASGIApp, rules: Rules, door_page: str) -> None:
        """Stand before an application; `door_page` is shown to people without the token."""
        self._app, self._rules, self._door = app, rules, door_page
        self._is_key_used = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    own[name] = value
                own.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            self._check_host(headers)
            if scope["path"] == "/" and (given := _token_of(scope)) is not None:
                await self._welcome(given, send_safely)
                return
            self._check_token(headers)
            self._check_origin(scope, headers)
            body = _Body(receive, self._limit(scope), headers)
            await self._app(scope, body.receive, send_safely)
        except Refusal as refusal:
            await self._refuse(refusal, headers, send_safely)

    # --- Checks -------------------------------------------------------------------------------------------

    def _check_host(self, headers: Headers) -> None:
        if len(headers.getlist("host")) != 1 or not self._is_ours(headers["host"]):
            raise Refusal(403, "this service does not answer to that name; see --called")

    def _is_ours(self, host: str) -> bool:
        if _HOST.fullmatch(host) is None:
            return False
        name = urlsplit(f"//{host}").hostname or ""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in {n.lower() for n in self._rules.names}
        return address.is_loopback or self._rules.any_address

    def _check_token(self, headers: Headers) -> None:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            if not self._is_token(given.strip()):
                raise Refusal(401, "the token is wrong; take the one that stands where the service was started")
            return
        jar = cookie_parser(headers.get("cookie", ""))
        if not self._is_token(jar.get(self._rules.cookie, "")):
            raise Refusal(401, "open the address that stands where the service was started; it lets you in")

    def _is_token(self, given: str) -> bool:
        return _are_same(given, self._rules.token)

    def _takes_key(self, given: str) -> bool:
        if self._rules.key is None or self._is_key_used or not _are_same(given, self._rules.key):
            return False
        self._is_key_used = True
        return True

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Refuse what a page of another site asks: browsers send our cookie along with it."""
        by_header = "authorization" in headers
        site = headers.get("sec-fetch-site")
        opens_page = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
        if site is not None and site not in _OWN_SITE and not opens_page:
            raise Refusal(403, "this was asked by the page of another site")
        origin = headers.get("origin")
        if origin is None:
            if scope["method"] not in _SAFE and not by_header:
                raise Refusal(403, "a request that changes something needs an Origin, or the token in a header")
            return
        if origin.partition("://")[2].lower() != headers["host"].lower():
            raise Refusal(403, "this was asked by the page of another site")

    def _limit(self, scope: Scope) -> int:
        if scope["method"] in _SAFE:
            return 0
        return self._rules.max_upload if scope["path"] == self._rules.upload_path else MAX_JSON

    # --- Answers ------------------------------------------------------------------------------------------

    async def _welcome(self, given: str, send: Send) -> None:
        """Turn the token of the address into a cookie, so that it stands in no history."""
        if not (self._is_token(given) or self._takes_key(given)):
            raise Refusal(401, "the token is wrong; take the address that stands where the service was started")
        cookie = f"{self._rules.cookie}={self._rules.token}; Path=/; HttpOnly; SameSite=Strict"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _refuse(self, refusal: Refusal, headers: Headers, send: Send) -> None:
        is_person = refusal.status_code == 401 and "text/html" in headers.get("accept", "")
        body = self._door if is_person else json.dumps({"message": refusal.detail})
        kind = b"text/html; charset=utf-8" if is_person else b"application/json"
        own = [(b"content-type", kind), (b"content-length", str(len(body.encode())).encode())]
        own += [(b"connection", b"close")]  # what is left of a body that is not read
        if refusal.status_code == 401:
            own.append((b"www-authenticate", b"Bearer"))
        await send({"type": "http.response.start", "status": refusal.status_code, "headers": own})
        await send({"type": "http.response.body", "body": body.encode()})


class _Body:
    """Hands on the body of a request as long as it is no longer, and comes no slower, than it may."""

    def __init__(self, receive: Receive, limit: int, headers: Headers) -> None:
        self._receive, self._limit = receive, limit
        self._taken, self._is_whole = 0, False
        told = headers.get("content-length", "0")
        if not (told.isascii() and told.isdigit()):
            raise Refusal(400, "Content-Length is no number")
        if len(told) > 18 or int(told) > limit:
            raise Refusal(413, self._too_large)

    @property
    def _too_large(self) -> str:
        return f"what is sent is larger than {self._limit / 1e6:,.3g} MB, the most that is taken"

    async def receive(self) -> Message:
        """Give the next piece. Raises Refusal for a body that is too long or too slow."""
        if self._is_whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), _BODY_PATIENCE_S)
        except TimeoutError:
            raise Refusal(408, f"nothing was sent for {_BODY_PATIENCE_S:g} s") from None
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            if self._taken > self._limit:
                raise Refusal(413, self._too_large)
            self._is_whole = not message.get("more_body", False)
        else:
            self._is_whole = True
        return message


def _are_same(given: str, expected: str) -> bool:
    """Compare two texts in a time that tells nothing of them."""
    both = [hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (given, expected)]
    return hmac.compare_digest(*both)


def _token_of(scope: Scope) -> str | None:
    """Give the token that stands in an address."""
    found = parse_qs(scope.get("query_string", b"")[:_MOST_QUERY].decode("latin-1")).get("token")
    return found[0] if found else None
