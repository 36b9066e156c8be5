"""Fixtures of the tests with other programs."""

from __future__ import annotations

import pytest
from environments import LightEnvironment
from programs import InstalledProgram, installed

collect_ignore = ["django_site", "wagtail_site"]  # not modules of tests: sites


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> LightEnvironment:
    """An environment with the packages of this one, and without autoload."""
    return LightEnvironment(tmp_path_factory.mktemp("plain") / "environment")


@pytest.fixture(scope="session")
def autoload(tmp_path_factory: pytest.TempPathFactory) -> LightEnvironment:
    """The same, after ``sdz-convert autoload enable``."""
    environment = LightEnvironment(tmp_path_factory.mktemp("autoload") / "environment")
    environment.convert("autoload", "enable")
    return environment


@pytest.fixture
def program(request: pytest.FixtureRequest) -> InstalledProgram:
    """Make an environment with a program that is not installed in this one, see `programs.installed`."""
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("programs")

    def make(*requirements: str, megabytes: int) -> LightEnvironment:
        return installed(folder, *requirements, megabytes=megabytes)

    return make
