"""What pyproject.toml cannot say: specs/ is installed as netspec/specs, for `zoo:` names from a wheel; each data folder is named."""

import os

from setuptools import find_packages, setup

FOLDERS = [folder for folder, _, files in os.walk("specs") if any(name.endswith(".yaml") for name in files)]
SPECS = {"netspec." + folder.replace(os.sep, "."): folder for folder in sorted({"specs", *FOLDERS})}
PAGES = ("netspec.diagnostics.pages", "netspec.reference.pages")

setup(
    packages=[*find_packages(include=["netspec*"]), *PAGES, *SPECS],
    package_dir=SPECS,
    package_data={
        "netspec": ["py.typed"],
        "netspec.exporters.web": ["page/*"],
        "netspec.serving": ["page.html"],
        **{name: ["*.md"] for name in PAGES},
        **{name: ["*.yaml"] for name in SPECS},
    },
    include_package_data=False,
)
