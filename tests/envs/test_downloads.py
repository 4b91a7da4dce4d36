"""Data sets fetched from a server on this machine: resumed, verified, unpacked whole, one sentence where it fails."""

import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from fakes.archives import write_cifar100, write_tiny_imagenet

from gazeworld.envs import downloads
from gazeworld.envs.downloads import DataSet, DownloadError, Part, download
from gazeworld.envs.images import load_source


class Server(http.server.ThreadingHTTPServer):
    """Files by path; the next answer is cut off after `cut` bytes, and `ranges` says whether it can go on in one."""

    files: dict[str, bytes]
    cut: int | None = None
    ranges = True
    asked: list[tuple[str, str | None]]

    def address(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class Answers(http.server.BaseHTTPRequestHandler):
    """What a plain file server says."""

    server: Server

    def do_GET(self) -> None:
        span = self.headers.get("Range")
        self.server.asked.append((self.path, span))
        data = self.server.files.get(self.path[1:])
        if data is None:
            self.send_error(404)
            return
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and self.server.ranges else 0
        if start >= len(data) > 0:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end, self.server.cut = self.server.cut, None
        self.wfile.write(data[start:end])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answers) as running:
        running.files, running.asked = {}, []
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def yes(_: str) -> bool:
    return True


def quiet(*_: object) -> None:
    pass


def offered(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> Part:
    """A set in miniature, in its real format, on the server instead of where it is published."""
    made, packed = tmp_path / "made", io.BytesIO()
    if name == "cifar100":
        write_cifar100(made)
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(made / "cifar-100-python", "cifar-100-python")
        kind, folder = "tar", "cifar-100-python"
    else:
        write_tiny_imagenet(made)
        with zipfile.ZipFile(packed, "w") as archive:
            for file in sorted((made / "tiny-imagenet-200").rglob("*")):
                archive.write(file, file.relative_to(made))
        kind, folder = "zip", "tiny-imagenet-200"
    data = packed.getvalue()
    server.files[name] = data
    checksum = f"md5:{hashlib.md5(data, usedforsecurity=False).hexdigest()}"
    part = Part(server.address(name), f"{name}.archive", len(data), checksum, kind, folder)
    monkeypatch.setattr(downloads, "sets", lambda: {name: DataSet((part,), about="small pictures")})
    return part


@pytest.mark.parametrize("name", ["cifar100", "tiny-imagenet"])
def test_a_set_is_fetched_to_where_its_source_looks(
    name: str, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offered(server, monkeypatch, tmp_path, name)
    root, said, told = tmp_path / "root", [], []

    def agree(question: str) -> bool:
        said.append(question)
        return True

    assert download(name, str(root), agree=agree, tell=lambda *news: told.append(news)) == root
    assert said[0].startswith(f"{name}: small pictures; ")
    assert said[0].endswith(f"MB to {root}")
    assert told[-1][1] == told[-1][2] == len(server.files[name])
    assert len(load_source(name, split="test", root=str(root)).labels) == {"cifar100": 12, "tiny-imagenet": 6}[name]
    assert [file.name for file in root.iterdir()] == [offered(server, monkeypatch, tmp_path / "2", name).folder]
    server.asked.clear()
    assert download(name, str(root), agree=agree, tell=quiet) == root
    assert not server.asked, "what is there is not fetched again"
    assert len(said) == 1


def test_nothing_is_fetched_where_nobody_agrees(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offered(server, monkeypatch, tmp_path, "cifar100")
    assert download("cifar100", str(tmp_path / "root"), agree=lambda _: False, tell=quiet) is None
    assert not server.asked
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("ranges", [True, False])
def test_what_was_cut_off_goes_on(
    ranges: bool, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    part = offered(server, monkeypatch, tmp_path, "cifar100")
    root, server.ranges, server.cut = tmp_path / "root", ranges, 1000
    with pytest.raises(DownloadError, match=rf"connection ended after 1000 of {part.size} bytes; .* goes on from here"):
        download("cifar100", str(root), agree=yes, tell=quiet)
    assert not (root / part.folder).exists()
    assert download("cifar100", str(root), agree=yes, tell=quiet) == root
    assert [span for _, span in server.asked] == [None, "bytes=1000-"]
    assert len(load_source("cifar100", split="train", root=str(root)).labels) == 12


def test_a_file_that_changed_in_between_is_fetched_anew(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    part = offered(server, monkeypatch, tmp_path, "cifar100")
    root = tmp_path / "root"
    root.mkdir()
    (root / f".{part.name}.part").write_bytes(b"x" * 500)
    assert download("cifar100", str(root), agree=yes, tell=quiet) == root
    assert [span for _, span in server.asked] == ["bytes=500-", None]


def test_what_was_not_published_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    part = offered(server, monkeypatch, tmp_path, "cifar100")
    server.files["cifar100"] = server.files["cifar100"][:-1] + b"\1"
    with pytest.raises(DownloadError, match=rf"{part.size} bytes that are not http.* as it was published .*md5:"):
        download("cifar100", str(tmp_path / "root"), agree=yes, tell=quiet)
    assert not (tmp_path / "root" / part.folder).exists()
    (tmp_path / "root" / f".{part.name}.part").unlink()
    (tmp_path / "root" / part.name).write_bytes(b"by hand")
    with pytest.raises(DownloadError, match=r"7 bytes that are not http.*delete the file"):
        download("cifar100", str(tmp_path / "root"), agree=yes, tell=quiet)


@pytest.mark.parametrize(
    ("address", "reason"),
    [("http://127.0.0.1:1/x", "refused"), ("{server}nothing", "404"), ("http://no.invalid/x", "")],
)
def test_a_server_that_has_nothing_is_one_sentence(
    address: str, reason: str, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    part = Part(address.format(server=server.address()), "x.npy", 10, "md5:0")
    monkeypatch.setattr(downloads, "sets", lambda: {"s": DataSet((part,))})
    with pytest.raises(DownloadError, match=rf"{reason}.*; the same command goes on from here, or fetch it by hand to"):
        download("s", str(tmp_path), agree=yes, tell=quiet)


def test_a_full_disk_and_an_unknown_name_are_told_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    part = Part("http://127.0.0.1:1/x", "x.npy", 10**17, "md5:0")
    monkeypatch.setattr(downloads, "sets", lambda: {"s": DataSet((part,))})
    with pytest.raises(DownloadError, match=r"GB free, expected 105000000\.0 GB"):
        download("s", str(tmp_path), agree=yes, tell=quiet)
    with pytest.raises(ValueError, match="unknown data set 'stl11'; there are: s"):
        download("stl11", agree=yes, tell=quiet)


def test_an_archive_cannot_write_outside_of_its_folder(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
    data = server.files["t"] = packed.getvalue()
    part = Part(server.address("t"), "t.tar", len(data), f"md5:{hashlib.md5(data).hexdigest()}", "tar", "inside")
    monkeypatch.setattr(downloads, "sets", lambda: {"t": DataSet((part,))})
    with pytest.raises(DownloadError, match=r"cannot be unpacked: .*outside"):
        download("t", str(tmp_path / "root"), agree=yes, tell=quiet)
    assert not (tmp_path / "outside").exists()
    assert not [one for one in (tmp_path / "root").iterdir() if one.is_dir()]


def test_published_sets_have_the_addresses_and_checksums_of_torchvision() -> None:
    known = downloads.sets()
    assert set(known) == {"stl10", "cifar100", "tiny-imagenet", "fashion-mnist", "3diebench-index", "salmap-stl10"}
    assert set(known) == set(get_args(downloads.DataSetName)), "what the command offers"
    assert known["stl10"].parts[0].checksum == "md5:91f7769df0f17e558f3565bffb0c7dfb"
    assert known["stl10"].size > 2.6e9
    assert known["fashion-mnist"].parts[0].name == "train-images-idx3-ubyte.gz"
    for one in known.values():
        assert one.about
        assert all(part.size > 0 and part.checksum.partition(":")[0] in ("md5", "git") for part in one.parts)


class Hub(Answers):
    """As much of the Hugging Face hub as fetching a set of arrays needs."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        if "/api/datasets/" in self.path:
            siblings = [{"rfilename": one, "size": len(data)} for one, data in self.server.files.items()]
            data = json.dumps({"id": "Hafez/salmap-stl10", "sha": "1" * 40, "siblings": siblings}).encode()
        else:
            data = self.server.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", "1" * 40)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


FETCHES = """
import sys
from gazeworld.envs.downloads import download
print(download("salmap-stl10", sys.argv[1], agree=lambda q: print(q) or True, tell=lambda *_: None))
"""


@pytest.mark.parametrize("there", [True, False])
def test_saliency_maps_come_from_the_hub(there: bool, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="extra hub is not installed")
    maps = io.BytesIO()
    np.save(maps, np.full((2, 1, 96, 96), 1 / 96**2, np.float32))
    with Server(("127.0.0.1", 0), Hub) as hub:
        hub.files, hub.asked = {"saliency_test.npy": maps.getvalue(), "README.md": b"maps"}, []
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        address = hub.address()[:-1] if there else "http://127.0.0.1:1"
        own = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        command = [sys.executable, "-c", FETCHES, str(tmp_path / "root")]
        done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=False)
        hub.shutdown()
    if not there:
        assert "DownloadError: Hafez/salmap-stl10 on the hub cannot be fetched: " in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("salmap-stl10: saliency maps of STL-10")
    assert "; 1 files, 0.1 MB to " in done.stdout
    assert np.load(tmp_path / "root" / "test" / "saliency_test.npy").shape == (2, 1, 96, 96)
