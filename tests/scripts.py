"""Run the scripts as a user would: as processes, in a folder of their own, offline."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = {"model.py", "test_model.py", ".gitignore"}

needs_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no SIGINT to send"
)


def checkout(folder):
    """Copy the scripts to `folder`, and return it."""
    for name in NAMES:
        shutil.copy(ROOT / name, folder)
    return folder


def start(folder, *command, **variables):
    """Start `python command` in `folder`, with extra environment variables."""
    env = os.environ | {"PYTHONIOENCODING": "utf-8"} | variables
    env.pop("TF_CPP_MIN_LOG_LEVEL", None)  # importing a script has set it here
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=env,
        text=True,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(folder, *command, **variables):
    """Run `python command` in `folder`; return exit status, output and error output."""
    with start(folder, *command, **variables) as process:
        out, err = process.communicate()
    return process.returncode, out, err


def interrupted(folder, script, stream, sign):
    """Press Ctrl-C when `script` writes `sign`; return what `run` returns.

    `stream` is "stdout" or "stderr". On stderr, Python announces each import.
    """
    verbose = ["-X", "importtime"] if stream == "stderr" else []
    with start(folder, *verbose, script) as process:
        for line in getattr(process, stream):
            if sign in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    return process.returncode, out, err


def new_files(folder):
    """Return the names of the files that git would show as new in `folder`."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    command = [*git, "ls-files", "--others", "--exclude-standard"]
    listed = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    return set(listed.splitlines()) - NAMES
