"""What the OpenAPI page promises, asked over HTTP by a machine with inputs that nobody would think of."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from kinema.app.server.config import ServerConfig
from kinema.app.server.web import create_app

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[str, dict]]:
    """Address and description of a server without workers: what is asked for waits."""
    config = ServerConfig(root=tmp_path_factory.mktemp("server"), rate=0, queue=10**9)
    app = create_app(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", app.openapi()
        server.should_exit = True
        thread.join()


def test_every_answer_is_one_that_the_page_describes(served):
    address, page = served
    schema = schemathesis.openapi.from_dict(page)
    for path, methods in page["paths"].items():
        for method in methods:

            @given(case=schema[path][method.upper()].as_strategy())
            @settings(
                max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
            )
            def answers_as_described(case):
                # Without workers the server says that it is not ready, as it should.
                checks = CHECKS[1:] if case.path == "/readyz" else CHECKS
                case.call_and_validate(base_url=address, checks=checks, timeout=60)

            answers_as_described()
