"""The help topics that ship with Python as a text for the char-RNN (pydoc_data.topics, Python Software Foundation License).

    python benchmarks/trained/text.py FOLDER

Topics quote each other at length, so each paragraph is taken once, where it comes first. Then every tenth topic in alphabetical order
goes to python-topics-test.txt, the others to python-topics-train.txt. Python's versions differ in these texts; the committed run had
that of 3.11.7. A character that only the test has is left out of it.
"""

import argparse
from pathlib import Path
from pydoc_data.topics import topics  # type: ignore[import-not-found, unused-ignore]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    parts, seen = {"train": "", "test": ""}, set[str]()
    for i, name in enumerate(sorted(topics)):
        paragraphs = [each for each in dict.fromkeys(topics[name].split("\n\n")) if each not in seen]
        seen.update(paragraphs)
        parts["test" if i % 10 == 5 else "train"] += "".join(each + "\n\n" for each in paragraphs)
    known = set(parts["train"])
    parts["test"] = "".join(letter for letter in parts["test"] if letter in known)
    given.folder.mkdir(parents=True, exist_ok=True)
    for part, text in parts.items():
        (given.folder / f"python-topics-{part}.txt").write_text(text, encoding="utf-8")
        print(f"{part}: {len(text)} characters, {len(set(text))} different ones")


if __name__ == "__main__":
    main()
