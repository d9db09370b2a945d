"""A copy of the tree in which tests run in forked children: heavy libraries are imported once, the package under test in each child.

The working tree is never changed.
"""

import contextlib
import importlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["MARGIN", "Workshop"]

MARGIN = 60.0
"""Seconds that a mutant may take beyond what its tests took."""

HEAVY = ("torch", "numpy", "onnx", "onnxruntime", "pytest", "hypothesis", "yaml", "click", "jsonschema", "PIL.Image", "safetensors.torch",
         "onnx.checker", "onnx.helper", "onnx.numpy_helper", "torch.nn.functional", "onnx.reference", "h5py")  # fmt: skip
"""Not the package under test, nor what imports it."""


class Workshop:
    """`folder`/tree is the copy; what lies beside the working tree under the name of shared/ is beside the copy, too."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder, self.tree = root, folder, folder / "tree"
        self.log = folder / "log.txt"

    def prepare(self) -> None:
        """Copy what git knows and does not ignore; import what is heavy."""
        shutil.rmtree(self.tree, ignore_errors=True)
        listed = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"], cwd=self.root, capture_output=True, check=True
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (self.root / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.root / name, self.tree / name)
        beside = self.root.parent / "shared"
        if beside.exists() and not (self.folder / "shared").exists():
            (self.folder / "shared").symlink_to(beside)
        for name in HEAVY:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)

    @contextmanager
    def changed(self, module: str, text: str) -> Iterator[None]:
        """The copy with another text in one file. Its time differs, lest compiled code of the one be taken for the other's."""
        path = self.tree / module
        kept, status = path.read_bytes(), path.stat()
        try:
            path.write_bytes(text.encode())
            os.utime(path, (status.st_atime, status.st_mtime + 10))
            yield
        finally:
            path.write_bytes(kept)
            os.utime(path, (status.st_atime, status.st_mtime))

    def forked(
        self, work: Callable[[], int], seconds: float, variables: dict[str, str], bare: bool = False
    ) -> int | None:
        """The exit status of `work` in a child that stands in the copy; None where it took too long. bare: of a child's child, which
        stands there already."""
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            self.child(work, seconds, variables, bare)
        end = time.monotonic() + 4 * seconds + 60
        try:
            while time.monotonic() < end:
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    code = os.waitstatus_to_exitcode(status)
                    return None if code == -signal.SIGXCPU else code
                time.sleep(0.02)
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # what its tests started and left
                os.killpg(child, signal.SIGKILL)

    def child(self, work: Callable[[], int], seconds: float, variables: dict[str, str], bare: bool) -> None:
        code = 70
        try:
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 10))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if bare:
                code = work()
                return
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(log, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.chdir(self.tree)
            sys.path[:] = [
                str(self.tree),
                *(p for p in sys.path if Path(p or ".").resolve() not in (self.root, self.root / ".ci")),
            ]
            os.environ.update(variables)
            code = work()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
