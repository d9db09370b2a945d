"""Slips of the keyboard in a whole text, made without knowing what it says: for tracebacks, and to read what is said of them."""

import random
import re
from collections.abc import Callable

__all__ = ["SLIPS", "slip"]


def any_line(lines: list[str], rng: random.Random) -> int:
    """A line with something on it."""
    return rng.choice([i for i, line in enumerate(lines) if line.strip()] or [0])


def without_line(lines: list[str], rng: random.Random) -> None:
    del lines[any_line(lines, rng)]


def twice(lines: list[str], rng: random.Random) -> None:
    i = any_line(lines, rng)
    lines.insert(i, lines[i])


def swapped(lines: list[str], rng: random.Random) -> None:
    i, j = any_line(lines, rng), any_line(lines, rng)
    lines[i], lines[j] = lines[j], lines[i]


def tabbed(lines: list[str], rng: random.Random) -> None:
    i = any_line(lines, rng)
    lines[i] = "\t" + lines[i].lstrip() if rng.random() < 0.5 else lines[i].replace(": ", ":\t", 1)


def shifted(lines: list[str], rng: random.Random) -> None:
    i = any_line(lines, rng)
    lines[i] = " " * rng.randrange(9) + lines[i].lstrip()


def at(
    pattern: str, change: Callable[[str, random.Random], str]
) -> Callable[[list[str], random.Random], None]:
    """A slip at one place where a pattern stands."""

    def made(lines: list[str], rng: random.Random) -> None:
        places = [(i, m) for i, line in enumerate(lines) for m in re.finditer(pattern, line)]
        if places:
            i, m = rng.choice(places)
            lines[i] = lines[i][: m.start()] + change(m[0], rng) + lines[i][m.end() :]

    return made


def gone(text: str, rng: random.Random) -> str:
    i = rng.randrange(len(text))
    return text[:i] + text[i + 1 :]


def crossed(text: str, rng: random.Random) -> str:
    i = rng.randrange(len(text) - 1)
    return text[:i] + text[i + 1] + text[i] + text[i + 2 :]


SLIPS: dict[str, Callable[[list[str], random.Random], None]] = {
    "line gone": without_line,
    "line twice": twice,
    "lines swapped": swapped,
    "tab": tabbed,
    "shifted": shifted,
    "digit gone": at(r"\d+", gone),
    "digit more": at(r"\d+", lambda text, rng: text + rng.choice("0123456789")),
    "off by one": at(r"(?<![\w.])\d+(?![\w.])", lambda text, rng: str(int(text[:9]) + rng.choice((-1, 1)))),
    "letters crossed": at(r"[A-Za-z_]{2,}", crossed),
    "letter gone": at(r"[A-Za-z_]{2,}", gone),
    "wrong case": at(r"[A-Za-z]+", lambda text, _: text.swapcase()),
    "colon gone": at(r":", lambda _, __: ""),
    "space gone": at(r": |, |- ", lambda text, _: text.strip()),
    "comma gone": at(r",", lambda _, __: ""),
    "bracket gone": at(r"[\[\]{}]", lambda _, __: ""),
    "bracket wrong": at(r"[\[\]{}]", lambda _, rng: rng.choice("[]{}()")),
    "quote gone": at(r"[\"']", lambda _, __: ""),
    "quote more": at(r"\w+", lambda text, _: '"' + text),
    "dollar gone": at(r"\$", lambda _, __: ""),
    "dollar more": at(r"(?<=: )\w+", lambda text, _: "$" + text),
    "dash gone": at(r"- ", lambda _, __: ""),
    "sign": at(r"(?<=[ \[])\d+", lambda text, _: "-" + text),
    "odd byte": at(r".", lambda text, rng: text + rng.choice("\x00\x07\u2028\ufeff\ud83d\u00a0%@`!&*|>?#\\")),
    "value other": at(
        r"(?<=: )[\w.]+",
        lambda _, rng: rng.choice(["null", "[]", "{}", "1e999", "-0", ".inf", "'", "*x", "&x", "<<", "0x10"]),
    ),
    "anchor": at(r"(?<=: )[\[{]", lambda text, _: "&a " + text),
}
"""By name: changes lines in place."""


def slip(text: str, rng: random.Random, kind: str | None = None) -> tuple[str, str]:
    """A text with one slip, and its kind."""
    kind = kind or rng.choice(list(SLIPS))
    lines = text.split("\n")
    SLIPS[kind](lines, rng)
    return "\n".join(lines), kind
