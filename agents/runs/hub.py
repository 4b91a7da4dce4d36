"""Models on the Hugging Face hub: fetched and uploaded by its own client, which is an extra (`hub`)."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from gazeworld.envs.downloads import require_agreed
from gazeworld.envs.files import DataError

from ..rl import MissingExtraError

Agree = Callable[[str], bool]
"""Asked with a sentence that says what, and how much of it."""
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_NEEDED = ("config.json", "model.safetensors")


class HubError(DataError):
    """A model that the hub does not give or take; the message says which, and why."""


def is_id(name: str) -> bool:
    """Whether this may be the name of a model on the hub."""
    return _ID.fullmatch(name) is not None


def require_id(name: str) -> None:
    """Raise HubError unless this may be the name of a model on the hub."""
    if not is_id(name):
        raise HubError(f"{name!r} cannot be the name of a model on the hub, expected one like user/name")


def fetch(
    name: str, revision: str | None, files: Sequence[str], *, agree: Agree, check: Callable[[Path], object]
) -> Path:
    """The folder, in the client's cache, of those of the files that a model on the hub has.

    Without a network it is what was fetched before. `check` looks at the folder when only config.json is there, so that
    other people's models are not fetched for nothing. Raises HubError, MissingExtraError, and DownloadError where more
    would be fetched than is agreed to.
    """
    client = _client(f"{name} on the hub is")
    at = {"revision": revision} if revision else {}
    where = f"{name} on the hub" + (f" at {revision}" if revision else "")
    try:
        about = client.HfApi().model_info(name, files_metadata=True, **at)
    except Exception as error:  # those of the client and of whichever HTTP library it uses
        if _answered(client, error):
            raise HubError(f"{where} cannot be fetched: {_reason(error)}") from error
        try:
            return Path(client.snapshot_download(name, local_files_only=True, allow_patterns=list(files), **at))
        except Exception:
            raise HubError(f"{where} cannot be fetched, and is not in the cache: {_reason(error)}") from error
    there = {one.rfilename: one.size or 0 for one in about.siblings or ()}
    if missing := [one for one in _NEEDED if one not in there]:
        raise HubError(f"{where}: holds no {missing[0]}, expected what gazeworld export writes")
    wanted = [one for one in files if one in there]
    try:
        check(Path(client.hf_hub_download(name, _NEEDED[0], **at)).parent)
        if not all(isinstance(client.try_to_load_from_cache(name, one, revision=about.sha), str) for one in wanted):
            require_agreed(sum(there[one] for one in wanted), f"{where} to fetch", agree)
        return Path(client.snapshot_download(name, allow_patterns=wanted, **at))
    except DataError:
        raise
    except Exception as error:
        raise HubError(f"{where} cannot be fetched: {_reason(error)}") from error


def send(folder: Path, name: str, *, private: bool, message: str) -> str:
    """Upload a folder as a model, made where it is not there yet; returns its address.

    Raises HubError where the hub does not take it, MissingExtraError without its client.
    """
    require_id(name)
    client = _client(f"{name} on the hub is")
    try:
        api = client.HfApi()
        api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=str(folder), commit_message=message)
        return f"{api.endpoint}/{name}"
    except Exception as error:  # those of the client and of whichever HTTP library it uses
        reason = _reason(error)
        help = "; writing needs a token: hf auth login" if re.search(r"\b40[13]\b|token", reason) else ""
        raise HubError(f"{name} on the hub cannot be written: {reason}{help}") from error


def _client(who: str) -> ModuleType:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError(
            f"{who} reached through a package that is not installed ({error}); pip install 'gazeworld[hub]'"
        ) from error
    return huggingface_hub


def _answered(client: ModuleType, error: Exception) -> bool:
    """Whether the hub answered, and said that it does not give this."""
    own = client.utils
    return isinstance(error, own.RepositoryNotFoundError | own.RevisionNotFoundError | own.HFValidationError)


def _reason(error: Exception) -> str:
    """The words of an error that say something, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:300] or type(error).__name__
