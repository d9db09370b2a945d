"""onnxruntime-web, from its npm package. In: a folder, or npm; out: the three files that a page
needs, which are those of one release, by their hashes, wherever they come from.
"""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from netspec.diagnostics import fail
from netspec.file_reading import read_bytes

__all__ = ["FILES", "VERSION", "find_runtime"]

VERSION = "1.30.0"
FILES: Mapping[str, str] = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""By SHA-256: what runs in a page is known code, though a folder or a registry gave it."""
MOST = 1 << 28
HOW = f"`npm install onnxruntime-web@{VERSION}` and `--runtime node_modules/onnxruntime-web`"


def find_runtime(folder: str | os.PathLike[str] | None) -> dict[str, bytes]:
    """The files of the runtime: from a folder of the npm package, or fetched by npm. Raises
    SpecError NS744.
    """
    if folder is None:
        return check_files(fetch())
    root = Path(folder)
    dist = root / "dist" if (root / "dist").is_dir() else root
    try:
        return check_files({name: read_bytes(dist / name, None, MOST) for name in FILES})
    except OSError as error:
        fact = f"it is not the package onnxruntime-web: {error.strerror or error}"
        raise fail("NS744", fact, path=str(root), notes=(HOW,)) from error


def check_files(found: Mapping[str, bytes]) -> dict[str, bytes]:
    for name, wanted in FILES.items():
        if name not in found:
            raise fail("NS744", f"onnxruntime-web has no dist/{name}", notes=(HOW,))
        if hashlib.sha256(found[name]).hexdigest() != wanted:
            raise fail("NS744", f"{name} is not that of onnxruntime-web {VERSION}", notes=(HOW,))
    return dict(found)


def fetch() -> dict[str, bytes]:
    """The package as npm packs it; nothing of it is run."""
    npm = shutil.which("npm")
    if npm is None:
        raise fail("NS744", "onnxruntime-web comes from npm, which is not installed", notes=(HOW,))
    with tempfile.TemporaryDirectory() as folder:
        words = [npm, "pack", f"onnxruntime-web@{VERSION}", "--ignore-scripts", "--silent"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        packed = sorted(Path(folder).glob("*.tgz"))
        if done.returncode or not packed:
            reason = (done.stderr.strip() or done.stdout.strip() or "no file").splitlines()[0]
            raise fail("NS744", f"npm could not fetch onnxruntime-web: {reason}", notes=(HOW,))
        return unpack(read_bytes(packed[0], None, MOST))


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of the runtime out of the packed package."""
    wanted, found = {f"package/dist/{name}": name for name in FILES}, dict[str, bytes]()
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for member in archive:
            # no name of the archive becomes a path
            held = archive.extractfile(member) if member.name in wanted else None
            if held is not None:
                found[wanted[member.name]] = held.read(MOST)
    return found
