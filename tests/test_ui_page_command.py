"""`unprompt demo`: it serves until it is stopped, leaves nothing, and names what is wrong."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from unprompt.index.base.errors import MissingDependencyError
from unprompt.ui.page.gradio_library import load_gradio


def test_the_command_serves_until_interrupted_and_leaves_nothing(
    tiny_run: Path, tmp_path: Path
) -> None:
    temporary, work = tmp_path / "temporary", tmp_path / "work"
    temporary.mkdir()
    work.mkdir()
    command = [sys.executable, "-c", "from unprompt.ui.cli.main import main; main()", "demo"]
    options = ["--bundle", str(tiny_run / "bundle"), "--port", "0", "--no-open"]
    environment = os.environ | {
        "TMPDIR": str(temporary),
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    with subprocess.Popen(
        command + options,
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert address, process.communicate(timeout=30)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert b"gradio" in opener.open(address[0], timeout=15).read()
        assert len(list(temporary.glob("unprompt-demo-*"))) == 1
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == ""
    assert list(temporary.glob("unprompt-demo-*")) == []
    assert list(work.iterdir()) == []


def test_a_port_in_use_is_named(cli: Any, tiny_run: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = cli("demo", "--bundle", tiny_run / "bundle", "--port", port, "--no-open")
    assert result.code == 1
    assert f"port {port} of 127.0.0.1" in result.err and "`--port`" in result.err


def test_an_impossible_port_is_refused(cli: Any) -> None:
    result = cli("demo", "--port", 70000, "--no-open")
    assert result.code == 1
    assert "--port must be from 0 to 65535, got 70000" in result.err


def test_a_bundle_that_is_not_whole_is_named(cli: Any, tmp_path: Path) -> None:
    result = cli("demo", "--bundle", tmp_path, "--port", 0, "--no-open")
    assert result.code == 1
    assert "is not a finished bundle" in result.err


def test_without_gradio_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'unprompt\[demo,cpu\]'"):
        load_gradio()
