"""OpenGL without a screen: EGL where it works, else OSMesa, else a line on what to install."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from stride_sim.errors import RenderError

BACKENDS = ("egl", "osmesa")
_INSTALL = (
    "install one, on Debian or Ubuntu: apt-get install libegl1 libgl1-mesa-dri (or libosmesa6)"
)
_EGL_DEVICES = 10
_EGL_PLATFORM_DEVICE = 0x313F  # EGL_PLATFORM_DEVICE_EXT


def choose_backend(wanted: str | None = None) -> str:
    """Return "egl" or "osmesa": the one `wanted` if it is one of them, else what works here.

    Libraries are tried by hand, before PyOpenGL, since that settles on one for the whole process.

    Raises:
        RenderError: neither works; one line that names Debian's packages.
    """
    wanted = (wanted or "").strip().lower()
    if wanted in BACKENDS:
        return wanted
    settled = os.environ.get("PYOPENGL_PLATFORM", "").lower()
    if settled in BACKENDS:
        return settled
    if egl_works():
        return "egl"
    if osmesa_works():
        return "osmesa"
    raise RenderError(f"rendering without a screen needs EGL or OSMesa, none is here: {_INSTALL}")


def make_context(backend: str, width: int, height: int) -> Any:
    """Return a current OpenGL context for pictures up to width × height.

    Raises:
        RenderError: the backend does not work here.
    """
    if backend not in BACKENDS:
        raise RenderError(f"rendering by {backend}: expected one of {', '.join(BACKENDS)}")
    try:
        if backend == "egl":
            from mujoco.egl import GLContext
        else:
            from mujoco.osmesa import GLContext
        context = GLContext(width, height)
        context.make_current()
    # PyOpenGL answers a missing library with AttributeError, TypeError, its own errors, ...
    except Exception as error:
        why = " ".join(str(error).split())
        raise RenderError(f"rendering by {backend} fails here ({why}): {_INSTALL}") from error
    return context


def egl_works() -> bool:
    """Whether an EGL device (a GPU, or Mesa's software one) can be opened."""
    try:
        egl = ctypes.CDLL("libEGL.so.1")
        address = egl.eglGetProcAddress
        address.restype, address.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
        query, display_of = address(b"eglQueryDevicesEXT"), address(b"eglGetPlatformDisplayEXT")
    except (OSError, AttributeError):
        return False
    if not query or not display_of:
        return False
    pointer, count = ctypes.c_void_p, ctypes.c_int()
    devices = (pointer * _EGL_DEVICES)()
    list_devices = ctypes.CFUNCTYPE(
        ctypes.c_uint, ctypes.c_int, ctypes.POINTER(pointer), ctypes.POINTER(ctypes.c_int)
    )(query)
    get_display = ctypes.CFUNCTYPE(pointer, ctypes.c_uint, pointer, pointer)(display_of)
    initialize = egl.eglInitialize
    initialize.argtypes, initialize.restype = [pointer, pointer, pointer], ctypes.c_uint
    if not list_devices(_EGL_DEVICES, devices, ctypes.byref(count)):
        return False
    for device in devices[: count.value]:
        display = get_display(_EGL_PLATFORM_DEVICE, device, None)
        if display and initialize(display, None, None):
            return True
    return False


def osmesa_works() -> bool:
    """Whether OSMesa, Mesa's renderer into memory, can be loaded as PyOpenGL would."""
    for name in ("libOSMesa.so", "libOSMesa.so.8", "libOSMesa.so.6"):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False
