"""What pyproject.toml cannot say: specs/ is installed as netspec/specs, so that `zoo:` names work from a wheel."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["netspec*"]), "netspec.specs"], package_dir={"netspec.specs": "specs"})
