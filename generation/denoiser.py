"""Open Image Denoise, the copy that Blender brings along and Cycles calls, for images that are not Cycles' own.

Functions and constants: oidn.h of Open Image Denoise 2.3.
"""

import ctypes
from functools import cache, lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float32

from vdpm.errors import UserError

CPU, FLOAT3 = 1, 3
LIBRARY = "libOpenImageDenoise.so.2"
"""Found by its name alone, since bpy has it open."""
Image = Float32[np.ndarray, "H W 3"]


def denoise(colour: Image, albedo: Image, normal: Image) -> Image:
    """Linear light without its noise, led by albedo and normals that have none. One thread: the same bytes each time.

    Raises `UserError` if the library is not there or refuses.
    """
    oidn, device = _device()
    filter, held = _filter(*colour.shape[:2])
    for name, image in {"color": colour, "albedo": albedo, "normal": normal}.items():
        held[name][:] = image
    oidn.oidnExecuteFilter(filter)
    _refused(oidn, device)
    return held["output"].copy()


@lru_cache(maxsize=1)
def _filter(height: int, width: int) -> tuple[int, dict[str, Image]]:
    """A filter and the images that it reads and writes. Kept, since the system takes a while to find it new memory."""
    oidn, device = _device()
    filter = oidn.oidnNewFilter(device, b"RT")
    held = {name: np.zeros((height, width, 3), np.float32) for name in ("color", "albedo", "normal", "output")}
    for name, image in held.items():
        pointer = image.ctypes.data_as(ctypes.c_void_p)
        oidn.oidnSetSharedFilterImage(filter, name.encode(), pointer, FLOAT3, width, height, 0, 0, 0)
    for name in (b"hdr", b"cleanAux"):
        oidn.oidnSetFilterBool(filter, name, True)
    oidn.oidnCommitFilter(filter)
    return filter, held


@cache
def _device() -> tuple[Any, int]:
    """The library and its device, which uses one thread and leaves threads where the system puts them."""
    import bpy  # noqa: F401  # opens the library

    try:
        oidn = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise UserError(
            f"{LIBRARY} cannot be opened ({error}): --neighbours needs the denoiser of bpy for Linux"
        ) from error
    _declare(oidn)
    device = oidn.oidnNewDevice(CPU)
    oidn.oidnSetDeviceInt(device, b"numThreads", 1)
    oidn.oidnSetDeviceBool(device, b"setAffinity", False)
    oidn.oidnCommitDevice(device)
    _refused(oidn, device)
    return oidn, device


def _declare(oidn: Any) -> None:
    handle, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    for name, result, arguments in (
        ("oidnNewDevice", handle, (ctypes.c_int,)),
        ("oidnSetDeviceInt", None, (handle, text, ctypes.c_int)),
        ("oidnSetDeviceBool", None, (handle, text, ctypes.c_bool)),
        ("oidnCommitDevice", None, (handle,)),
        ("oidnGetDeviceError", ctypes.c_int, (handle, ctypes.POINTER(text))),
        ("oidnNewFilter", handle, (handle, text)),
        ("oidnSetSharedFilterImage", None, (handle, text, handle, ctypes.c_int, *[size] * 5)),
        ("oidnSetFilterBool", None, (handle, text, ctypes.c_bool)),
        ("oidnCommitFilter", None, (handle,)),
        ("oidnExecuteFilter", None, (handle,)),
    ):
        function = getattr(oidn, name)
        function.restype, function.argtypes = result, arguments


def _refused(oidn: Any, device: int) -> None:
    message = ctypes.c_char_p()
    if oidn.oidnGetDeviceError(device, ctypes.byref(message)):
        raise UserError(f"the denoiser refuses: {(message.value or b'').decode()}")
