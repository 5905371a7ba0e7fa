"""An object store on this machine that speaks S3, and what stands in its environment for those who read `s3://`."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import boto3
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem


@contextmanager
def serving_bucket() -> Iterator[str]:
    """An empty bucket's URL; processes that are started meanwhile know the store, too."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    known = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        with patch.dict(os.environ, known):
            bucket = uuid.uuid4().hex  # the store's content outlives the server
            boto3.client("s3").create_bucket(Bucket=bucket)
            yield f"s3://{bucket}"
    finally:
        S3FileSystem.clear_instance_cache()  # they know the store that ends here
        server.stop()


def put(url: str, data: bytes) -> None:
    """An object as another process would put it: no file system of this process hears of it."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=data)
