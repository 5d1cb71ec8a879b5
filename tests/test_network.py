"""The network matches the blog's, and learns to read."""

import keras
import numpy as np
import pytest
from sklearn.model_selection import train_test_split

import model


def test_the_split_is_the_blogs_with_pixels_from_0_to_1(sample, digits):
    blogs = train_test_split(*digits, test_size=0.2, random_state=42)
    for ours, theirs, scale in zip(sample, blogs, (255, 255, 1, 1)):
        assert ours.dtype == ("float32" if scale == 255 else "int64")
        assert np.allclose(ours, theirs / scale, rtol=1e-6, atol=0)


def test_every_layer_is_the_blogs():
    network = model.build_model()
    assert network.input_shape == (None, 784)
    assert [layer.count_params() for layer in network.layers] == [100480, 0, 8256, 650]
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


def test_it_learns_to_read(network, sample):
    _, X_test, _, y_test = sample
    y_pred = network.predict(X_test, verbose=0).argmax(axis=1)
    assert np.mean(y_pred == y_test) > 0.88  # chance: 0.1


def test_the_learning_rate_falls_in_a_straight_line(sample):
    few = sample[0][:480], sample[2][:480]
    network = model.build_model()
    model.train_model(network, *few, epochs=3)
    rates = network.history.history["learning_rate"]
    assert rates == pytest.approx([0.006, 0.004, 0.002])


def test_a_tenth_of_the_images_is_kept_for_validation(sample):
    network = model.build_model()
    model.train_model(network, sample[0], sample[2], epochs=1)
    assert int(network.optimizer.iterations) == 15  # batches of 240: 3,600 images
    loss = network.history.history["val_loss"][0]
    expected = network.evaluate(sample[0][3600:], sample[2][3600:], verbose=0)[0]
    assert loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_a_bar_only_in_a_terminal(sample, capsys, monkeypatch, terminal):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    few = sample[0][:480], sample[2][:480]
    model.train_model(model.build_model(), *few, epochs=3)
    out = capsys.readouterr().out
    controls = {c for c in out if ord(c) < 32 and c != "\n"}
    if terminal:
        assert "\x1b" in controls and "\u2501" in out
    else:
        assert not controls
        assert len([line for line in out.splitlines() if "val_loss" in line]) == 3
