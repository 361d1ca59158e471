"""`s3://bucket/prefix/`: every image object under a prefix, in key order.

A listing has no version to pin: objects that are added behind the cursor while the job lists are
seen, those before it are not.
"""

from collections.abc import Iterator

from producer.sources.base import Page, SourceItem
from producer.sources.byte_streams import remote_errors
from producer.sources.cursor import Cursor, check_pin, read_cursor
from producer.sources.images import is_image_name
from producer.sources.options import SourceOptions
from producer.sources.paging import Located, fill_page
from producer.sources.records import problem_item
from producer.sources.uris import MAX_URI_BYTES, checked_text
from shared.errors import BadReference, SourceError
from shared.object_storage import ObjectStorage

_KIND = "s3"


class S3PrefixSource:
    """The images under a prefix; the element before an image's name is its class."""

    def __init__(
        self, *, bucket: str, prefix: str, storage: ObjectStorage, options: SourceOptions
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
        self._storage = storage
        self._options = options

    def pages(self, cursor: str | None) -> Iterator[Page]:
        """Yield pages from `cursor` (None: from the start) to the end."""
        name = f"s3://{self._bucket}/{self._prefix}"
        start_after = None
        if cursor is not None:
            resumed = read_cursor(cursor, kind=_KIND)
            check_pin(resumed.pin, {"prefix": name}, name=name)
            start_after = resumed.text("after")
        located = self._located(start_after)
        is_empty = cursor is None
        while filled := fill_page(located, options=self._options):
            is_empty = False
            text = Cursor(kind=_KIND, place={"after": filled.after}, pin={"prefix": name}).to_text()
            yield Page(items=filled.items, cursor=text)
        if is_empty:
            raise SourceError(f"no images under {name}: check bucket and prefix")

    def _located(self, start_after: str | None) -> Iterator[Located[str]]:
        is_more = True
        while is_more:
            with remote_errors():
                keys, is_more = self._storage.list_keys(
                    self._bucket, self._prefix, start_after=start_after
                )
            for found in keys:
                if self._is_image(found.key):
                    yield Located(self._item(found.key), found.key, len(found.key))
            is_more = is_more and bool(keys)
            start_after = keys[-1].key if keys else start_after

    def _is_image(self, key: str) -> bool:
        *folders, name = key.removeprefix(self._prefix).split("/")
        return is_image_name(name) and not any(folder.startswith(".") for folder in folders)

    def _item(self, key: str) -> SourceItem:
        uri = f"s3://{self._bucket}/{key}"
        try:
            checked_text(uri, what="the key", max_bytes=MAX_URI_BYTES)
        except BadReference as error:
            return problem_item(uri, error, line=None)
        parents = key.split("/")[:-1]
        return SourceItem(uri=uri, label=(parents[-1] or None) if parents else None)
