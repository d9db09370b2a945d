"""What pyproject.toml cannot say: specs/ is installed as netspec/specs, for `zoo:` names from a wheel; each data folder is named."""

import os
import sys

from setuptools import find_packages, setup

FOLDERS = [folder for folder, _, files in os.walk("specs") if any(name.endswith(".yaml") for name in files)]
SPECS = {"netspec." + folder.replace(os.sep, "."): folder for folder in sorted({"specs", *FOLDERS})}
PAGES = ("netspec.diagnostics.pages", "netspec.reference.pages")

# from a checkout the zoo is read where it lies; with no folder moved, setuptools needs no import hook, which costs every start 20 ms
MOVED = {"": "."} if "editable_wheel" in sys.argv else SPECS

setup(
    packages=[*find_packages(include=["netspec*"]), *PAGES, *(name for name in SPECS if name in MOVED)],
    package_dir=MOVED,
    package_data={
        "netspec": ["py.typed"],
        "netspec.exporters.web": ["page/*"],
        "netspec.serving": ["page.html"],
        **{name: ["*.md"] for name in PAGES},
        **{name: ["*.yaml"] for name in SPECS if name in MOVED},
    },
    include_package_data=False,
)
