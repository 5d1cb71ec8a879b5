"""Train and measure on all of MNIST, and record every number that the README gives.

python tests/record_whole_run.py    takes about ten minutes

It writes whole_run.json and the pictures in figures/, both beside this file. The tests
compare the README with them.
"""

import ast
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import tokenize
from pathlib import Path
from unittest import mock

os.environ["MPLBACKEND"] = "Agg"

import keras
import numpy as np
from PIL import Image, ImageFilter

TESTS = Path(__file__).resolve().parent
RECORD = TESTS / "whole_run.json"
FIGURES = TESTS / "figures"
SCRIPTS = TESTS.parent / "model.py", TESTS.parent / "test_model.py"
sys.path.insert(0, str(TESTS.parent))

import model
import test_model

SEEDS = 0, 1, 2


def fingerprint():
    """Return a hash of the code of both scripts and of this one.

    Comments, docstrings and white space don't count. Any version of Python gives the
    same hash.
    """
    digest = hashlib.sha256()
    for path in (*SCRIPTS, Path(__file__)):
        source = path.read_text(encoding="utf-8")
        lines = source.splitlines(keepends=True)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.Module, ast.FunctionDef)):
                docstring = node.body[0]
                if ast.get_docstring(node):
                    for i in range(docstring.lineno - 1, docstring.end_lineno):
                        lines[i] = "\n"
        for token in tokenize.generate_tokens(iter(lines).__next__):
            if token.type != tokenize.COMMENT:
                digest.update("".join(token.string.split()).encode())
    return digest.hexdigest()


def run(folder, *command):
    """Run a script in `folder` as a user would, and return the lines it printed."""
    result = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return result.stdout.splitlines()


def trained(seed, X, y, epochs=10):
    """Return a network trained as in model.py, and its history by epoch."""
    keras.utils.set_random_seed(seed)
    network = model.build_model()
    model.train_model(network, X, y, epochs)
    return network, network.history.history


def trained_like_the_blog(seed, X, y):
    """Return a network trained by the blog's recipe: Adamax, batches of 32."""
    keras.utils.set_random_seed(seed)
    network = model.build_model()
    network.compile(
        optimizer="adamax",
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=15,
    )
    network.fit(X, y, batch_size=32, epochs=10, validation_split=0.2, verbose=2)
    return network, network.history.history


def accuracy(network, X, y):
    return float(np.mean(network.predict(X, verbose=0).argmax(axis=1) == y))


def draw_pictures(X, y, folder):
    """Save six pictures of test digits as people might draw them; return their names."""
    looks = {  # name: image, colour of the paper, of the ink, size of the digit, place
        "three.png": (X[y == 3][0], "white", "black", 280, (60, 60)),
        "seven.jpg": (X[y == 7][0], "#e8e0d0", "#2a3c8c", 300, (80, 40)),
        "two.png": (X[y == 2][0], "#223322", "#f0f0e0", 260, (70, 70)),
        "five.png": (X[y == 5][0], "white", "#c02020", 90, (290, 20)),
        "four.jpg": (X[y == 4][0], "#d8d4cc", "#303030", 280, (40, 80)),
        "nine.png": (X[59], "#f8f8a0", "#208040", 320, (40, 40)),
    }
    for name, (image, paper, ink, size, place) in looks.items():
        digit = Image.fromarray(np.uint8(255 * image).reshape(28, 28))
        page = Image.new("RGB", (400, 400), paper)
        page.paste(ink, place, digit.resize((size, size)))
        if name.endswith("jpg"):  # a photo, with a shadow on the left
            light = Image.linear_gradient("L").rotate(90).resize(page.size)
            light = light.point(lambda level: 128 + level // 2)
            page = Image.composite(page, Image.new("RGB", page.size), light)
            page = page.filter(ImageFilter.GaussianBlur(2))
        page.save(Path(folder, name))
    return list(looks)


def main():
    X_train, X_test, y_train, y_test = test_model.fetch_data()
    record = {"fingerprint": fingerprint()}
    row = np.rint(255 * X_test[y_test == 3][0]).reshape(28, 28)[13]
    record["row 14 of the first 3"] = " ".join(str(int(pixel)) for pixel in row)

    with tempfile.TemporaryDirectory() as folder:
        lines = run(folder, SCRIPTS[0])
        record["progress"] = [
            line for line in lines if "Epoch" in line or "loss" in line
        ]
        record["report"] = run(folder, SCRIPTS[1])[1:]
        names = draw_pictures(X_test, y_test, folder)
        record["own digits"] = run(folder, SCRIPTS[1], *names)
        for path in sorted(Path(folder).glob("*.png")):
            if path.name not in names:
                (FIGURES / path.name).write_bytes(path.read_bytes())
        sheet = Image.new("RGB", (6 * 170 - 10, 160), "white")
        for column, name in enumerate(names):
            picture = Image.open(Path(folder, name)).resize((160, 160))
            sheet.paste(picture, (170 * column, 0))
        sheet.save(FIGURES / "pictures.png")
        network = keras.models.load_model(Path(folder, "mnist.keras"))
    y_pred = network.predict(X_test, verbose=0).argmax(axis=1)
    matrix = test_model.metrics.confusion_matrix(y_test, y_pred)
    record["confusion matrix"] = [" ".join(map(str, row)) for row in matrix]

    keras.utils.set_random_seed(42)
    loss, _ = model.build_model().evaluate(X_test, y_test, verbose=0)
    record["loss of an untrained network"] = loss

    _, history = trained(42, X_train, y_train, epochs=50)
    record["50 epochs"] = {
        name: history[name][-1] for name in ("accuracy", "val_accuracy", "val_loss")
    }

    def test_accuracies(train, X, scale=1):
        return [
            accuracy(train(seed, X * scale, y_train)[0], X_test * scale, y_test)
            for seed in SEEDS
        ]

    schedule = keras.callbacks.LearningRateScheduler
    scale = np.float32(255)
    record["test accuracy with seeds 0, 1, 2"] = {
        "today's recipe": test_accuracies(trained, X_train),
        "pixels from 0 to 255": test_accuracies(trained, X_train, scale),
        "the blog's recipe": test_accuracies(trained_like_the_blog, X_train, scale),
        "the blog's recipe, pixels from 0 to 1": test_accuracies(
            trained_like_the_blog, X_train
        ),
    }
    with mock.patch.object(
        keras.callbacks, "LearningRateScheduler", lambda _: schedule(lambda *_: 0.003)
    ):
        record["test accuracy with seeds 0, 1, 2"]["one learning rate, 0.003"] = (
            test_accuracies(trained, X_train)
        )

    record["pictures"] = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(FIGURES.glob("*.png"))
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
