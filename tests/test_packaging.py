"""The wheel, built and installed alone outside the checkout, holds wm_gym with its weights and steps a world."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import wm_gym

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("wm_gym", "envs", "policies", "examples", "benchmarks", "tests")

STEP = """
import gymnasium
env = gymnasium.make("wm_gym:wm_gym/MiniGrid-v0")  # the part before the colon is the module that registers the id
before, _ = env.reset(seed=0)
after, reward, terminated, truncated, _ = env.step("turn left")
print(after.shape, after.dtype, (before != after).any())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment that holds the wheel and sees other people's packages, but not this checkout.

    Those packages are linked from the environment of the tests: a path in a .pth file brings its packages and not its
    own .pth files, which is how the checkout got there.
    """
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        str(wheel),
        cwd=folder,
    )
    site_packages = next(folder.glob("lib/python*/site-packages"))
    linked = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "third_party.pth").write_text("\n".join(sorted(linked)))
    return python.parent


def run(*command: str, cwd: Path) -> str:
    """Runs a command outside the checkout's influence; its output tells why it failed."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    return done.stdout


def run_isolated(scripts: Path, code: str) -> str:
    """Runs code in the clean environment: -I ignores PYTHONPATH and the working directory."""
    return run(str(scripts / "python"), "-I", "-c", code, cwd=scripts.parent).strip()


def test_wheel_holds_one_package(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"wm_gym", f"wm_gym-{wm_gym.__version__}.dist-info"}


def test_wheel_holds_every_file_of_the_weights(wheel: Path) -> None:
    weights = {path.relative_to(ROOT).as_posix() for path in (ROOT / "wm_gym/weights").rglob("*") if path.is_file()}
    assert "wm_gym/weights/minigrid/world_model.json" in weights
    assert weights <= set(zipfile.ZipFile(wheel).namelist())


def test_wheel_carries_the_license(wheel: Path) -> None:
    name = f"wm_gym-{wm_gym.__version__}.dist-info/licenses/LICENSE"
    assert zipfile.ZipFile(wheel).read(name) == (ROOT / "LICENSE").read_bytes()


def test_the_clean_environment_runs_the_wheel(scripts: Path) -> None:
    path = run_isolated(scripts, "import wm_gym; print(wm_gym.__file__)")
    assert Path(path).is_relative_to(scripts.parent)


@pytest.mark.parametrize("name", ["envs.twin", "policies.ppo", "benchmarks.world_pages"])
def test_the_clean_environment_has_no_checkout(scripts: Path, name: str) -> None:
    package = name.partition(".")[0]  # other wheels may bring a folder of the same name
    code = f"import importlib.util as i; print(i.find_spec({package!r}) and i.find_spec({name!r}))"
    assert run_isolated(scripts, code) == "None"


def test_the_wheel_steps_a_world(scripts: Path) -> None:
    assert run_isolated(scripts, STEP) == "(1, 64, 64, 3) uint8 True"


def test_the_wheel_brings_the_command(scripts: Path) -> None:
    assert "dream" in run(str(scripts / "wm-gym"), "--help", cwd=scripts.parent)


def test_every_folder_with_code_is_a_package() -> None:
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert sorted(folder for folder in folders if not (folder / "__init__.py").is_file()) == []
