"""Bad input gets one sentence and a failing exit status, and nobody loses a model."""

import os
import signal
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import run, untracked

import model
import test_model


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_data(monkeypatch):
    """Make it an error to fetch MNIST."""
    for module in model, test_model:
        monkeypatch.setattr(module, "fetch_data", None)


@pytest.fixture
def few_digits(digits, monkeypatch):
    """Let fetch_data return 400 images to learn from and 100 to test on."""
    monkeypatch.setattr(model, "SOURCES", [("few", "here", lambda: few)])
    few = digits[0][::10], digits[1][::10]
    return few


def sentence_of(main, monkeypatch, *arguments):
    """Run `main`, and return what it says as it exits with status 1."""
    monkeypatch.setattr(sys, "argv", ["script", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    said = stop.value.code
    assert isinstance(said, str)  # which Python prints, and exits with 1
    assert said and "\n" not in said
    return said


@pytest.mark.parametrize(
    "epochs", ["0", "-1", "2.5", "", " ", "ten", "1e3", "1_0", "nan", "\u00b2"]
)
def test_epochs_must_be_a_whole_number_from_1(monkeypatch, capsys, no_data, epochs):
    monkeypatch.setattr(sys, "argv", ["model.py", f"--epochs={epochs}"])
    with pytest.raises(SystemExit) as stop:
        model.main()
    assert stop.value.code == 2
    assert "argument --epochs: " in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--epochs"], ["--rate", "1"], ["3"]])
def test_other_arguments_are_usage_errors(monkeypatch, capsys, no_data, arguments):
    for main in model.main, test_model.main:
        monkeypatch.setattr(sys, "argv", ["script", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        assert "usage: " in capsys.readouterr().err


def spoiled(kind):
    """Make a mnist.keras that is none, in the current folder."""
    path = Path("mnist.keras")
    if kind == "a folder":
        path.mkdir()
    elif kind in ("an empty file", "garbage", "text"):
        path.write_bytes(
            {"an empty file": b"", "garbage": os.urandom(5000), "text": b"model"}[kind]
        )
    elif kind != "nothing":
        model.build_model().save(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    "kind",
    [
        "nothing",
        "an empty file",
        "garbage",
        "text",
        "a folder",
        "a truncated file",
    ],
)
def test_what_is_no_model_is_named(folder, monkeypatch, no_data, kind):
    spoiled(kind)
    said = sentence_of(test_model.main, monkeypatch)
    assert "mnist.keras" in said and "`python model.py`" in said


@pytest.mark.parametrize(
    ("inputs", "outputs"), [((28, 28), 10), ((784,), 2), ((64,), 10)]
)
def test_another_network_is_named(folder, monkeypatch, no_data, inputs, outputs):
    keras.Sequential(
        [keras.Input(inputs), keras.layers.Flatten(), keras.layers.Dense(outputs)]
    ).save("mnist.keras")
    said = sentence_of(test_model.main, monkeypatch)
    assert "mnist.keras" in said and "`python model.py`" in said


def test_a_network_with_two_inputs_is_named(folder, monkeypatch, no_data):
    inputs = [keras.Input((784,)), keras.Input((784,))]
    outputs = keras.layers.Dense(10)(keras.layers.add(inputs))
    keras.Model(inputs, outputs).save("mnist.keras")
    assert "mnist.keras" in sentence_of(test_model.main, monkeypatch)


def test_a_network_is_not_tested_on_what_it_may_have_learnt(
    folder, monkeypatch, few_digits
):
    network = model.build_model()
    network.name = "trained_on_56000_images"
    network.save("mnist.keras")
    said = sentence_of(test_model.main, monkeypatch)
    assert "56000" in said and "400 " in said
    assert not list(folder.glob("*.png"))


def test_both_scripts_say_that_no_source_has_mnist(folder, monkeypatch):
    model.build_model().save("mnist.keras")
    before = Path("mnist.keras").read_bytes()
    monkeypatch.setattr(model, "SOURCES", [("nowhere", "nothing", lambda: 1 / 0)])
    for main in model.main, test_model.main:
        assert "nowhere failed with Zero" in sentence_of(main, monkeypatch)
    assert Path("mnist.keras").read_bytes() == before


def test_figures_that_cannot_be_saved_are_named(folder, monkeypatch, few_digits):
    model.build_model().save("mnist.keras")
    Path("confusion_matrix.png").mkdir()
    said = sentence_of(test_model.main, monkeypatch)
    assert said.startswith("confusion_matrix.png could not be saved: ")


def half_a_file(path, then):
    Path(path).write_bytes(b"half a mod")
    then()


def full_disk():
    raise OSError(28, "No space left on device")


def interrupt():
    raise KeyboardInterrupt


def test_a_full_disk_leaves_the_old_model(folder, monkeypatch, few_digits):
    Path("mnist.keras").write_bytes(b"the old model")
    monkeypatch.setattr(
        keras.Model, "save", lambda self, path: half_a_file(path, full_disk)
    )
    said = sentence_of(model.main, monkeypatch, "--epochs", "1")
    assert said.startswith("mnist.keras could not be saved: ") and "No space" in said
    assert {path.name for path in folder.iterdir()} == {"mnist.keras"}
    assert Path("mnist.keras").read_bytes() == b"the old model"


def test_an_interrupt_leaves_the_old_model(folder, monkeypatch, few_digits):
    Path("mnist.keras").write_bytes(b"the old model")
    monkeypatch.setattr(
        keras.Model, "save", lambda self, path: half_a_file(path, interrupt)
    )
    monkeypatch.setattr(sys, "argv", ["model.py", "--epochs", "1"])
    with pytest.raises(KeyboardInterrupt):
        model.main()
    assert {path.name for path in folder.iterdir()} == {"mnist.keras"}
    assert Path("mnist.keras").read_bytes() == b"the old model"


def test_a_folder_named_like_the_model_is_kept(folder, monkeypatch, few_digits):
    (folder / "mnist.keras").mkdir()
    (folder / "mnist.keras" / "mine.txt").touch()
    said = sentence_of(model.main, monkeypatch, "--epochs", "1")
    assert said.startswith("mnist.keras could not be saved: ")
    assert [str(path) for path in Path().rglob("*.*")] == [
        "mnist.keras",
        str(Path("mnist.keras", "mine.txt")),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no module resource")
def test_a_model_too_large_to_write_leaves_the_old_one(folder, monkeypatch, few_digits):
    import resource

    Path("mnist.keras").write_bytes(b"the old model")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        said = sentence_of(model.main, monkeypatch, "--epochs", "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert said.startswith("mnist.keras could not be saved: ")
    assert {path.name for path in folder.iterdir()} == {"mnist.keras"}
    assert Path("mnist.keras").read_bytes() == b"the old model"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_kill_while_saving_leaves_nothing_that_git_shows(checkout, few_digits):
    (checkout / "mnist.keras").write_bytes(b"the old model")
    np.savez(
        checkout / "few.npz", X=model.SOURCES[0][2]()[0], y=model.SOURCES[0][2]()[1]
    )
    result = run(
        checkout,
        "-c",
        "import os, signal, keras, numpy, model\n"
        "few = numpy.load('few.npz')\n"
        "model.SOURCES = [('few', 'here', lambda: (few['X'], few['y']))]\n"
        "def save(self, path):\n"
        "    path.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "keras.Model.save = save\n"
        "model.main()\n",
    )
    (checkout / "few.npz").unlink()
    assert result.returncode == -signal.SIGKILL
    assert len(list(checkout.glob("mnist.keras*"))) == 2
    assert (checkout / "mnist.keras").read_bytes() == b"the old model"
    assert untracked(checkout) == set()


def test_the_old_model_is_never_written_to(folder, monkeypatch, few_digits):
    save, paths = keras.Model.save, []
    monkeypatch.setattr(
        keras.Model, "save", lambda self, path: paths.append(path) or save(self, path)
    )
    monkeypatch.setattr(sys, "argv", ["model.py", "--epochs", "1"])
    model.main()
    (path,) = paths
    assert path.parent.resolve().parent == folder.resolve()
    assert {path.name for path in folder.iterdir()} == {"mnist.keras"}


def test_a_digit_that_is_never_predicted_has_precision_0(
    folder, monkeypatch, capsys, few_digits
):
    network = model.build_model()
    network.set_weights([0 * weights for weights in network.get_weights()])
    network.save("mnist.keras")  # it takes all for a 0
    monkeypatch.setattr(sys, "argv", ["test_model.py"])
    shown = []
    monkeypatch.setattr(test_model.plt, "show", lambda **how: shown.append(how))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        test_model.main()
    assert shown == [{"block": True}]  # or windows vanish if matplotlib is interactive
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["1", "0.0000", "0.0000", "0.0000"] in [row[:4] for row in rows]
    assert len(list(folder.glob("*.png"))) == 3
