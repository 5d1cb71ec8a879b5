"""The network is the blog's, learns to read, and does so in the same way every time."""

import keras
import numpy as np
import pytest

import model


@pytest.fixture(scope="module")
def data(digits):
    """Fit for training: a fifth of the sample to test on, as fetch_data splits it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "SOURCES", [("the sample", "no download", lambda: digits)])
        return model.fetch_data()


def trained(data, epochs):
    keras.utils.set_random_seed(42)
    network = model.build_model()
    model.train_model(network, data[0], data[2], epochs)
    return network


def test_the_data_is_split_and_scaled(data, digits):
    X_train, X_test, y_train, y_test = data
    assert X_train.shape == (4000, 784) and X_test.shape == (1000, 784)
    assert y_train.shape == (4000,) and y_test.shape == (1000,)
    assert X_train.dtype == X_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int64
    for X in X_train, X_test:
        assert X.min() == 0 and X.max() == 1
    for y in y_train, y_test:
        assert set(y) == set(range(10))


def test_the_split_is_the_blogs(data, digits):
    from sklearn.model_selection import train_test_split

    X, y = digits
    blogs = train_test_split(X, y, test_size=0.2, random_state=42)
    for ours, theirs, scale in zip(data, blogs, (255, 255, 1, 1)):
        assert np.array_equal(np.rint(ours * scale), theirs)


def test_every_layer_has_the_blogs_parameters():
    network = model.build_model()
    assert [layer.count_params() for layer in network.layers] == [100480, 0, 8256, 650]
    assert network.count_params() == 109386
    assert network.input_shape == (None, 784)
    shapes = [layer.output.shape for layer in network.layers]
    assert shapes == [(None, 128), (None, 128), (None, 64), (None, 10)]
    activations = [network.layers[i].activation.__name__ for i in (0, 2, 3)]
    assert activations == ["relu", "relu", "softmax"]
    assert network.layers[1].rate == 0.2


def test_the_summary_is_the_blogs_table(capsys):
    keras.backend.clear_session()
    model.build_model().summary()
    out = capsys.readouterr().out
    for name, count in (
        ("dense (Dense)", "100,480"),
        ("dropout (Dropout)", "0"),
        ("dense_1 (Dense)", "8,256"),
        ("dense_2 (Dense)", "650"),
    ):
        (line,) = [line for line in out.splitlines() if name in line]
        assert line.split()[-2] == count
    assert "Total params: 109,386" in out


def test_it_learns_to_read_and_keeps_it_in_a_file(data, tmp_path):
    _, X_test, _, y_test = data
    network = trained(data, epochs=5)
    predicted = network.predict(X_test, verbose=0)
    assert np.mean(predicted.argmax(axis=1) == y_test) > 0.88  # by chance: 0.1
    assert np.allclose(predicted.sum(axis=1), 1, atol=1e-5)
    network.save(tmp_path / "mnist.keras")
    loaded = keras.models.load_model(tmp_path / "mnist.keras")
    assert np.array_equal(loaded.predict(X_test, verbose=0), predicted)


def test_even_one_epoch_beats_chance(data):
    network = trained(data, epochs=1)
    assert network.evaluate(data[1], data[3], verbose=0)[1] > 0.5


def test_two_runs_end_in_identical_weights(digits, monkeypatch, tmp_path):
    few = digits[0][::10], digits[1][::10]
    monkeypatch.setattr(model, "SOURCES", [("few", "here", lambda: few)])
    monkeypatch.setattr("sys.argv", ["model.py", "--epochs", "2"])
    monkeypatch.chdir(tmp_path)
    weights = []
    for _ in range(2):
        model.main()
        weights.append(keras.models.load_model("mnist.keras").get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_a_bar_only_on_a_terminal(data, capsys, monkeypatch, terminal):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    trained([part[:300] for part in data], epochs=3)
    out = capsys.readouterr().out
    assert out.count("val_accuracy") >= 3
    controls = {c for c in out if ord(c) < 32 and c != "\n"}
    if terminal:
        assert "\x1b" in controls and "\u2501" in out
    else:
        assert not controls
        assert len([line for line in out.splitlines() if "loss" in line]) == 3
