"""MNIST arrives, whatever the internet does, and is split as in the blog."""

import os
import shutil
import socket
import time

import keras
import numpy as np
import pytest
from internet import ARFF, LIST, internet, openml_files
from sklearn.model_selection import train_test_split

import model


@pytest.fixture
def sources(digits, monkeypatch, folder):
    """OpenML with 200 real digits, and a mirror with the first 190 of them."""
    X, y = few = digits[0][::25], digits[1][::25]
    images = X.reshape(-1, 28, 28)

    def load_data():
        if not server.files:
            raise OSError("The mirror is down.")
        return (images[:160], y[:160]), (images[160:190], y[160:190])

    monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)
    monkeypatch.setattr(time, "sleep", lambda _: None)  # before asking again
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(folder / "data"))
    with internet(openml_files(*few)) as server:
        server.openml, server.mirror = few, (X[:190], y[:190])
        yield server


def assert_split(fetched, X, y):
    """Check that `fetched` is the blog's split of the images X and labels y."""
    blogs = train_test_split(X, y, test_size=0.2, random_state=42)
    for ours, theirs, scale in zip(fetched, blogs, (255, 255, 1, 1), strict=True):
        assert ours.dtype == ("float32" if scale == 255 else "int64")
        assert ours.shape == theirs.shape
        assert np.allclose(ours, theirs / scale, rtol=1e-6, atol=0)


def test_openml_comes_first_and_is_asked_only_once(sources, folder, capsys):
    assert_split(model.fetch_data(), *sources.openml)
    sources.files = {}
    shutil.rmtree(folder / "data" / "openml")  # what OpenML sent isn't needed again
    assert_split(model.fetch_data(), *sources.openml)
    assert "failed" not in capsys.readouterr().out
    # All is kept in scikit-learn's folder, so that one knows what to delete.
    assert [path.name for path in folder.iterdir()] == ["data"]


@pytest.mark.parametrize("kept", [b"", b"garbage", None])
def test_kept_images_that_were_damaged_are_replaced(sources, folder, kept):
    model.fetch_data()
    (path,) = folder.rglob("output.pkl")
    path.write_bytes(path.read_bytes()[:5000] if kept is None else kept)
    sources.files = {}
    assert_split(model.fetch_data(), *sources.openml)
    shutil.rmtree(folder / "data" / "openml")
    assert_split(model.fetch_data(), *sources.openml)


def test_a_read_only_folder_gives_its_images(sources, folder, monkeypatch):
    model.fetch_data()
    sources.files = {}
    shutil.rmtree(folder / "data" / "joblib")
    monkeypatch.setattr(os, "access", lambda path, mode, **_: not mode & os.W_OK)
    before = sorted(folder.rglob("*"))
    assert_split(model.fetch_data(), *sources.openml)
    assert sorted(folder.rglob("*")) == before


FAULTS = {"no list": {LIST: 412}, "half": {ARFF: "half"}, "silence": {ARFF: "silent"}}
FAULTS |= {"no folder": {}, "another data set": {}}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_mirror_gives_the_same_split(sources, monkeypatch, capsys, fault):
    socket.setdefaulttimeout(None)
    sources.faults = FAULTS[fault]
    if fault == "no folder":
        monkeypatch.setenv("SCIKIT_LEARN_DATA", __file__)
    elif fault == "another data set":  # and not a word of digits would mislead
        monkeypatch.setattr(model, "from_openml", lambda: {}["fashion"])
    assert_split(model.fetch_data(), *sources.mirror)
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert "OpenML" in lines[0] and "failed" in lines[1]
    assert "MNIST's digits from Keras's mirror" in lines[2]


def test_the_sample_takes_over_when_both_fail(sources, digits, capsys):
    sources.files = {}
    assert_split(model.fetch_data(), *digits)
    assert "NOTE: a SAMPLE, 5,000 of MNIST's digits" in capsys.readouterr().out
