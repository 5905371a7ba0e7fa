"""An object store on this machine that speaks S3, and what stands in its environment for those who read `s3://`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import boto3
import httpx
from s3fs import S3FileSystem

from tasks.capacity.processes import free_port


@contextmanager
def serving_bucket() -> Iterator[str]:
    """An empty bucket's URL; processes that are started meanwhile know the store, too."""
    address = f"http://127.0.0.1:{free_port()}"
    known = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    # In a process of its own: vLLM looks at every module of this one, and Flask's may not be looked at.
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", address.rpartition(":")[2]]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(address)
        with patch.dict(os.environ, known):
            boto3.client("s3").create_bucket(Bucket="bucket")
            yield "s3://bucket"
    finally:
        S3FileSystem.clear_instance_cache()  # they know the store that ends here
        server.kill()
        server.wait()


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(address)
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the object store did not start"
            time.sleep(0.1)
        else:
            return


def put(url: str, data: bytes) -> None:
    """An object as another process would put it: no file system of this process hears of it."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=data)
