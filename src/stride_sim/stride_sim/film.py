"""Films of the simulation, written as they go."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stride_sim.errors import RenderError

Image = NDArray[np.uint8]

SUFFIXES = (".mp4", ".gif")


class Film(AbstractContextManager["Film"]):
    """A film into which pictures go one by one. Close it, or use it in a `with`.

    It is playable whenever the process ends: the encoder, a process of its own, ends the film when
    its input does, and writes MP4 in fragments of a second, so that a full disk costs no more.
    """

    def __init__(self, path: str | Path, fps: float, size: tuple[int, int] | None = None) -> None:
        """Begin a film.

        Args:
            path: ending in .mp4 or .gif; an existing file is replaced.
            fps: pictures per second of film; players show GIFs at up to 50.
            size: width and height of every picture, in pixels, even for .mp4; None takes the first
                picture's.

        Raises:
            RenderError: the ending, the size, or a path that cannot be written; one line.
        """
        self._path, self._fps, self._size = Path(path), fps, size
        self._suffix = self._path.suffix.lower()
        if self._suffix not in SUFFIXES:
            raise RenderError(f"film {path}: expected a name that ends in {' or '.join(SUFFIXES)}")
        self._check_size(size or (2, 2))
        if not 1 <= fps <= 240:
            raise RenderError(f"film {path}: {fps} pictures per second: expected 1 to 240")
        self._ffmpeg = _find_ffmpeg()
        try:
            self._path.open("wb").close()
        except OSError as error:
            raise RenderError(f"film {path}: cannot be written: {error.strerror}") from error
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `close`)
        self._encoder: subprocess.Popen[bytes] | None = None
        self._closed = False

    def add(self, picture: Image) -> None:
        """Append one picture (height, width, 3), RGB.

        Raises:
            RenderError: its shape is not the film's, or the film cannot go on (a full disk).
        """
        if self._closed:
            raise RenderError(f"film {self._path}: it is closed")
        if self._size is None:
            self._check_size((picture.shape[1], picture.shape[0]))
            self._size = picture.shape[1], picture.shape[0]
        wanted = (self._size[1], self._size[0], 3)
        if picture.shape != wanted or picture.dtype != np.uint8:
            raise RenderError(
                f"film {self._path}: picture of {picture.dtype} {picture.shape}:"
                f" expected uint8 {wanted}"
            )
        if self._encoder is None:
            self._encoder = self._start(picture)
        try:
            assert self._encoder.stdin is not None
            self._encoder.stdin.write(np.ascontiguousarray(picture).data)
        except OSError:
            self.close()  # raises, with the encoder's own words
            raise RenderError(f"film {self._path}: the encoder went away") from None

    def _check_size(self, size: tuple[int, int]) -> None:
        if min(size) < 1 or (self._suffix == ".mp4" and (size[0] % 2 or size[1] % 2)):
            raise RenderError(f"film {self._path}: size {size}: expected even width and height")

    def _start(self, first: Image) -> subprocess.Popen[bytes]:
        """Start the encoder; the colours of a GIF are those of its first picture."""
        size = f"{first.shape[1]}x{first.shape[0]}"
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size]
        source += ["-r", f"{self._fps:g}", "-i", "pipe:0"]
        palette: list[int] = []
        if self._suffix == ".gif":
            palette = [_palette(first)]
            source += ["-f", "png_pipe", "-i", f"pipe:{palette[0]}"]
            coding = ["-lavfi", "paletteuse=dither=none:diff_mode=rectangle", "-f", "gif"]
        else:
            coding = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "20", "-preset", "veryfast"]
            coding += ["-bf", "0", "-g", f"{round(self._fps)}", "-f", "mp4"]
            coding += ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"]
        try:
            return subprocess.Popen(
                [self._ffmpeg, "-y", "-loglevel", "error", *source, *coding, str(self._path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._messages,
                pass_fds=palette,
                start_new_session=True,  # Ctrl-C is for this process, which then ends the film
            )
        finally:
            for end in palette:
                os.close(end)

    def close(self) -> None:
        """End the film; more than once is harmless.

        Raises:
            RenderError: the encoder failed; what it wrote before stays.
        """
        if self._closed:
            return
        self._closed = True
        status, said = 0, ""
        if self._encoder is not None:
            self._encoder.communicate()  # closes its input, which tells it to finish
            status = self._encoder.returncode
            self._messages.seek(0)
            said = self._messages.read().decode(errors="replace")
        self._messages.close()
        if status != 0:
            first, _, _ = said.strip().partition("\n")  # the cause; consequences follow
            why = re.sub(r"^\[[^\]]*\] ", "", first) or f"the encoder ended with status {status}"
            raise RenderError(f"film {self._path}: cannot go on: {why}")

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def _palette(picture: Image) -> int:
    """Return a pipe from which the 64 colours that suit a picture best can be read, as a PNG."""
    from PIL import Image as Pillow  # here, since only films need it

    colours = np.array(Pillow.fromarray(picture).quantize(64).getpalette(), np.uint8)
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours) // 3] = colours.reshape(-1, 3)
    out, into = os.pipe()
    with os.fdopen(into, "wb") as pipe:  # a few hundred bytes: they fit the pipe
        Pillow.fromarray(table.reshape(16, 16, 3)).save(pipe, "png")
    return out


def _find_ffmpeg() -> str:
    """Return the path of the encoder that imageio-ffmpeg brings, or the system's."""
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped]  # here, only films need it

        path: str = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise RenderError("films need ffmpeg: pip install imageio-ffmpeg") from error
    return path
