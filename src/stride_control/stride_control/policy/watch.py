"""A folder in which a new or changed policy shall take over by itself."""

from __future__ import annotations

from pathlib import Path

_Mark = tuple[int, int, int]


class FolderWatch:
    """Looks for files that have changed and come to rest since; what is there at first is old."""

    def __init__(self, folder: Path) -> None:
        """Raises ValueError, one line, where there is no folder."""
        if not folder.is_dir():
            raise ValueError(f"watch: {folder}: expected a folder")
        self._folder = folder
        self._known = self._seen = self._marks()

    def look(self) -> Path | None:
        """The newest file that changed before the last look and not since; told once."""
        marks = self._marks()
        at_rest = {f: m for f, m in marks.items() if self._seen.get(f) == m}
        self._seen = marks
        fresh = {f: m for f, m in at_rest.items() if self._known.get(f) != m}
        self._known = {**self._known, **fresh}
        return max(fresh, key=lambda file: fresh[file], default=None)

    def _marks(self) -> dict[Path, _Mark]:
        """Time, size and inode of every file; a copy that goes on changes the first two."""
        found: dict[Path, _Mark] = {}
        try:
            files = [*self._folder.glob("*.onnx"), *self._folder.glob("*/*.onnx")]
        except OSError:  # a folder went within the look: the next one says more
            return found
        for file in files:
            try:
                stat = file.stat()
            except OSError:  # gone again
                continue
            found[file] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        return found
