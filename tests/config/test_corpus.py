"""Which files a corpus is made of, in which order, and what is said when there are none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from craft.config.corpus import LEFT_OUT, Corpus, CorpusFacts, open_corpus
from craft.config.reading import read_documents, take_facts
from craft.config.schema.data import PythonStdlibData, TextFilesData
from craft.errors import DataError

DATA = TextFilesData(path="any")


def read_corpus(corpus: Corpus, say: Any) -> tuple[list[str], CorpusFacts]:
    """Each document whole, and what all of it amounts to."""
    facts = take_facts(corpus, say)
    return [text for document in read_documents(DATA, corpus, say) if (text := "".join(document))], facts


def text(path: Any, **settings: Any) -> Corpus:
    paths = [str(p) for p in path] if isinstance(path, list) else str(path)
    return open_corpus(TextFilesData(path=paths, **settings))


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"this is {name}\n")


def names_of(corpus: Corpus, folder: Path) -> list[str]:
    return [file.path.relative_to(folder).as_posix() for file in corpus.files]


def read(corpus: Corpus) -> list[str]:
    return read_corpus(corpus, lambda _: None)[0]


def fault(path: Any, **settings: Any) -> str:
    with pytest.raises(DataError) as raised:
        read(text(path, **settings))
    return str(raised.value)


# One's own text ---------------------------------------------------------------------------------------------------


def test_a_file_is_itself_whatever_its_name(tmp_path: Path) -> None:
    write(tmp_path, "notes", "what [1]*.md")
    assert read(text(tmp_path / "notes")) == ["this is notes\n"]
    assert read(text(tmp_path / "what [1]*.md")) == ["this is what [1]*.md\n"]


def test_a_folder_is_its_matching_files_in_order(tmp_path: Path) -> None:
    write(tmp_path, "b.txt", "a/z.txt", "a/b/c.txt", "a.txt", "a-b.txt", "B.txt", "é.txt", "x.md", "a/.hidden.txt")
    write(tmp_path, ".git/y.txt", "z.txt/in.txt")
    expected = ["B.txt", "a/b/c.txt", "a/z.txt", "a-b.txt", "a.txt", "b.txt", "z.txt/in.txt", "é.txt"]
    assert names_of(text(tmp_path), tmp_path) == expected
    assert names_of(text(tmp_path, pattern="*.txt"), tmp_path) == ["B.txt", "a-b.txt", "a.txt", "b.txt", "é.txt"]
    assert names_of(text(tmp_path, pattern="**/*.md"), tmp_path) == ["x.md"]
    assert names_of(text(tmp_path, pattern="**/.*.txt"), tmp_path) == ["a/.hidden.txt"]
    assert set(names_of(text(tmp_path, pattern="**"), tmp_path)) == {*expected, "x.md"}


def test_a_glob_is_what_matches_it(tmp_path: Path) -> None:
    write(tmp_path, "one/a.txt", "two/a.txt", "two/b.txt", "three/deep/a.txt")
    assert names_of(text(tmp_path / "t*" / "a.txt"), tmp_path) == ["two/a.txt"]
    assert names_of(text(tmp_path / "**" / "a.txt"), tmp_path) == ["one/a.txt", "three/deep/a.txt", "two/a.txt"]
    assert names_of(text(tmp_path / "two" / "[ab].txt"), tmp_path) == ["two/a.txt", "two/b.txt"]


def test_a_list_keeps_its_order_and_names_each_file_once(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "b.txt", "c.txt")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    corpus = text([tmp_path / "c.txt", tmp_path / "link.txt", tmp_path, tmp_path / "*.txt", f"{tmp_path}/./b.txt"])
    assert names_of(corpus, tmp_path) == ["c.txt", "link.txt", "b.txt"]


def test_the_order_is_that_of_names_and_not_of_the_disk(tmp_path: Path) -> None:
    names = [f"{number * 37 % 100:02}.txt" for number in range(100)]
    write(tmp_path, *names)
    assert names_of(text(tmp_path), tmp_path) == sorted(names)


def test_linked_folders_without_end_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "a/a.txt")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    assert names_of(text(tmp_path), tmp_path) == ["a/a.txt"]


def test_text_is_kept_as_it_is_but_for_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\x00\x1b[0m")
    (tmp_path / "empty.txt").touch()
    documents, facts = read_corpus(text(tmp_path), lambda _: None)
    assert documents == ["one\r\ntwo\rthree\x00\x1b[0m"]
    assert (facts.num_documents, facts.num_bytes) == (1, 22)


def test_one_line_without_end_is_fine(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 40_000_000)
    read: list[int] = []
    assert [len(document) for document in read_corpus(text(tmp_path), read.append)[0]] == [40_000_000]
    assert sum(read) == 80_000_000, "once for what it amounts to, once for the text"
    assert max(read) < 5_000_000


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path, "here/a.md", "here/b.md")
    assert fault(tmp_path / "gone.txt") == f"{tmp_path}/gone.txt: no such file or folder; set data.path"
    assert f"({tmp_path} is there, gone is not)" in fault(tmp_path / "gone" / "text.txt")
    assert f'{tmp_path}/here: no file in this folder matches "**/*.txt" (it holds a.md, b.md)' in fault(
        tmp_path / "here"
    )
    assert "set data.pattern" in fault(tmp_path / "here")
    assert f'{tmp_path}/here: no file in this folder matches "*.txt"' in fault(tmp_path / "here" / "*.txt")
    assert f"no such folder: {tmp_path}/nowhere" in fault(tmp_path / "nowhere" / "*.txt")
    (tmp_path / "empty").mkdir()
    assert "(it is empty)" in fault(tmp_path / "empty")
    assert "an empty list" in fault([])
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    assert "dangling: no such file" in fault(tmp_path / "dangling")


@pytest.mark.parametrize("pattern", ["", "/etc/*", "../*", "a**b/*.txt"])
def test_a_pattern_that_is_none_is_named(pattern: str, tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    assert f'"{pattern}"' in fault(tmp_path, pattern=pattern)


def test_a_text_of_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbf")
    assert fault(tmp_path / "a.txt") == f"{tmp_path}/a.txt: there is no text in 1 file; set data.path"
    assert "there is no text in 2 files" in fault(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a" * 1000 + b"\xe9t\xe9", "not UTF-8: byte 0xe9 at offset 1,000; if it is ISO-8859-1, `iconv -f ISO-8859-1"),
        ("hé".encode("utf-16"), "not UTF-8: byte 0xff at offset 0; if it is UTF-16, `iconv -f UTF-16"),
        (b"cut \xe2\x82", "not UTF-8: byte 0xe2 at offset 4"),
        (b"\xed\xa0\x80", "not UTF-8: byte 0xed at offset 0"),
    ],
)
def test_what_is_not_utf8_is_named_with_its_place(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    assert f"{tmp_path}/a.txt: {said}" in fault(tmp_path)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert "pipe.txt: a named pipe, not a file" in fault(tmp_path / "pipe.txt")
    assert "a device, not a file" in fault("/dev/zero")
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert "a socket, not a file" in fault(tmp_path / "socket")
    write(tmp_path, "a.txt")
    assert names_of(text(tmp_path), tmp_path) == ["a.txt"]


def test_a_file_that_goes_away_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    corpus = text(tmp_path)
    (tmp_path / "a.txt").unlink()
    with pytest.raises(DataError, match=r"a\.txt: cannot be read: No such file"):
        read(corpus)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_an_unreadable_file_is_named() -> None:
    assert fault("/proc/self/mem") == "/proc/self/mem: cannot be read: Input/output error"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_folder_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a/a.txt")
    (tmp_path / "a").chmod(0)
    assert "Permission denied" in fault(tmp_path / "a")


def test_content_is_what_is_read_and_not_where_it_lies(tmp_path: Path) -> None:
    def facts(folder: str, *names: str) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in names:
            (tmp_path / folder / name).write_text(name[1:])
        return read_corpus(text(tmp_path / folder), lambda _: None)[1].content

    first = facts("one", "aone.txt", "btwo.txt")
    assert first == facts("two", "cone.txt", "dtwo.txt")
    assert first != facts("three", "aone.txt", "btwo2.txt")
    assert first != facts("four", "aone.txtbtwo.txt")


def test_the_signature_follows_every_change_of_a_file(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "b.txt")
    signatures = [text(tmp_path).signature()]
    assert text(tmp_path).signature() == signatures[0]
    times = (tmp_path / "a.txt").stat()
    (tmp_path / "a.txt").write_text("this is A.txt\n")
    signatures.append(text(tmp_path).signature())
    os.utime(tmp_path / "a.txt", ns=(times.st_atime_ns, times.st_mtime_ns))
    (tmp_path / "new").write_text("this is B.txt\n")
    (tmp_path / "new").replace(tmp_path / "a.txt")
    os.utime(tmp_path / "a.txt", ns=(times.st_atime_ns, times.st_mtime_ns))
    signatures.append(text(tmp_path).signature())
    (tmp_path / "b.txt").rename(tmp_path / "c.txt")
    signatures.append(text(tmp_path).signature())
    assert len(set(signatures)) == 4


# The standard library ---------------------------------------------------------------------------------------------


def test_the_standard_library_is_its_sources_in_order() -> None:
    root = Path(sysconfig.get_path("stdlib"))
    corpus = open_corpus(PythonStdlibData())
    names = names_of(corpus, root)
    assert names == sorted(names, key=lambda name: name.split("/"))
    assert {"argparse.py", "json/decoder.py", "asyncio/base_events.py", "zoneinfo/_zoneinfo.py"} <= set(names)
    parts = {part.removesuffix(".py") for name in names for part in name.split("/")}
    assert not parts & LEFT_OUT
    assert {name.split("/")[0].removesuffix(".py") for name in names} <= sys.stdlib_module_names
    assert not any("site-packages" in name or "sitecustomize" in name for name in names)
    version = ".".join(map(str, sys.version_info[:3]))
    assert corpus.source.startswith(f"Python {version}")

    documents, facts = read_corpus(corpus, lambda _: None)
    assert all(document.isascii() for document in documents)
    assert 90 <= len(set().union(*documents)) <= 100
    assert facts.num_bytes == sum(map(len, documents)) > 5_000_000
    assert facts.num_left_out == len(names) - len(documents) - sum(file.size == 0 for file in corpus.files)
    assert 5 < facts.num_left_out < 40
    assert read_corpus(open_corpus(PythonStdlibData()), lambda _: None)[1] == facts


def test_max_bytes_ends_after_the_file_that_reaches_it() -> None:
    everything = read(open_corpus(PythonStdlibData()))
    documents, facts = read_corpus(open_corpus(PythonStdlibData(max_bytes=200_000)), lambda _: None)
    assert documents == everything[: len(documents)]
    assert facts.num_bytes >= 200_000 > facts.num_bytes - len(documents[-1])


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs another Python")
def test_what_distributions_change_is_left_out() -> None:
    """The names that this Python's library and the system's share cover nearly all of both, whoever packed them."""
    script = "import sys, sysconfig; print(*sys.version_info[:2], sysconfig.get_path('stdlib'))"
    major, minor, root = subprocess.run(
        ["/usr/bin/python3", "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    if (int(major), int(minor)) != sys.version_info[:2]:
        pytest.skip("the system's Python is another version")
    from craft.config.corpus import _stdlib_sources

    ours = set(_stdlib_sources(Path(sysconfig.get_path("stdlib")), top=True))
    theirs = set(_stdlib_sources(Path(root), top=True))
    assert len(ours ^ theirs) <= 2, "a file or two may have come with a later release"
