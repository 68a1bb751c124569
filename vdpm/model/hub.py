"""The Hugging Face hub: weights come from its cache on this machine, else from the network."""

import os
import re
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache

from vdpm.errors import UserError

REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def is_repository(where: str) -> bool:
    """Whether a string may name a repository: owner/name."""
    return bool(REPOSITORY.fullmatch(where))


def download(repository: str, names: tuple[str, ...]) -> Path:
    """The first of the named files that the repository has; what was downloaded before needs no network."""
    for name in names:
        there = try_to_load_from_cache(repository, name)
        if isinstance(there, str):
            return Path(there)
    try:
        files = HfApi().model_info(repository, timeout=10).siblings or []  # at once where there is no network
        has = [name for name in names if name in {file.rfilename for file in files}]
        return Path(hf_hub_download(repository, (has or names)[0]))
    except Exception as error:  # no network, no such repository, no disk: the client's errors have no common base
        raise UserError(
            f"weights {repository} are not on this machine and cannot be downloaded here ({type(error).__name__}): "
            f"download {names[-1]} from https://huggingface.co/{repository}, then name that file"
        ) from error


def upload(folder: Path, repository: str) -> None:
    """Put a folder of weights into a repository, made if there is none; the token is that of `hf auth login`."""
    try:
        api = HfApi()
        api.create_repo(repository, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=os.fspath(folder))
    except Exception as error:  # no network, no such repository, no disk: the client's errors have no common base
        what = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"cannot upload to {repository} ({what}); `hf auth login` sets the token") from error
