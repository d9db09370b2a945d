"""Runs what needs no torch on every net of the zoo, in whatever Python reads this, and prints what each command said as JSON."""

import json
import os
import sys
import time

ROOT = os.environ.get("NETSPEC_ROOT", "/checkout")
sys.path[:0] = [ROOT, *filter(None, [os.environ.get("NETSPEC_SITE", "/site")])]

from click.testing import CliRunner  # noqa: E402 - the path comes first

import netspec  # noqa: E402
from netspec.cli import group  # noqa: E402
from netspec.syntax.paths import zoo_specs  # noqa: E402

FAULTY = """\
netspec: 1
name: faulty
input: {data: [N, 3, 32, 32]}
layers:
  - {name: a, type: Convolutoin, num_output: 3, kernel_size: 3}
  - {name: b, type: Convolution, num_output: many, kernel_sise: 3}
  - {name: c, type: Pooling, pool: MAXX, kernel_size: 0, pad: [1, x]}
  - {name: d, type: InnerProduct}
"""
DAMAGED = ("a: - b\n   - c\n", 'a: "\\d"\n', "[" * 3000, "layers: [{name: a, type: ReLU\n", "a: %b\n")


def commands() -> list[list[str]]:
    lines = []
    for name, _ in list(zoo_specs())[:: int(os.environ.get("NETSPEC_EVERY", "1"))]:
        path = f"zoo:{name}"
        layer = netspec.load(path).graph().graph.nodes[-1].name
        lines += [
            [*command, path] for command in (["check"], ["show"], ["sizes"], ["fmt", "--check"], ["hash"])
        ]
        lines += [["diff", path, "zoo:lenet"], ["explain", path, layer]]
    for number, text in enumerate((FAULTY, *DAMAGED)):
        with open(f"spec{number}.yaml", "w", encoding="utf-8") as file:
            file.write(text)
        lines.append(["check", f"spec{number}.yaml"])
    return [*lines, ["explain", "NS301"], ["layers"], ["layers", "Convolution"]]


def main() -> None:
    runner = CliRunner()
    said, took = {}, {}
    for line in commands():
        began = time.process_time()
        done = runner.invoke(group, line, standalone_mode=False)
        said[" ".join(line)] = [done.return_value, done.output.replace(ROOT, ""), repr(done.exception)]
        took[line[0]] = round(took.get(line[0], 0) + time.process_time() - began, 3)
    print(
        json.dumps(
            {
                "python": sys.version.split()[0],
                "libyaml": "yaml._yaml" in sys.modules,
                "seconds": took,
                "said": said,
            }
        )
    )


if __name__ == "__main__":
    main()
