"""A stand-in for the internet: OpenML and Keras's mirror on this machine, with faults."""

import contextlib
import hashlib
import io
import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

LIST = "/api/v1/json/data/list/data_name/mnist_784/limit/2/data_version/1"
DESCRIPTION = "/api/v1/json/data/554"
ARFF = "/data/v1/download/52667/mnist_784.arff"
MIRROR = "/tensorflow/tf-keras-datasets/mnist.npz"


def openml_files(X, y):
    """Return {path: bytes} of images and labels as OpenML serves them."""
    names = [f"pixel{i}" for i in range(1, 785)] + ["class"]
    header = ["@RELATION mnist_784", *(f"@ATTRIBUTE {name} real" for name in names)]
    header[-1] = "@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}"
    rows = [",".join(map(str, [*row, label])) for row, label in zip(X, y)]
    arff = "\n".join([*header, "@DATA", *rows, ""]).encode()
    dataset = {"did": 554, "id": "554", "name": "mnist_784", "version": "1"}
    dataset |= {"description": "MNIST", "format": "ARFF", "status": "active"}
    dataset |= {"url": f"https://api.openml.org{ARFF}", "file_id": "52667"}
    dataset["md5_checksum"] = hashlib.md5(arff).hexdigest()
    no = dict.fromkeys(["is_target", "is_ignore", "is_row_identifier"], "false")
    no["number_of_missing_values"] = "0"
    features = [
        no | {"index": str(i), "name": name, "data_type": "numeric"}
        for i, name in enumerate(names)
    ]
    features[-1] |= {"is_target": "true", "data_type": "nominal"}
    qualities = [{"name": "NumberOfInstances", "value": str(float(len(X)))}]
    answers = {
        LIST: {"data": {"dataset": [dataset]}},
        DESCRIPTION: {"data_set_description": dataset},
        "/api/v1/json/data/features/554": {"data_features": {"feature": features}},
        "/api/v1/json/data/qualities/554": {"data_qualities": {"quality": qualities}},
    }
    files = {path: json.dumps(answer).encode() for path, answer in answers.items()}
    return files | {ARFF: arff}


def mirror_file(X, y):
    """Return the bytes of the file in which Keras's mirror keeps images and labels."""
    images, n = X.reshape(-1, 28, 28), len(X) * 6 // 7
    file = io.BytesIO()
    np.savez_compressed(
        file, x_train=images[:n], y_train=y[:n], x_test=images[n:], y_test=y[n:]
    )
    return file.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Serves the server's `files`, unless `faults` has something else for a path."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        body, fault = (
            table.get(self.path) for table in (self.server.files, self.server.faults)
        )
        if body is None or isinstance(fault, int):
            return self.send_error(fault or 404)
        if fault == "html":
            body = b"<html>OpenML is down for maintenance.</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "half" else body)


@contextlib.contextmanager
def internet(files):
    """Serve `files`, {path: bytes}, to every urllib request; yield the server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.faults = files, {}
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        class ToThisMachine(urllib.request.BaseHandler):
            handler_order = 100  # before urllib's own, which would leave the machine

            def https_open(self, request):
                here = f"http://127.0.0.1:{server.server_port}{request.selector}"
                return opener.open(here)

        urllib.request.install_opener(urllib.request.build_opener(ToThisMachine))
        try:
            yield server
        finally:
            urllib.request.install_opener(urllib.request.build_opener())
            server.shutdown()
