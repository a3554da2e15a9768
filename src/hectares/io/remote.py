"""The one door to the network: names of scenes that lie elsewhere, and what identifies them without all their bytes.

A remote file is a `RemotePath`; only `io/rasters/raster.py` reads it, part by part. Whether it is allowed is asked
here, once, where a scene is named.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from hectares import __version__
from hectares.errors import RasterError, ResourceError

TIMEOUT_S = 20
GDAL_OPTIONS = {
    "GDAL_HTTP_CONNECTTIMEOUT": TIMEOUT_S,
    "GDAL_HTTP_TIMEOUT": 120,
    "GDAL_HTTP_MAX_RETRY": 3,
    "GDAL_HTTP_RETRY_DELAY": 1,
    "CPL_VSIL_CURL_USE_HEAD": "NO",  # signed links allow to get, and nothing else
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",  # what failed, or has changed, is asked for again
    "GDAL_INGESTED_BYTES_AT_OPEN": 2**15,
    "GDAL_HTTP_USERAGENT": f"hectares/{__version__}",
}
"""What GDAL is told whenever it reads from the network, beside the options for all rasters."""
_REMOTE = re.compile(r"(?:/vsicurl/|/vsis3/|https?:/|s3:/)")
_SCHEME = re.compile(r"(https?|s3):/+")
_JOINT = re.compile(r"(?<=\.tif)\+|(?<=\.tiff)\+|(?<=\.jp2)\+|\+(?=/vsi|https?:/|s3:/)", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_HEAD_BYTES = 2**14
_SMALL_BYTES = 2**23
"""A file of so many bytes is read whole for its hash, which is that of the file on disk then."""


class RemotePath(type(Path())):  # type: ignore[misc]  # the class of paths of this system
    """A URL where a path is expected: it is shown as the URL, and no file of this machine has its name.

    What is secret in a URL, a signature or a password, is only in `url`.
    """

    url: str
    """What is asked for."""

    def __str__(self) -> str:
        """Give the URL, of whose two slashes a path keeps one."""
        return _SCHEME.sub(r"\1://", super().__str__(), count=1)

    @property
    def gdal_name(self) -> str:
        """What GDAL opens."""
        return f"/vsicurl/{self.url}"


def is_remote(name: str | Path) -> bool:
    """Tell if a name is that of a file on the network; a file of this machine counts more.

    >>> [is_remote(n) for n in ("https://a.org/s.tif", "https:/a.org/s.tif", "/vsicurl/http://a.org/s.tif", "s.tif")]
    [True, True, True, False]
    """
    return _REMOTE.match(str(name)) is not None and not Path(name).exists()


def remote_path(name: str | Path) -> RemotePath:
    """Give the path of a remote file by any of its names.

    >>> path = remote_path(Path("https://me:word@a.org/b/s.tif?signature=123"))
    >>> str(path), path.name, path.url
    ('https://a.org/b/s.tif', 's.tif', 'https://me:word@a.org/b/s.tif?signature=123')
    >>> str(remote_path("/vsis3/bucket/key.tif")), remote_path("/vsis3/bucket/key.tif").url
    ('s3://bucket/key.tif', 'https://bucket.s3.amazonaws.com/key.tif')
    """
    text = str(name).removeprefix("/vsicurl/")
    if text.startswith("/vsis3/"):
        text = f"s3://{text.removeprefix('/vsis3/')}"
    text = _SCHEME.sub(r"\1://", text, count=1)
    try:
        parts = urlsplit(text)
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:
        host = None
    if not host or not parts.path.strip("/"):
        raise RasterError(f"{text[:120]}: names no file on a host; expected https://HOST/PATH or s3://BUCKET/KEY")
    path = RemotePath(f"{parts.scheme}://{host}{parts.path}")
    path.url = _web_address(text) if parts.scheme == "s3" else text
    return path


def _web_address(text: str) -> str:
    """Give the web address of a file in a public bucket."""
    bucket, _, key = text.removeprefix("s3://").partition("/")
    host = f"s3.amazonaws.com/{bucket}" if "." in bucket else f"{bucket}.s3.amazonaws.com"
    return f"https://{host}/{quote(key)}"


def scene_name(scene: str | Path) -> str:
    """Give the name of a scene as it is shown: of remote files without what is secret.

    >>> scene_name(Path("https://a.org/b/s.tif?key=1")), scene_name("rgb.tif+https://a.org/dsm.tif?key=1")
    ('https://a.org/b/s.tif', 'rgb.tif+https://a.org/dsm.tif')
    """
    return "+".join(str(remote_path(p)) if is_remote(p) else p for p in split_names(str(scene)))


def split_names(scene: str) -> list[str]:
    """Give the names of the files of a remote scene; a + inside of a URL stays.

    >>> split_names("https://a.org/x+y/rgb.tif+https://a.org/dsm.tif")
    ['https://a.org/x+y/rgb.tif', 'https://a.org/dsm.tif']
    """
    return _JOINT.split(scene)


# --- What it is -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Identity:
    """What a server says of a file, and how it begins."""

    head: bytes
    size: int
    etag: str | None
    modified: str | None


def ask(path: RemotePath) -> Identity:
    """Ask a server for the beginning of a file.

    Raises RasterError for what it does not have or cannot serve in parts, ResourceError if it cannot be reached.
    """
    content, headers = _get(path, 0, _HEAD_BYTES - 1)
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        raise RasterError(
            f"{path}: its server does not serve parts of files (range requests), so that all of it would be "
            "needed for every window; download it first"
        )
    return Identity(content, int(found[3]), headers.get("ETag"), headers.get("Last-Modified"))


def hash_remote(path: RemotePath) -> tuple[str, str]:
    """Give the SHA-256 of a remote file, and what it is of: its bytes if these are few, else what identifies it."""
    found = ask(path)
    if found.size <= _SMALL_BYTES:
        return hashlib.sha256(_all_of(path, found)).hexdigest(), "bytes"
    named = "\n".join([str(found.etag), str(found.modified), str(found.size)])
    kinds = [k for k, v in (("etag", found.etag), ("last-modified", found.modified)) if v is not None]
    return hashlib.sha256(named.encode() + found.head).hexdigest(), ", ".join([*kinds, "size", "first bytes"])


def fetch_text(path: RemotePath, limit: int) -> bytes:
    """Give the bytes of a small remote file. Raises RasterError if it is larger than `limit`."""
    found = ask(path)
    if found.size > limit:
        raise RasterError(f"{path}: is {found.size / 2**20:.0f} MiB, larger than {limit >> 20} MiB")
    return _all_of(path, found)


def _all_of(path: RemotePath, found: Identity) -> bytes:
    """Give all bytes of a file of which the beginning is there."""
    rest = b"" if found.size <= len(found.head) else _get(path, len(found.head), found.size - 1)[0]
    content = found.head + rest
    if len(content) != found.size:  # a server may give less than it was asked for, and say so
        raise unreachable(path, f"{len(content)} bytes came of {found.size}")
    return content


def _get(path: RemotePath, first: int, last: int) -> tuple[bytes, http.client.HTTPMessage]:
    request = urllib.request.Request(  # noqa: S310 - http and https alone: `remote_path` gives no other
        path.url, headers={"Range": f"bytes={first}-{last}", "User-Agent": f"hectares/{__version__}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
            told = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
            content = b"" if told is None else answer.read(last - first + 1)
            if told is not None and len(content) != int(told[2]) - int(told[1]) + 1:
                raise unreachable(path, f"{len(content)} bytes came of {int(told[2]) - int(told[1]) + 1}")
            return content, answer.headers
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR or error.code == http.HTTPStatus.TOO_MANY_REQUESTS:
            raise unreachable(path, f"{error.code} {error.reason}") from error
        raise RasterError(
            f"{path}: its server answers {error.code} ({error.reason}); check the address, or whether it asks "
            "for a login"
        ) from error
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        raise unreachable(path, str(getattr(error, "reason", error))) from error


def unreachable(path: RemotePath, reason: str) -> ResourceError:
    """Say that the connection broke; what was finished is kept."""
    return ResourceError(
        f"{path}: the connection broke ({reason}); finished work is kept, give the same command again when the "
        "server can be reached"
    )
