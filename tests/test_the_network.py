"""The network is the blog's, and learns to read."""

import numpy as np
import pytest

import model


def test_the_network_is_the_one_of_the_blog():
    layers = [
        (type(layer).__name__, layer.output.shape[1], layer.count_params())
        for layer in model.build_model().layers
    ]
    assert layers == [
        ("Dense", 128, 100_480),
        ("Dropout", 128, 0),
        ("Dense", 64, 8_256),
        ("Dense", 10, 650),
    ], "You have changed the network. That's fine: only this test should fail."


def test_it_learns_to_read(network, data):
    _, X_test, _, y_test = data
    probabilities = network.predict(X_test, verbose=0)
    assert probabilities.shape == (1000, 10)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.mean(probabilities.argmax(axis=1) == y_test) > 0.8  # by chance: 0.1


def test_the_history_tells_of_training_and_validation(data):
    network = model.build_model()
    history = model.train_model(network, data[0], data[2], epochs=2)
    for name in "loss", "accuracy", "val_loss", "val_accuracy":
        assert len(history[name]) == 2
    # The last tenth of the images is the one that training does not use.
    loss, accuracy = network.evaluate(data[0][3600:], data[2][3600:], verbose=0)
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-4)
    assert history["val_accuracy"][-1] == pytest.approx(accuracy, abs=1e-4)
