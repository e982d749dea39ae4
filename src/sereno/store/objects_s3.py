"""The objects of an S3-compatible bucket, through pyarrow. Credentials come from the usual AWS sources."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import urlsplit

from sereno.core.errors import FixConfig, TryLater
from sereno.store.objects import LOCK_WAIT_S, Stored

CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 30.0

_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # of this process, by address
_guard = threading.Lock()


class S3Objects:
    """`s3://bucket/prefix`. A put is one upload, which appears whole or not at all."""

    def __init__(self, url: str, *, endpoint: str = "", region: str = "us-east-1") -> None:
        self._url = url.rstrip("/")
        address = urlsplit(self._url)
        if address.scheme != "s3" or not address.netloc:
            raise FixConfig("lake.url", remedy="write s3://bucket or s3://bucket/prefix", url=url)
        self._root = f"{address.netloc}{address.path}"
        self._files = _file_system(endpoint, region)

    @property
    def where(self) -> str:
        return self._url

    @property
    def names(self) -> tuple[str, ...]:
        return (self._url,)

    def found(self) -> None:
        """Nothing to do: a bucket has no folders."""

    def get(self, key: str) -> Stored | None:
        try:
            with self._files.open_input_stream(f"{self._root}/{key}") as stream:
                return Stored(bytes(stream.read()), None)  # a bucket's times are too coarse
        except FileNotFoundError:
            return None
        except OSError as cause:
            self._translate(cause, key)

    def put(self, key: str, data: bytes) -> None:
        try:
            stream = self._files.open_output_stream(f"{self._root}/{key}")
            stream.write(data)
            stream.close()  # only now does the object appear; on an error above it never does
        except OSError as cause:
            self._translate(cause, key)

    def move(self, source: str, target: str) -> None:
        try:
            self._files.move(f"{self._root}/{source}", f"{self._root}/{target}")
        except FileNotFoundError:
            return
        except OSError as cause:
            if self.get(source) is None:
                return
            self._translate(cause, source)

    def keys(self, prefix: str) -> tuple[str, ...]:
        from pyarrow import fs

        folder = f"{self._root}/{prefix}".rstrip("/")
        selector = fs.FileSelector(folder, recursive=True, allow_not_found=True)
        try:
            found = self._files.get_file_info(selector)
        except OSError as cause:
            self._translate(cause, prefix)
        names = (info.path for info in found if info.type == fs.FileType.File)
        return tuple(sorted(name.removeprefix(f"{self._root}/") for name in names))

    def sweep(self, prefix: str) -> None:
        """Nothing to do: an upload that was cut off has left no object."""

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        with _guard:
            lock = _locks[f"{self._url}/{name}"]
        if not lock.acquire(timeout=LOCK_WAIT_S):
            raise TryLater("lake.locked", remedy="another thread is writing", name=name)
        try:
            yield
        finally:
            lock.release()

    def _translate(self, cause: OSError, key: str) -> NoReturn:
        """Raise our own error: what a person must mend, or what a pause may cure."""
        fault = str(cause)
        if any(word in fault for word in ("ACCESS_DENIED", "NO_SUCH_BUCKET", "SIGNATURE", "INVALID_ACCESS")):
            raise FixConfig(
                "lake.forbidden", remedy="check bucket and credentials", url=self._url, key=key, fault=fault
            ) from cause
        raise TryLater("lake.unreachable", url=self._url, key=key, fault=fault) from cause


def _file_system(endpoint: str, region: str) -> Any:
    from pyarrow import fs

    address = urlsplit(endpoint)
    where = {"endpoint_override": address.netloc, "scheme": address.scheme} if endpoint else {}
    return fs.S3FileSystem(
        region=region,
        connect_timeout=CONNECT_TIMEOUT_S,
        request_timeout=REQUEST_TIMEOUT_S,
        background_writes=False,
        allow_delayed_open=True,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=3),
        **where,
    )
