"""Published data sets fetched from where their authors put them: resumed, verified, unpacked whole or not at all.

Addresses and checksums are torchvision's where it knows the set, else their publishers'. Saliency maps come from the
Hugging Face hub, through huggingface_hub (extra `hub`).
"""

import hashlib
import os
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .cache import folder as cache_folder
from .files import DataError, expanded, naming, whole_folder

DataSetName = Literal["stl10", "cifar100", "tiny-imagenet", "fashion-mnist", "3diebench-index", "salmap-stl10"]
"""What can be fetched."""
Tell = Callable[[str, int, int], None]
"""Called with a file's name, the bytes that are there and those that there will be."""
LARGE = 10**9
"""Bytes that are fetched or written without asking, where it is not a data set: those are always asked for."""
_BLOCK = 2**20
_WAIT = 30.0  # seconds without a byte until a server is given up
_ROOM = 1.05  # of the disk that is needed, for the file system's own
_SIE = "https://raw.githubusercontent.com/facebookresearch/SIE/8a959e9e7ef164031540fcab40fc104a3c106600/data/"


class DownloadError(DataError):
    """A file that could not be fetched, or is not what was published; the message says what to do by hand."""


@dataclass(frozen=True)
class Part:
    """One file of a set: where it is, how it is called here, its bytes, and its checksum.

    `checksum` is "md5:…" or "git:…" (the name that git gives to a file with this content). `archive` says what it is
    unpacked as; what lies in an archive is one folder, `folder`.
    """

    address: str
    name: str
    size: int
    checksum: str
    archive: Literal["", "tar", "zip"] = ""
    folder: str = ""


@dataclass(frozen=True)
class DataSet:
    """A published set: its files, the folder below the root in which they lie, and what people should know."""

    parts: tuple[Part, ...]
    folder: str = ""
    about: str = ""
    hub: str = ""
    """name of a set on the Hugging Face hub, instead of parts"""

    @property
    def size(self) -> int:
        """Bytes that are fetched, 0 where only the hub knows."""
        return sum(part.size for part in self.parts)


def sets() -> dict[DataSetName, DataSet]:
    """Every set that can be fetched, by name. Imports torchvision, whose addresses and checksums these are."""
    from torchvision.datasets import CIFAR100, STL10, FashionMNIST

    mirror = FashionMNIST.mirrors[0]
    sizes = {"train-images": 26421880, "train-labels": 29515, "t10k-images": 4422102, "t10k-labels": 5148}
    fashion = [Part(f"{mirror}{n}", n, sizes[n.partition("-idx")[0]], f"md5:{s}") for n, s in FashionMNIST.resources]
    tiny = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
    index = {
        "train_images.npy": (7210368, "2155c85ceb0bc46ae3eeaf81f7bfb20842c74ed3"),
        "train_labels.npy": (335488, "4efe3a07cc6b7edd48cc93ace9c3bb1aa22f0e5b"),
        "val_images.npy": (1815072, "c451307447c645fe1f0efb5de6b62037532e9340"),
        "val_labels.npy": (84544, "6eda944a95017856af929e231c3eac6b071d06c9"),
    }
    return {
        "stl10": DataSet(
            (Part(STL10.url, STL10.filename, 2640397119, f"md5:{STL10.tgz_md5}", "tar", STL10.base_folder),),
            about="113 000 photographs of 96 x 96 pixels, 100 000 of them unlabelled",
        ),
        "cifar100": DataSet(
            (Part(CIFAR100.url, CIFAR100.filename, 169001437, f"md5:{CIFAR100.tgz_md5}", "tar", CIFAR100.base_folder),),
            about="60 000 photographs of 32 x 32 pixels",
        ),
        "tiny-imagenet": DataSet(
            (
                Part(
                    tiny,
                    "tiny-imagenet-200.zip",
                    248100043,
                    "md5:90528d7ca1a48142e341f4ef8d21d0de",
                    "zip",
                    "tiny-imagenet-200",
                ),
            ),
            about="110 000 photographs of 64 x 64 pixels",
        ),
        "fashion-mnist": DataSet(tuple(fashion), "FashionMNIST/raw", "70 000 pictures of clothes, 28 x 28 pixels"),
        "3diebench-index": DataSet(
            tuple(Part(_SIE + name, name, size, f"git:{sha}") for name, (size, sha) in index.items()),
            about="the authors' lists of training and validation objects; the views themselves are 17 GB: "
            "https://dl.fbaipublicfiles.com/SIE/3DIEBench.tar.gz",
        ),
        "salmap-stl10": DataSet(
            (), about="saliency maps of STL-10, as the paper's authors made them", hub="Hafez/salmap-stl10"
        ),
    }


def download(name: str, root: str = "", *, agree: Callable[[str], bool], tell: Tell) -> Path | None:
    """Fetch a set to where its source looks for it; returns that folder, or None where `agree` said no.

    `root` empty: the cache folder (`~/.cache/gazeworld`). `agree` is asked once, with what and how much would be
    fetched. What is there already is left alone, a file that was cut off goes on where it was. Raises ValueError for
    an unknown name, DownloadError where a file cannot be had, is not what was published, or does not fit on the disk.
    """
    known = sets()
    if name not in known:
        raise ValueError(f"unknown data set {name!r}; there are: {', '.join(known)}")
    found, base = known[name], expanded(root, "root") if root else cache_folder()
    place = base / found.folder
    if found.hub:
        return _from_hub(name, found, place, agree, tell)
    missing = [part for part in found.parts if not _there(part, place)]
    if not missing:
        return place
    size = sum(part.size for part in missing)
    if not agree(f"{name}: {found.about}; {amount(size)} to {place}"):
        return None
    place.mkdir(parents=True, exist_ok=True)
    _require_room(place, sum(part.size * (3 if part.archive else 1) for part in missing))
    for part in missing:
        fetch(part, place, tell)
    return place


def refused(question: str) -> bool:
    """The answer of somebody who has not been asked."""
    del question
    return False


def require_agreed(size: int, question: str, agree: Callable[[str], bool]) -> None:
    """Ask whether more than LARGE bytes may be fetched or written. Raises DownloadError where they may not."""
    if size > LARGE and not agree(f"{question}: {amount(size)}"):
        raise DownloadError(
            f"{question}: {amount(size)}, and nobody agreed to that; expected at most {amount(LARGE)} unless agree=… "
            "(on the command line --yes) allows more"
        )


def fetch(part: Part, place: Path, tell: Tell) -> Path:
    """One file of a set, verified and unpacked; the path of what it became. Raises DownloadError."""
    file = place / part.name
    if not file.is_file():
        draft = place / f".{part.name}.part"
        resumed = draft.is_file() and draft.stat().st_size > 0
        _transfer(part, draft, tell)
        sound = _sound(draft, part.checksum)
        if resumed and not sound:  # the published file may have changed in between
            draft.unlink()
            _transfer(part, draft, tell)
            sound = _sound(draft, part.checksum)
        if not sound:
            raise _unsound(draft, part)
        os.replace(draft, file)
    elif not _sound(file, part.checksum):
        raise _unsound(file, part)
    if not part.archive:
        return file
    _unpack(file, part, place)
    file.unlink()
    return place / part.folder


def _there(part: Part, place: Path) -> bool:
    return (place / part.folder).is_dir() if part.archive else (place / part.name).is_file()


def _transfer(part: Part, draft: Path, tell: Tell) -> None:
    """Fetch what is missing of a file. A server that cannot go on in the middle begins again."""
    start = draft.stat().st_size if draft.is_file() else 0
    request = urllib.request.Request(part.address, headers={"User-Agent": "gazeworld"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        with urllib.request.urlopen(request, timeout=_WAIT) as answer:
            start = start if answer.status == 206 else 0
            left = answer.headers.get("Content-Length")
            total = start + int(left) if left else part.size
            with naming(draft), draft.open("ab") as file:
                file.truncate(start)
                done = start
                while block := answer.read(_BLOCK):
                    file.write(block)
                    done += len(block)
                    tell(part.name, done, total)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is missing
            return
        raise _unreachable(part, draft, f"the server answers {error.code} {error.reason}") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise _unreachable(part, draft, str(getattr(error, "reason", error))) from error
    if done < total:
        raise _unreachable(part, draft, f"the connection ended after {done} of {total} bytes")


def _unreachable(part: Part, draft: Path, reason: str) -> DownloadError:
    return DownloadError(
        f"{part.address}: {reason}; the same command goes on from here, or fetch it by hand to "
        f"{draft.parent / part.name} and run the command again"
    )


def _sound(file: Path, checksum: str) -> bool:
    kind, _, expected = checksum.partition(":")
    seen = hashlib.new("sha1" if kind == "git" else kind, usedforsecurity=False)
    if kind == "git":
        seen.update(f"blob {file.stat().st_size}\0".encode())
    with file.open("rb") as data:
        while block := data.read(_BLOCK):
            seen.update(block)
    return seen.hexdigest() == expected


def _unsound(file: Path, part: Part) -> DownloadError:
    return DownloadError(
        f"{file}: {file.stat().st_size} bytes that are not {part.address} as it was published "
        f"(expected {part.size} bytes, {part.checksum}); delete the file and run the command again"
    )


def _unpack(file: Path, part: Part, place: Path) -> None:
    """Unpack an archive beside itself, whole or not at all."""
    try:
        with whole_folder(place / part.folder) as draft, naming(file):
            inside = draft / ".archive"
            if part.archive == "tar":
                with tarfile.open(file) as packed:
                    packed.extractall(inside, filter="data")
            else:
                with zipfile.ZipFile(file) as packed:
                    packed.extractall(inside)
            if not (inside / part.folder).is_dir():
                raise DownloadError(f"{file}: holds no folder {part.folder!r}, expected what {part.address} holds")
            for one in (inside / part.folder).iterdir():
                one.rename(draft / one.name)
            shutil.rmtree(inside)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise DownloadError(f"{file}: cannot be unpacked: {error}; expected what {part.address} holds") from error


def _require_room(place: Path, size: int) -> None:
    free = shutil.disk_usage(place).free
    if free < size * _ROOM:
        raise DownloadError(
            f"{place}: {amount(free)} free, expected {amount(int(size * _ROOM))} for the set and its archive"
        )


def amount(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.1f} MB"


def _from_hub(name: str, found: DataSet, place: Path, agree: Callable[[str], bool], tell: Tell) -> Path | None:
    """The arrays of a set on the hub, laid where the source looks: `<root>/<split>/saliency_<split>.npy`."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise DownloadError(f"{name} comes from the Hugging Face hub: pip install gazeworld[hub]") from error
    try:
        about = huggingface_hub.HfApi().dataset_info(found.hub, files_metadata=True)
        files = [one for one in about.siblings or () if one.rfilename.endswith(".npy")]
        size = sum(one.size or 0 for one in files)
        if not files:
            raise DownloadError(f"{found.hub} on the hub: holds no .npy file, expected saliency_<split>.npy")
        if not agree(f"{name}: {found.about}; {len(files)} files, {amount(size)} to {place}"):
            return None
        place.mkdir(parents=True, exist_ok=True)
        _require_room(place, size)
        for i, one in enumerate(files):
            tell(one.rfilename, i, len(files))
            split = Path(one.rfilename).stem.removeprefix("saliency_")
            got = huggingface_hub.hf_hub_download(found.hub, one.rfilename, repo_type="dataset", local_dir=place)
            wanted = place / split / f"saliency_{split}.npy"
            if Path(got) != wanted:
                wanted.parent.mkdir(parents=True, exist_ok=True)
                os.replace(got, wanted)
        tell(name, len(files), len(files))
    except DownloadError:
        raise
    except Exception as error:  # those of the hub's client and of whichever HTTP library it uses
        raise DownloadError(f"{found.hub} on the hub cannot be fetched: {str(error).splitlines()[0]}") from error
    return place
