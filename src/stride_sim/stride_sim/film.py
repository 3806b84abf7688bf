"""Films of the simulation, written as they go."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from stride_sim.errors import RenderError

# MP4 in fragments of a second, each playable once written, so that a killed process or a full disk
# costs at most the last second. GIF with a palette for each picture, for the same reason.
_ENCODERS = {
    ".mp4": [
        "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "20", "-preset", "veryfast",
        "-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-f", "mp4",
    ],
    ".gif": [
        "-filter_complex",
        "split[a][b];[a]palettegen=stats_mode=single:max_colors=128[p];[b][p]paletteuse=new=1:dither=none",
        "-f", "gif",
    ],
}  # fmt: skip


class Film:
    """A film into which pictures go one by one. Close it, or use it in a `with`."""

    def __init__(self, path: str | Path, fps: float, size: tuple[int, int]) -> None:
        """Begin a film.

        Args:
            path: ending in .mp4 or .gif; an existing file is replaced.
            fps: pictures per second of film.
            size: width and height of every picture, in pixels; even for .mp4.

        Raises:
            RenderError: the ending, the size, or a path that cannot be written; one line.
        """
        self._path, (self._width, self._height) = Path(path), size
        suffix = self._path.suffix.lower()
        if suffix not in _ENCODERS:
            raise RenderError(f"film {path}: expected a name that ends in {' or '.join(_ENCODERS)}")
        if suffix == ".mp4" and (self._width % 2 or self._height % 2):
            raise RenderError(f"film {path}: size {size}: expected even width and height")
        if not 1 <= fps <= 240:
            raise RenderError(f"film {path}: {fps} pictures per second: expected 1 to 240")
        try:
            self._path.open("wb").close()
        except OSError as error:
            raise RenderError(f"film {path}: cannot be written: {error.strerror}") from error
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        # A session of its own: Ctrl-C reaches this process only, which ends the film in order; and
        # should this process be killed, the encoder sees the end of its input and ends the film.
        self._encoder: subprocess.Popen[bytes] | None = subprocess.Popen(
            [
                _ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
                "-s", f"{self._width}x{self._height}", "-r", f"{fps:g}", "-i", "-",
                *_ENCODERS[suffix], *(["-g", f"{round(fps)}"] if suffix == ".mp4" else []),
                str(self._path),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._messages,
            start_new_session=True,
        )  # fmt: skip

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Append one picture (height, width, 3), RGB.

        Raises:
            RenderError: its shape is not the film's, or the film cannot go on (a full disk).
        """
        if picture.shape != (self._height, self._width, 3) or picture.dtype != np.uint8:
            raise RenderError(
                f"film {self._path}: picture of {picture.dtype} {picture.shape}:"
                f" expected uint8 {(self._height, self._width, 3)}"
            )
        if self._encoder is None or self._encoder.stdin is None:
            raise RenderError(f"film {self._path}: it is closed")
        try:
            self._encoder.stdin.write(np.ascontiguousarray(picture).data)
        except OSError:
            self.close()  # raises with the encoder's own words
            raise RenderError(f"film {self._path}: the encoder went away") from None

    def close(self) -> None:
        """End the film; more than once is harmless.

        Raises:
            RenderError: the encoder failed; what it wrote before stays.
        """
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        try:
            if encoder.stdin is not None:
                encoder.stdin.close()
        except OSError:
            pass  # it failed, and says so below
        status = encoder.wait()
        with self._messages as messages:
            messages.seek(0)
            said = messages.read().decode(errors="replace").split("\n")
        if status != 0:
            why = next((line.strip() for line in reversed(said) if line.strip()), f"status {status}")
            raise RenderError(f"film {self._path}: cannot go on: {why}")

    def __enter__(self) -> Film:
        """Return the film itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def _ffmpeg() -> str:
    """Path of the encoder, that of imageio-ffmpeg or the system's."""
    try:
        import imageio_ffmpeg  # here, since only films need it

        path: str = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise RenderError("films need ffmpeg: pip install imageio-ffmpeg") from error
    return path
