import os
import tempfile
from pathlib import Path

import pytest

from producer.sources.folder import MAX_DEPTH
from shared.errors import SourceChanged, SourceError
from tests.support.local_sources import opened
from tests.support.source_reading import items_of

NOBODY = 65534


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_images_come_in_the_byte_order_of_their_paths_with_their_folder_as_label(
    tmp_path: Path,
) -> None:
    names = [
        "b/2.jpg",
        "b/10.jpg",
        "b.png",
        "a/\N{LATIN SMALL LETTER E WITH ACUTE}.JPEG",
        "a/z.webp",
    ]
    for name in [*names, "a/notes.txt", "a/jpg", "b/.hidden.jpg", ".git/x.jpg"]:
        touch(tmp_path / "root" / name)

    items = items_of(opened(tmp_path / "root", tmp_path / "spool"))

    paths = [str(tmp_path / "root" / name) for name in names]
    assert [item.uri for item in items] == sorted(paths, key=os.fsencode)
    assert [item.label for item in items] == ["a", "a", "root", "b", "b"]
    assert all(item.line is None and item.problem is None for item in items)


def test_links_are_followed_but_loops_and_ancestors_are_not(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(root / "real" / "a.jpg")
    touch(tmp_path / "outside" / "b.jpg")
    (root / "linked").symlink_to(tmp_path / "outside")
    (root / "again").symlink_to(root / "real")
    (root / "real" / "loop").symlink_to(root)
    (root / "real" / "self").symlink_to("self")
    (root / "a link.jpg").symlink_to(root / "real" / "a.jpg")

    items = items_of(opened(root, tmp_path / "spool"))

    names = [os.path.relpath(item.uri, root) for item in items]
    assert names == ["a link.jpg", "again/a.jpg", "linked/b.jpg", "real/a.jpg"]


def test_a_link_that_leads_nowhere_is_an_image_that_will_fail_in_sight(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(root / "a.jpg")
    (root / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (root / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(root / "pipe.jpg")

    items = items_of(opened(root, tmp_path / "spool"))

    assert [Path(item.uri).name for item in items] == ["a.jpg", "gone.jpg", "loop.jpg"]


def test_a_name_that_is_not_utf8_is_a_problem_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(root / "a.jpg")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.jpg")).write_bytes(b"")

    items = items_of(opened(root, tmp_path / "spool"))

    assert [item.problem for item in items] == [None, "the file name is not UTF-8"]
    assert items[1].uri.endswith("/\\xff.jpg")


def test_the_job_sees_the_folder_as_it_was_when_its_listing_began(tmp_path: Path) -> None:
    for name in ("b.jpg", "d.jpg"):
        touch(tmp_path / "root" / name)
    source = opened(tmp_path / "root", tmp_path / "spool", page_items=1)
    pages = source.pages(None)
    first = next(pages)
    touch(tmp_path / "root" / "a.jpg")
    touch(tmp_path / "root" / "c.jpg")

    rest = items_of(opened(tmp_path / "root", tmp_path / "spool"), first.cursor)

    assert [Path(item.uri).name for item in rest] == ["d.jpg"]
    assert [Path(item.uri).name for page in pages for item in page.items] == ["d.jpg"]


def test_a_lost_spool_is_made_again_if_the_folder_is_the_same_and_refused_if_not(
    tmp_path: Path,
) -> None:
    for name in ("b.jpg", "d.jpg"):
        touch(tmp_path / "root" / name)
    cursor = next(opened(tmp_path / "root", tmp_path / "first", page_items=1).pages(None)).cursor

    rest = items_of(opened(tmp_path / "root", tmp_path / "second"), cursor)
    assert [Path(item.uri).name for item in rest] == ["d.jpg"]

    touch(tmp_path / "root" / "a.jpg")
    with pytest.raises(SourceChanged, match="sha256"):
        items_of(opened(tmp_path / "root", tmp_path / "third"), cursor)


def test_a_spool_that_was_cut_off_is_written_anew(tmp_path: Path) -> None:
    touch(tmp_path / "root" / "a.jpg")
    items_of(opened(tmp_path / "root", tmp_path / "spool"))
    (spool,) = (tmp_path / "spool").glob("*.spool")
    spool.write_bytes(b"")

    assert len(items_of(opened(tmp_path / "root", tmp_path / "spool"))) == 1
    assert len(list((tmp_path / "spool").iterdir())) == 2


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "root" / "notes.txt")

    with pytest.raises(SourceError, match="names no images"):
        items_of(opened(tmp_path / "root", tmp_path / "spool"))


def test_a_folder_nested_without_end_is_refused(tmp_path: Path) -> None:
    deep = tmp_path.joinpath("root", *["d"] * (MAX_DEPTH + 1))
    touch(deep / "a.jpg")

    with pytest.raises(SourceError, match="nested deeper than 200 folders"):
        items_of(opened(tmp_path / "root", tmp_path / "spool"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_may_not_be_read_is_refused_by_name() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        touch(root / "data" / "open" / "a.jpg")
        touch(root / "data" / "shut" / "b.jpg")
        (root / "data" / "shut").chmod(0o700)
        (root / "spool").mkdir()
        (root / "spool").chmod(0o777)
        os.seteuid(NOBODY)
        try:
            with pytest.raises(SourceError) as caught:
                items_of(opened(root / "data", root / "spool"))
        finally:
            os.seteuid(0)

    assert str(caught.value) == f"{root}/data/shut may not be read: grant this user access"
