"""The hook at Python's start: orders of import, threads, workers, and a pillow_sdz that is broken or gone."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from environments import LightEnvironment

if TYPE_CHECKING:
    import subprocess

VECTOR = Path(__file__).parents[1] / "vectors" / "v0-tiny-8" / "default" / "file.sdz"

REGISTERED = "assert sys.modules['PIL.Image'].OPEN['SDZ'][0] is sys.modules['pillow_sdz'].SdzImageFile"


@pytest.fixture(scope="module")
def enabled(tmp_path_factory: pytest.TempPathFactory) -> LightEnvironment:
    """An environment with the hook; tests that use it leave it as it is."""
    environment = LightEnvironment(tmp_path_factory.mktemp("enabled") / "environment")
    environment.convert("autoload", "enable")
    return environment


@pytest.mark.parametrize(
    "first",
    [
        "import PIL.Image",
        "from PIL import Image",
        "from PIL import ImageFile",
        "import PIL.ImageFile",
        "from PIL import JpegImagePlugin",
        "from PIL import ImageOps",
        "from PIL import ImageDraw",
        "import pillow_sdz",
        "import pillow_sdz.plugin.image_file",
        "from pillow_sdz import SdzImageFile",
        "import importlib; importlib.import_module('PIL.Image')",
        "import importlib.util; importlib.util.find_spec('PIL.Image'); import PIL.Image",
    ],
)
def test_whatever_is_imported_first(enabled: LightEnvironment, first: str) -> None:
    enabled.run("-W", "error", "-c", f"import sys; {first}; {REGISTERED}")


def test_pillow_without_pictures_is_left_alone(enabled: LightEnvironment) -> None:
    enabled.code("import PIL, sys; assert 'PIL.Image' not in sys.modules and 'pillow_sdz' not in sys.modules")


def test_modules_are_as_without_the_hook(enabled: LightEnvironment, tmp_path: Path) -> None:
    """What programs may ask of PIL.Image: its loader, source, resources, and running it as a program."""
    code = """
        import importlib.resources, importlib.util, inspect, pkgutil, sys
        spec = importlib.util.find_spec("PIL.Image")
        assert spec.loader.get_source("PIL.Image").startswith("#")
        import PIL.Image, PIL.ImageFile
        for module in (PIL.Image, PIL.ImageFile):
            print(module.__spec__, type(module.__loader__), module.__file__, module.__cached__, module.__package__)
            assert "def " in inspect.getsource(module)
        print(len(pkgutil.get_data("PIL", "py.typed")))
    """
    other = LightEnvironment(tmp_path / "other")
    without = _addresses_hidden(other.code(code).stdout)
    assert _addresses_hidden(enabled.code(code).stdout) == without
    enabled.run("-m", "PIL.Image")


def _addresses_hidden(text: str) -> str:
    import re

    return re.sub("0x[0-9a-f]+", "0x", text)


def test_reload_is_that_of_pillow(enabled: LightEnvironment) -> None:
    """It empties Pillow's lists, of every plugin; registering again is one call, as without the hook."""
    enabled.code(
        f"""
        import importlib, sys
        import PIL.Image
        importlib.reload(PIL.Image)
        importlib.reload(PIL.Image)
        assert "SDZ" not in PIL.Image.OPEN
        sys.modules["pillow_sdz"].register_sdz_opener()
        {REGISTERED}
        """
    )


def test_pillow_was_imported_before_the_hook(tmp_path: Path) -> None:
    """By the start-up file of another package, which comes first in the alphabet."""
    environment = LightEnvironment(tmp_path / "environment")
    (environment.site_packages / "pillow_early.pth").write_text("import PIL.Image\n")  # comes before pillow_sdz.pth
    environment.convert("autoload", "enable")
    environment.code(f"import sys; {REGISTERED}")


def test_beside_another_hook_that_asks_all_finders(enabled: LightEnvironment) -> None:
    """As those of wrapt and of tracing tools, before and after this one."""
    for place in ("0", "1"):
        enabled.code(
            f"""
            import importlib.util, sys
            class Other:
                busy = False
                def find_spec(self, name, path=None, target=None):
                    if name != "PIL.Image" or self.busy:
                        return None
                    self.busy = True
                    try:
                        return importlib.util.find_spec(name)
                    finally:
                        self.busy = False
            sys.meta_path.insert({place}, Other())
            import PIL.Image
            {REGISTERED}
            """
        )


def test_two_threads_import_what_needs_each_other(enabled: LightEnvironment) -> None:
    """One thread is within PIL.ImageFile and waits for PIL.Image, which the other one is executing."""
    enabled.code(
        f"""
        import sys, threading
        from importlib.machinery import PathFinder, SourceFileLoader
        inside, go = threading.Event(), threading.Event()
        class Paused(SourceFileLoader):
            def exec_module(self, module):
                inside.set()
                assert go.wait(20)
                super().exec_module(module)
        class Pause:
            def find_spec(self, name, path=None, target=None):
                if name == "PIL.ImageFile":
                    spec = PathFinder.find_spec(name, path)
                    spec.loader = Paused(spec.loader.name, spec.loader.path)
                    return spec
                elif name == "PIL.Image":
                    go.set()
        sys.meta_path.insert(1, Pause())
        failures = []
        def first():
            try:
                import PIL.ImageFile
            except BaseException as error:
                failures.append(error)
        thread = threading.Thread(target=first)
        thread.start()
        assert inside.wait(20)
        from PIL import Image
        with Image.open(sys.argv[1]) as image:
            assert image.format == "SDZ"
        thread.join(20)
        assert not failures and not thread.is_alive(), (failures, thread)
        {REGISTERED}
        """,
        VECTOR,
    )


def test_many_threads_import_at_once(enabled: LightEnvironment) -> None:
    enabled.code(
        """
        import sys, threading
        names = ["PIL.Image", "PIL.ImageFile", "PIL.JpegImagePlugin", "PIL.ImageOps", "pillow_sdz"]
        barrier, failures, formats = threading.Barrier(len(names)), [], []
        def run(name):
            try:
                barrier.wait(20)
                __import__(name)
                from PIL import Image
                if name != "pillow_sdz":
                    Image.init()
                with Image.open(sys.argv[1]) as image:
                    formats.append(image.format)
            except BaseException as error:
                failures.append(error)
        threads = [threading.Thread(target=run, args=(name,)) for name in names]
        sys.setswitchinterval(1e-5)
        for thread in threads: thread.start()
        for thread in threads: thread.join(60)
        assert not failures and formats == ["SDZ"] * len(names), (failures, formats)
        """,
        VECTOR,
    )


def test_pillow_in_a_zip_archive(enabled: LightEnvironment, tmp_path: Path) -> None:
    """The loader of archives serves several modules at once. Here they are stand-ins: Pillow needs its C modules."""
    import zipfile

    with zipfile.ZipFile(tmp_path / "packages.zip", "w") as archive:
        for name in ("PIL/__init__.py", "PIL/Image.py", "PIL/ImageFile.py"):
            archive.writestr(name, "from . import Image\n" if "File" in name else "")
        archive.writestr("pillow_sdz.py", "import PIL.Image, PIL.ImageFile\n")
    enabled.code(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        import PIL.Image
        assert "packages.zip" in sys.modules["pillow_sdz"].__file__
        assert type(PIL.Image.__loader__).__name__ == "zipimporter"
        """,
        tmp_path / "packages.zip",
    )


BREAKS = {
    "raise ImportError('cannot load libnumbers.so')": "ImportError: cannot load libnumbers.so",
    "import a_package_that_is_missing": "ModuleNotFoundError: No module named 'a_package_that_is_missing'",
    "1 / 0": "ZeroDivisionError: division by zero",
    "def": "SyntaxError: invalid syntax",
}


def _broken(enabled: LightEnvironment, folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "pillow_sdz.py").write_text(source)
    code = "from PIL import Image; import sys; Image.new('RGB', (1, 1)); print('went on')"
    return enabled.run(*options, "-c", code, env={"PYTHONPATH": str(folder)})


@pytest.mark.parametrize("source", BREAKS)
@pytest.mark.parametrize("options", [(), ("-W", "error")])
def test_a_broken_package_costs_a_warning(
    enabled: LightEnvironment, tmp_path: Path, source: str, options: tuple[str, ...]
) -> None:
    process = _broken(enabled, tmp_path, source, *options)
    assert process.stdout == "went on\n"
    assert process.stderr.count("RuntimeWarning: .sdz files cannot be opened, because pillow_sdz") == 1
    assert BREAKS[source] in process.stderr
    assert "`sdz-convert autoload disable`" in process.stderr
    assert str(enabled.site_packages) in process.stderr
    assert "Traceback" not in process.stderr


def test_an_interruption_is_not_swallowed(enabled: LightEnvironment, tmp_path: Path) -> None:
    (tmp_path / "pillow_sdz.py").write_text("raise KeyboardInterrupt")
    process = enabled.run("-c", "import PIL.Image", env={"PYTHONPATH": str(tmp_path)}, check=False)
    assert process.returncode
    assert "KeyboardInterrupt" in process.stderr


def test_an_uninstalled_package_costs_nothing(tmp_path: Path, enabled: LightEnvironment) -> None:
    """The files of the hook stay when pip uninstalls the package."""
    environment = LightEnvironment(tmp_path / "environment", packages=False)
    for path in enabled.site_packages.glob("*pillow_sdz*"):
        (environment.site_packages / path.name).write_bytes(path.read_bytes())
    package = tmp_path / "packages" / "PIL"
    package.mkdir(parents=True)
    for name in ("__init__", "Image", "ImageFile"):
        (package / f"{name}.py").write_text("")
    for folder in ("", "pillow_sdz/__pycache__"):  # pip may leave folders behind
        (package.parent / folder).mkdir(parents=True, exist_ok=True)
        process = environment.run(
            *("-W", "error", "-c", "import PIL.Image, sys; assert len(sys.meta_path) == 3, sys.meta_path"),
            env={"PYTHONPATH": str(package.parent)},
        )
        assert process.stderr == ""


WORKERS = """
import multiprocessing, sys
def work(path):
    from PIL import Image
    with Image.open(path) as image:
        return image.format, image.size
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    if len(sys.argv) > 3:
        context.set_forkserver_preload(sys.argv[3:])
    with context.Pool(2) as pool:
        results = pool.map(work, [sys.argv[2]] * 4)
    assert [kind for kind, size in results] == ["SDZ"] * 4, results
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", [("spawn",), ("forkserver",), ("forkserver", "PIL.Image")])
def test_workers(enabled: LightEnvironment, tmp_path: Path, method: tuple[str, ...]) -> None:
    if method[0] not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method[0]}; run it on Linux")
    (tmp_path / "script.py").write_text(WORKERS)
    enabled.run(tmp_path / "script.py", method[0], VECTOR, *method[1:])
