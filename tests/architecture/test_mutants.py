"""`.ci/mutants`: what it changes and what it leaves alone, which blocks ran, which tests are asked. What they notice its own run says."""

import ast
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = '''"""Texts stay."""
from dataclasses import dataclass

__all__ = ["a"]
FEW: "int | None" = 3


@dataclass(frozen=True)
class A:
    size: int | None = 4


def f(a: int, b: int = 7, *, c: bool = True) -> int | None:
    """Not 5."""
    if a < 2 and not b:
        return a + 1
    assert a != b, f"{a - 9}"
    for x, y in zip([a], [b], strict=True):
        a -= -x * (y) // max(a, 8)
    return a if a not in (b,) else None


def examples():
    return 1
'''


@pytest.fixture
def mutating(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    from mutating import choose, draw, instrument

    return draw, instrument, choose


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "module.py"
    path.write_text(TEXT)
    return path


def test_one_token_changes_where_something_is_computed(mutating: Any, module: Path) -> None:
    draw, _, _ = mutating
    found = draw.mutants_of(module, module.parent)
    changes = sorted({(m.line, m.old, m.new) for m in found})
    assert changes == sorted([
        (5, "3", "4"), (5, "3", "2"), (10, "4", "5"), (10, "4", "3"), (13, "7", "8"), (13, "7", "6"), (13, "True", "False"),
        (15, "<", "<="), (15, "<", ">"), (15, "2", "3"), (15, "2", "1"), (15, "and", "or"), (15, "not ", ""),
        (16, "+", "-"), (16, "1", "2"), (16, "1", "0"), (16, "a + 1", "None"), (17, "!=", "=="),
        (19, "-=", "+="), (19, "-", ""), (19, "*", "//"), (19, "*", "+"), (19, "//", "*"), (19, "max", "min"),
        (19, "8", "9"), (19, "8", "7"),
        (20, "not in", "in"), (20, "a if a not in (b,) else None", "None"),
    ])  # fmt: skip
    assert len({m.key for m in found}) == len(found)
    for mutant in found:
        text = mutant.put_in(TEXT)
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(TEXT))
        assert (
            text.splitlines()[mutant.line - 1].strip() == mutant.after
            and TEXT.splitlines()[mutant.line - 1].strip() == mutant.before
        )


def test_a_sample_is_its_seed_s_and_little_moves_with_the_code(mutating: Any, module: Path) -> None:
    draw, _, _ = mutating
    every = draw.mutants_of(module, module.parent)
    first = draw.sample(every, module.parent, 1, 9)
    assert first == draw.sample(reversed(every), module.parent, 1, 9) and len(first) == 9
    assert first != draw.sample(every, module.parent, 2, 9)
    module.write_text(TEXT.replace("\nFEW", "\nMORE = 6\nFEW"))
    again = draw.sample(draw.mutants_of(module, module.parent), module.parent, 1, 9)
    assert len({m.key for m in first} & {m.key for m in again}) >= 7


def test_what_compiles_to_the_same_is_not_drawn(mutating: Any, module: Path) -> None:
    draw, _, _ = mutating
    module.write_text("def f():\n    return 4 // 2\n")
    drawn = draw.sample(draw.mutants_of(module, module.parent), module.parent, 1, 99)
    assert {(m.old, m.new) for m in drawn} == {
        ("4", "3"),
        ("//", "*"),
        ("2", "3"),
        ("2", "1"),
        ("4 // 2", "None"),
    }  # 5 // 2 is 2


def test_a_predicate_s_no_is_not_made_none(mutating: Any, module: Path) -> None:
    draw, _, _ = mutating
    module.write_text("def f():\n    return False\n\n\ndef g():\n    return 0\n")
    assert {(m.old, m.new) for m in draw.mutants_of(module, module.parent)} == {
        ("False", "True"), ("0", "1"), ("0", "(-1)"), ("0", "None"),
    }  # fmt: skip


def test_blocks_that_run_are_noted(mutating: Any, module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    _, instrument, _ = mutating
    noted: set[str] = set()
    monkeypatch.setattr(builtins, "__mutating_hits__", noted, raising=False)
    made: dict[str, Any] = {}
    tree = ast.parse(TEXT)
    exec(compile(instrument.instrumented(TEXT, "module.py"), "module.py", "exec"), made)
    assert not noted and made["f"].__doc__ == "Not 5."
    made["f"](1, 0)
    assert noted == {instrument.block_of("module.py", tree, 15), instrument.block_of("module.py", tree, 16)}
    noted.clear()
    made["f"](5, 3)
    assert noted == {instrument.block_of("module.py", tree, 20), instrument.block_of("module.py", tree, 19)}
    assert instrument.block_of("module.py", tree, 5) is None


def test_definitions_that_a_written_text_takes_over_are_noted_as_the_package_s(
    mutating: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import builtins

    _, instrument, _ = mutating
    (tmp_path / "tree" / "package").mkdir(parents=True)
    (tmp_path / "hits" / "code").mkdir(parents=True)
    home = tmp_path / "tree" / "package" / "module.py"
    home.write_text("SIZE = 3\n\n\ndef small(a):\n    return a < SIZE\n\n\ndef other(a):\n    return a\n")
    noted: set[str] = set()
    monkeypatch.setattr(builtins, "__mutating_hits__", noted, raising=False)
    monkeypatch.setenv(instrument.FOLDER, str(tmp_path / "hits"))
    monkeypatch.setattr(instrument.Loader, "root", tmp_path / "tree")
    monkeypatch.setattr(instrument, "HOMES", {})
    written = "SIZE = 3\ndef small(a):\n    return a < SIZE\ndef own(a):\n    return small(a)\n"
    made: dict[str, Any] = {}
    exec(instrument.compiled(written, "<written>", "exec"), made)
    assert made["own"](2) and noted == {"package/module.py:small:0"}
    assert isinstance(instrument.compiled(written, "<written>", "exec", ast.PyCF_ONLY_AST), ast.Module)


def test_caches_are_emptied_for_a_changed_text(mutating: Any, tmp_path: Path) -> None:
    """A child of the process that has the tests must not go by what was read before the change."""
    from mutating import warm

    made: dict[str, Any] = {}
    text = "from functools import cache\n@cache\ndef number():\n    return len(FOUND)\n"
    for name in ("inside", "beside"):
        made[name] = {"FOUND": []}
        exec(compile(text, str(tmp_path / name / "module.py"), "exec"), made[name])
        made[name]["number"]()
        made[name]["FOUND"].append(1)
    functions, caches = warm.found_below(tmp_path / "inside")
    for each in caches:
        each.cache_clear()
    assert [made[name]["number"]() for name in ("inside", "beside")] == [1, 0]
    assert list(functions) == [str(tmp_path / "inside" / "module.py")]


def test_the_closest_tests_are_asked_first(mutating: Any, module: Path) -> None:
    draw, instrument, choose = mutating
    (mutant, *_) = (m for m in draw.mutants_of(module, module.parent) if m.line == 16)
    block = instrument.block_of("module.py", ast.parse(TEXT), 16)
    tests = [
        [choose.Test("a.py::near", 0.5, 1)],
        [choose.Test("b.py::far", 0.1, 3), choose.Test("b.py::slow", 90.0, 2)],
        [choose.Test("c.py::other", 0.1, 1), choose.Test("c.py::more", 0.3, 1)],
        [choose.Test("d.py::shared", 0.1, 9)],
    ]
    made = choose.Map(module.parent)
    for listed, ran, shared in zip(
        tests, [{block: 1}, {block: 3, "x": 3, "y": 1}, {"x": 3}, {}], [(), (), (), [block]], strict=True
    ):
        made.add(listed, ran, shared)
    assert {t.name for t in made.reaching(mutant, TEXT)} == {
        "a.py::near",
        "b.py::far",
        "b.py::slow",
        "d.py::shared",
    }
    rounds = made.rounds(mutant, TEXT, 20.0)
    assert rounds[0][0] == "a.py::near"
    assert sorted(name for names in rounds for name in names) == ["a.py::near", "b.py::far", "d.py::shared"]
    assert made.names == {t.name for listed in tests for t in listed}


def test_the_map_says_of_each_block_who_ran_it(mutating: Any, tmp_path: Path) -> None:
    """Written by a run of pytest: a file of two tests that share a cache, and one that failed, of which nothing is known."""
    import subprocess
    import sys

    _, _, choose = mutating
    (tmp_path / "tree/package").mkdir(parents=True)
    for folder in ("hits/code", "map"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tree/package/__init__.py").write_text(
        "from functools import cache\n@cache\ndef kept():\n    return 1\ndef free(a):\n    if a:\n        return 2\n"
    )
    for name in ("a", "b"):
        (tmp_path / f"tree/test_{name}.py").write_text(
            "from package import free, kept\n"
            "def test_kept():\n    assert kept()\n"
            "def test_free():\n    assert free(1) and kept()\n"
            "def test_fails():\n    assert free(0)\n"
        )
    run = (
        f"import sys, pathlib, pytest\nsys.path[:0] = [{str(ROOT / '.ci')!r}, '.']\n"
        "from mutating import instrument, plugins\n"
        "instrument.install(pathlib.Path.cwd())\n"
        "pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'no:hypothesispytest'], plugins=[plugins.Recorder(pathlib.Path('../map'), 9, 9, 9)])"
    )
    variables = {**os.environ, "NETSPEC_HITS": str(tmp_path / "hits")}
    subprocess.run(
        [sys.executable, "-c", run], cwd=tmp_path / "tree", env=variables, check=True, capture_output=True
    )
    made = choose.read_map(tmp_path / "map", tmp_path / "tree/package")
    assert made.names == {f"test_{file}.py::test_{name}" for file in "ab" for name in ("kept", "free")}
    ran = {
        block: {t.name for t in made.running(f"package/__init__.py:{block}")}
        for block in ("kept:0", "free:0", "free:1")
    }
    assert ran["kept:0"] == {
        "test_a.py::test_kept",
        "test_b.py::test_kept",
    }  # of each file, though it is kept
    assert ran["free:0"] == ran["free:1"] == {"test_a.py::test_free", "test_b.py::test_free"}


def test_the_nearest_files_are_those_that_speak_of_a_place(mutating: Any, tmp_path: Path) -> None:
    draw, _, _ = mutating
    from mutating.near import nearest, words_of

    (tmp_path / "package" / "pictures").mkdir(parents=True)
    (tmp_path / "package/pictures/graphs.py").write_text("def find_places(rows):\n    return len(rows) + 1\n")
    found = draw.mutants_of(tmp_path / "package/pictures/graphs.py", tmp_path)
    texts = {
        "tests/pictures/test_lines.py": "def test_a():\n    assert line",
        "tests/cli/test_graphs.py": "def test_b():\n    assert line",
        "tests/data/test_rows.py": "from package.pictures import graphs\ngraphs.find_places([])",
        "tests/data/test_long.py": "\n".join(f"word{i}" for i in range(99)) + "\nfind_places",
        "tests/data/test_other.py": "def test_c():\n    assert line",
    }
    assert nearest(found, texts, 3) == set(list(texts)[:3])
    assert nearest(found, texts, 9) == set(texts)
    assert nearest([], texts, 3) == set()
    assert {"package.a", "package.a.Bee", "find", "place"} <= words_of(
        "from package.a import Bee\nfind_places()"
    )


def test_what_runs_at_import_belongs_to_what_reads_it(mutating: Any, tmp_path: Path) -> None:
    _, _, choose = mutating
    package = tmp_path / "package"
    package.mkdir()
    (package / "one.py").write_text(
        "class A:\n    size: int = 3\n    more: int = 4\n    def f(self):\n        return 1\nLEAST = 2\n"
    )
    (package / "two.py").write_text("from package.one import LEAST\ndef g(a):\n    return a.size > LEAST\n")
    tree = ast.parse((package / "one.py").read_text())
    assert [choose.readers("package/one.py", tree, line, package) for line in (2, 3, 6)] == [
        ["package/two.py:g:0"], ["package/one.py:A.f:0"], ["package/two.py:g:0"]
    ]  # fmt: skip


def test_what_is_left_out_still_stands(mutating: Any) -> None:
    """A line that was written anew would be asked again, and its reason forgotten."""
    from mutating import __main__ as command

    listed = command.equivalent()
    assert len(listed) > 9 and [key for key in listed if not command.stands(key)] == []


def test_a_page_beside_a_test_file_is_part_of_it(mutating: Any, module: Path) -> None:
    from mutating import __main__ as command

    before = command.hash_of(module)
    (module.parent / "page.md").write_text("a further test")
    assert command.hash_of(module) != before


def test_what_is_asked_again_is_forgotten_in_the_file(mutating: Any, module: Path, tmp_path: Path) -> None:
    draw, _, _ = mutating
    from mutating import __main__ as command

    results = command.Results(tmp_path / "report.json")
    first, second = draw.mutants_of(module, tmp_path)[:2]
    results.add(first, "survived", "3 tests", 0.1)
    results.add(second, "caught", "a test", 0.1)
    results.forget("survived")
    again = command.Results(tmp_path / "report.json")
    assert (again.of(first), again.of(second)["verdict"]) == (None, "caught")


def test_a_number_that_is_a_pace_may_change_either_way(mutating: Any, module: Path) -> None:
    draw, _, _ = mutating
    from mutating import __main__ as command

    line = "return a + 1"
    here = [m for m in draw.mutants_of(module, module.parent) if m.before == line]
    excused = [m.after for m in here if command.excused(m, {("module.py", "f", line)})]
    assert excused == ["return a + 0", "return a + 2"] and len(here) > len(excused)
    every = draw.mutants_of(module, module.parent)
    few = [m.after for m in every if command.excused(m, {("module.py", "", 'FEW: "int | None" =')})]
    assert sorted(few) == ['FEW: "int | None" = 2', 'FEW: "int | None" = 4']


def test_a_function_that_there_is_takes_the_mutants_code(mutating: Any, tmp_path: Path) -> None:
    """Methods, wrapped functions and what stands inside; what is defined elsewhere by the same name stays."""
    from functools import cache

    from mutating import warm

    text = "def wrap(f):\n    return lambda a: f(a) + 1\n\n@wrap\ndef f(a):\n    return [a * b for b in (2, 3)][0]\n\nclass A:\n    def f(self):\n        return 7\n"
    path = tmp_path / "module.py"
    made, other = {"cache": cache}, {}
    exec(compile(text, str(path), "exec"), made)
    exec(compile(text, "other.py", "exec"), other)
    found, _ = warm.found_below(tmp_path)
    assert warm.put_in(found, path, text, text.replace("a * b", "a - b")) == 1
    assert (made["f"](5), other["f"](5), made["A"]().f()) == (4, 11, 7)
    assert warm.put_in(found, path, text, text.replace("7", "8")) == 1
    assert (made["A"]().f(), other["A"]().f()) == (8, 7)
    assert warm.put_in(found, path, text, text.replace("+ 1", "+ 2")) == 2
    assert made["f"](5) == 5  # (5 - 2) + 2
    assert warm.put_in(found, path, text, text + "B = 1\n") == 0
