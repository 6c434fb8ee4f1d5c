"""Answers each request with what it was: method, path, headers, body."""

import argparse

from flask import Flask, jsonify, request

app = Flask(__name__)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@app.route("/", defaults={"path": ""}, methods=METHODS)
@app.route("/<path:path>", methods=METHODS)
def echo(path):
    return jsonify(
        method=request.method,
        path="/" + path,
        headers=dict(request.headers),
        body=request.get_data(as_text=True),
        greeting=app.config["GREETING"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--greeting", default="hello")
    app.config["GREETING"] = parser.parse_args().greeting
    app.run(host="0.0.0.0", port=5000)
