"""Ray: the cluster at an address, or one on this machine."""

import re
import socket
from typing import Any

from vdpm.errors import UserError


def connect(address: str | None) -> Any:
    """The module `ray`, connected. Raises `UserError` when it is not installed or nobody listens at the address."""
    try:
        import ray
    except ImportError as error:
        raise UserError("--executor ray: Ray is not installed; pip install '.[ray]'") from error
    wrong = UserError(
        f"--address {address}: no Ray cluster there; start one with 'ray start --head', "
        "or leave --address out to use this machine"
    )
    if address and not _listening(address):
        raise wrong
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False if address is None else None)
    except (ConnectionError, ValueError) as error:
        raise wrong from error
    return ray


def _listening(address: str) -> bool:
    """Whether anyone listens at HOST:PORT, which Ray itself would try to find out for minutes."""
    match = re.fullmatch(r"(?:ray://)?(.+):(\d+)", address)
    if match is None:  # "auto" and its like
        return True
    try:
        socket.create_connection((match[1], int(match[2])), timeout=10).close()
    except OSError:
        return False
    return True
