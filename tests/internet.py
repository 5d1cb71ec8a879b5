"""A stand-in for the internet: OpenML, with faults."""

import contextlib
import hashlib
import io
import json
import socket
import urllib.request
from email.message import Message
from urllib.response import addinfourl

LIST = "/api/v1/json/data/list/data_name/mnist_784/limit/2/data_version/1"
ARFF = "/data/v1/download/52667/mnist_784.arff"


def openml_files(X, y):
    """Return {path: bytes} of images and labels as OpenML serves them."""
    names = [f"pixel{i}" for i in range(1, 785)]
    header = ["@RELATION mnist_784", *(f"@ATTRIBUTE {name} real" for name in names)]
    rows = [",".join(map(str, [*row, label])) for row, label in zip(X, y)]
    kinds = "@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}"
    arff = "\n".join([*header, kinds, "@DATA", *rows, ""]).encode()
    dataset = {"did": 554, "id": "554", "name": "mnist_784", "version": "1"}
    dataset |= {"description": "MNIST", "format": "ARFF", "status": "active"}
    dataset |= {"url": f"https://api.openml.org{ARFF}", "file_id": "52667"}
    dataset["md5_checksum"] = hashlib.md5(arff).hexdigest()
    no = dict.fromkeys(["is_target", "is_ignore", "is_row_identifier"], "false")
    no |= {"number_of_missing_values": "0", "data_type": "numeric"}
    columns = [no | {"index": str(i), "name": name} for i, name in enumerate(names)]
    label = {"index": "784", "name": "class", "is_target": "true"}
    columns.append(no | label | {"data_type": "nominal"})
    qualities = [{"name": "NumberOfInstances", "value": str(float(len(X)))}]
    answers = {
        LIST: {"data": {"dataset": [dataset]}},
        "/api/v1/json/data/554": {"data_set_description": dataset},
        "/api/v1/json/data/features/554": {"data_features": {"feature": columns}},
        "/api/v1/json/data/qualities/554": {"data_qualities": {"quality": qualities}},
    }
    files = {path: json.dumps(answer).encode() for path, answer in answers.items()}
    return files | {ARFF: arff}


class Internet(urllib.request.BaseHandler):
    """Answers urllib with `files`, {path: bytes}, unless `faults` has a path."""

    handler_order = 100  # before urllib's own, which would leave the machine

    def __init__(self, files):
        self.files, self.faults = files, {}

    def https_open(self, request):
        path = request.selector
        body, fault = self.files.get(path), self.faults.get(path)
        if fault == "silent" and 0 < (socket.getdefaulttimeout() or 99) <= 13:
            raise TimeoutError  # nobody waits for it any longer
        body = body[: len(body) // 2] if fault == "half" else body or b""
        status = fault if isinstance(fault, int) else 200 if body else 404
        answer = addinfourl(io.BytesIO(body), Message(), request.full_url, status)
        answer.msg = "as the tests want it"
        return answer


@contextlib.contextmanager
def internet(files):
    """Let urllib find only `files`, {path: bytes}; yield what answers."""
    answering = Internet(files)
    urllib.request.install_opener(urllib.request.build_opener(answering))
    yield answering
    urllib.request.install_opener(urllib.request.build_opener())
