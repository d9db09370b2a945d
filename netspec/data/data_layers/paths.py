"""Where the files lie that layers name. Knows no file format; imports nothing heavy."""

from pathlib import Path

from netspec.data.paths import resolve_path, roots_of
from netspec.ir.graph import Graph, Node

__all__ = ["find_layer_file", "folder_of", "home", "reach", "untyped"]


def untyped(graph: Graph) -> dict[Node, bool]:
    """The data layers whose tops have no type yet, and whether the file that each names is there."""
    makers = dict.fromkeys(
        i.node for i in graph.inputs if i.node is not None and i.type is None and i.node.layer.reads
    )
    return {node: there(home(node.layer.source, folder_of(node)) / node.layer.source) for node in makers}  # type: ignore[attr-defined]


def folder_of(node: Node) -> Path:
    """The folder of the spec that a layer stands in."""
    span = node.places["name"]
    if span is not None:
        return Path(span.source.name).absolute().parent
    return Path.cwd()


def home(path: str, folder: Path) -> Path:
    """The folder that a path counts from: the spec's, or, where nothing is there, the current one,
    as Caffe has it.
    """
    if there(folder / path) or not there(Path(path)):
        return folder
    return Path.cwd()


def there(path: Path) -> bool:
    """Whether something lies at a path; what no file can be called does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def find_layer_file(path: str, folder: Path) -> Path:
    """A file that a layer names. Raises SpecError NS642 for a place outside both folders."""
    return resolve_path(path, home(path, folder))


def reach(path: str, folder: Path) -> list[Path]:
    """The folders that a file which a layer names may lie in when it is opened."""
    return roots_of(home(path, folder), folder, allow_outside=False)
