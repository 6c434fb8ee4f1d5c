"""A small service that says what it was told when it was started."""

import os

from fastapi import FastAPI, Response

app = FastAPI()
started_with = {
    "app_name": os.environ.get("APP_NAME", "fastapi-study"),
    "version": os.environ.get("VERSION", "1.0.0"),
}
# `POST /break` makes the service unwell, to see what a health check does.
well = True


@app.get("/")
def hello():
    return {"message": "Hello from a container"}


@app.get("/info")
def info():
    return started_with


@app.get("/health")
def health(response: Response):
    if not well:
        response.status_code = 503
    return {"status": "ok" if well else "broken"}


@app.post("/break")
def break_it():
    global well
    well = False
    return {"status": "broken"}
