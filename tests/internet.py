"""A stand-in for the internet: OpenML and Keras's mirror on 127.0.0.1, with faults."""

import contextlib
import gzip
import hashlib
import io
import json
import socket
import struct
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

LIST = "/api/v1/json/data/list/data_name/mnist_784/limit/2/data_version/1"
DESCRIPTION = "/api/v1/json/data/554"
FEATURES = "/api/v1/json/data/features/554"
QUALITIES = "/api/v1/json/data/qualities/554"
ARFF = "/data/v1/download/52667/mnist_784.arff"
OPENML = (LIST, DESCRIPTION, FEATURES, QUALITIES, ARFF)
MIRROR = "/tensorflow/tf-keras-datasets/mnist.npz"


def openml_files(X, y):
    """Return {path: bytes} of `X` and `y` as OpenML serves them.

    Parameters
    ----------
    X : ndarray of int, shape (n, p)
    y : ndarray of int, shape (n,)
    """
    pixels = [f"pixel{i + 1}" for i in range(X.shape[1])]
    arff = "".join(
        ["@RELATION mnist_784\n"]
        + [f"@ATTRIBUTE {name} real\n" for name in pixels]
        + ["@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}\n@DATA\n"]
        + [",".join(map(str, [*row, label])) + "\n" for row, label in zip(X, y)]
    ).encode()
    dataset = {"did": 554, "name": "mnist_784", "version": 1, "status": "active"}
    description = {
        "id": "554",
        "name": "mnist_784",
        "version": "1",
        "description": "MNIST",
        "format": "ARFF",
        "status": "active",
        "url": f"https://api.openml.org{ARFF}",
        "file_id": "52667",
        "md5_checksum": hashlib.md5(arff).hexdigest(),
    }
    features = [
        {
            "index": str(i),
            "name": name,
            "data_type": "nominal" if name == "class" else "numeric",
            "is_target": str(name == "class").lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for i, name in enumerate([*pixels, "class"])
    ]
    qualities = [{"name": "NumberOfInstances", "value": str(float(len(X)))}]
    answers = {
        LIST: {"data": {"dataset": [dataset | {"format": "ARFF", "file_id": 52667}]}},
        DESCRIPTION: {"data_set_description": description},
        FEATURES: {"data_features": {"feature": features}},
        QUALITIES: {"data_qualities": {"quality": qualities}},
    }
    files = {path: json.dumps(answer).encode() for path, answer in answers.items()}
    return files | {ARFF: arff}


def mirror_file(X, y, n_train):
    """Return the bytes of the file in which Keras's mirror keeps `X` and `y`."""
    images, labels = X.astype("uint8").reshape(-1, 28, 28), y.astype("uint8")
    file = io.BytesIO()
    np.savez_compressed(
        file,
        x_train=images[:n_train],
        y_train=labels[:n_train],
        x_test=images[n_train:],
        y_test=labels[n_train:],
    )
    return file.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Serves the server's `files`, each with its fault."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.requests.append(self.path)
        body = self.server.files.get(self.path)
        fault = self.server.faults.get(self.path)
        status = fault if isinstance(fault, int) else 200 if body else 404
        if status != 200:
            return self.send_error(status)
        if fault == "reset":
            # With this option, closing sends a reset instead of a normal end.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return self.connection.close()
        if fault == "silent":
            return self.server.closing.wait()
        if fault == "html":
            body = b"<html><body>OpenML is down for maintenance.</body></html>"
        if self.path in OPENML:
            body = gzip.compress(body, mtime=0)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if self.path in OPENML:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if fault == "half":
            self.wfile.write(body[: len(body) // 2])
        elif fault == "stalled":
            self.wfile.write(body[:10])
            self.server.closing.wait()
        elif fault == "slow":
            for part in np.array_split(np.frombuffer(body, "uint8"), 10):
                self.wfile.write(part.tobytes())
                time.sleep(self.server.pause)
        else:
            self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Serves `files`, {path: bytes}, each with the fault that `faults` has for it.

    A fault is an HTTP status or one of "reset", "silent", "html", "half", "stalled"
    and "slow". `requests` lists the paths that were asked for.
    """

    daemon_threads = True
    pause = 0.3  # seconds between the ten parts of a slow download

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.faults, self.requests = {}, {}, []
        self.closing = threading.Event()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *args):
        self.closing.set()
        self.shutdown()
        self.server_close()


class ToLocalhost(urllib.request.BaseHandler):
    """Sends every request for an https address to `port` on this machine instead."""

    handler_order = 100  # before urllib's own handler, which would leave the machine

    def __init__(self, port):
        self.port = port

    def https_open(self, request):
        local = f"http://127.0.0.1:{self.port}{request.selector}"
        local = urllib.request.Request(local, headers=request.headers)
        return self.parent.open(local, timeout=request.timeout)


@contextlib.contextmanager
def internet_at(port):
    """Redirect every urllib request to `port` on this machine."""
    no_proxy = urllib.request.ProxyHandler({})
    urllib.request.install_opener(
        urllib.request.build_opener(no_proxy, ToLocalhost(port))
    )
    yield
    urllib.request.install_opener(urllib.request.build_opener())
