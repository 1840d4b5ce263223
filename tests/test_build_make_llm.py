"""Prompts from a language model: the recipe, the budget, and all that an endpoint does wrong."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from chat_server import ChatServer, Reply, chat_server, completion

from unprompt.build.make.llm.answers import parse_answer
from unprompt.build.make.llm.call_log import Call, CallLog
from unprompt.build.make.llm.chat import ChatClient, Endpoint, MalformedAnswer
from unprompt.build.make.llm.collect import LlmConfig, collect_answers
from unprompt.build.make.llm.generate import ask_model, first_message
from unprompt.build.make.prompt_file import MadePrompts
from unprompt.index.base.errors import (
    ConfigError,
    DamagedFileError,
    EndpointError,
    MissingDependencyError,
)

HOST = [f"example number {number} of the host" for number in range(7)]
SETTINGS = {"model": "tiny"}
KEY = "sk-do-not-show"
FIRST_WAIT_SECONDS = 0.02


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    import openai._base_client as waits

    monkeypatch.setattr(waits, "INITIAL_RETRY_DELAY", FIRST_WAIT_SECONDS)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def client(server: ChatServer, **settings: Any) -> ChatClient:
    return ChatClient(Endpoint(server.url, "tiny", **{"timeout_seconds": 10.0, **settings}))


def ask(server: ChatServer, folder: Path, settings: dict[str, Any], **endpoint: Any) -> MadePrompts:
    config = LlmConfig(**{"per_call": 5, "max_calls": 1000, **settings})
    log = CallLog(folder / "calls.jsonl", SETTINGS)
    return ask_model(client(server, **endpoint), config, HOST, log)


def shown(message: str) -> list[str]:
    return parse_answer(message.split("Examples:\n")[1])


def test_a_call_shows_four_examples_and_three_earlier_prompts(
    server: ChatServer, tmp_path: Path
) -> None:
    made = ask(server, tmp_path, {"count": 60})
    assert made.table.height == 60 == made.table["prompt"].n_unique()
    assert len(server.messages) == 12 == made.report["calls"]
    answered: set[str] = set()
    for number, message in enumerate(server.messages):
        examples = shown(message)
        own = [text for text in examples if text not in HOST]
        assert len(examples) - len(own) == 4 and len(own) == (3 if number else 0)
        assert set(own) <= answered, "they are its own earlier prompts"
        answered |= set(made.table["prompt"][5 * number : 5 * number + 5])
        of_call = made.table["parents"][5 * number : 5 * number + 5].to_list()
        assert of_call == [examples] * 5
    assert len({tuple(shown(message)) for message in server.messages}) == 12
    firsts = {shown(message)[0] in HOST for message in server.messages[1:]}
    assert firsts == {True, False}, "both kinds are shuffled together"
    assert first_message(LlmConfig(per_call=5), HOST) == server.messages[0]


def test_what_is_sent(server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID"):
        monkeypatch.setenv(f"OPENAI_{name}", "not-asked-for")
    ask(server, tmp_path / "a", {"count": 1}, key=KEY, temperature=0.7)
    ask(server, tmp_path / "b", {"count": 1})
    with_key, without = server.requests
    assert with_key["path"] == "/v1/chat/completions"
    assert with_key["headers"]["authorization"] == f"Bearer {KEY}"
    assert with_key["body"]["model"] == "tiny" and with_key["body"]["temperature"] == 0.7
    assert "authorization" not in without["headers"] and "temperature" not in without["body"]
    said = {name.lower() for name in [*with_key["headers"], *without["headers"]]}
    assert said <= {
        "host", "accept", "accept-encoding", "connection", "content-type", "content-length",
        "user-agent", "authorization", "x-stainless-raw-response",
    }, "nothing about the machine or its account"  # fmt: skip
    assert without["headers"]["user-agent"] == "unprompt"
    assert KEY not in (tmp_path / "a" / "calls.jsonl").read_text()
    assert KEY not in repr(Endpoint(server.url, "tiny", KEY))


BUSY = {
    "429": Reply(429, b'{"error": "slow down"}', {"Retry-After": "0"}),
    "429 until a date": Reply(
        429, b"", {"Retry-After": format_datetime(datetime.now(UTC) - timedelta(days=1))}
    ),
    "429 with nonsense": Reply(429, b"", {"Retry-After": "soon"}),
    "500": Reply(500, b"oops"),
    "503": Reply(503),
    "cut short": Reply(200, completion("1. a fox")[:20], promise=500),
}


@pytest.mark.parametrize("kind", BUSY)
def test_a_busy_endpoint_is_asked_again(server: ChatServer, kind: str) -> None:
    server.replies += [BUSY[kind]] * 2
    notes: list[str] = []
    chat = ChatClient(Endpoint(server.url, "tiny"), notes.append)
    answer = chat.ask("hello")
    assert answer.attempts == 3 == len(server.requests)
    assert len(parse_answer(answer.text)) == 3 and answer.usage == {"total_tokens": 7}
    assert len(notes) == 2 and "Retrying request in" in notes[0] and server.url in notes[0]


def test_back_off_doubles_and_ends(server: ChatServer) -> None:
    server.replies += [Reply(503, b"full")] * 9
    notes: list[str] = []
    chat = ChatClient(Endpoint(server.url, "tiny", retries=3), notes.append)
    with pytest.raises(EndpointError, match="HTTP 503 full; still busy.*--retries 3.*answers so"):
        chat.ask("hello")
    assert len(server.requests) == 4
    waits = [float(note.split(" in ")[1].split()[0]) for note in notes]
    for number, wait in enumerate(waits):
        assert 0.75 <= wait / (FIRST_WAIT_SECONDS * 2**number) <= 1.0, "it doubles, less a quarter"


def test_a_long_wait_is_not_waited_for(server: ChatServer) -> None:
    server.replies.append(Reply(429, b"quota", {"Retry-After": "3600"}))
    with pytest.raises(EndpointError, match="HTTP 429 quota, Retry-After: 3600;"):
        client(server).ask("hello")
    assert len(server.requests) == 1


def test_a_client_that_was_stopped_makes_no_further_attempt(server: ChatServer) -> None:
    server.replies += [Reply(503)] * 9
    chat = ChatClient(Endpoint(server.url, "tiny"), lambda _: chat.stop())
    with pytest.raises(EndpointError, match="stopped"):
        chat.ask("hello")
    assert len(server.requests) == 1


def test_without_openai_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'unprompt\[llm\]'"):
        ChatClient(Endpoint("http://127.0.0.1:1/v1", "tiny"))


@pytest.mark.parametrize(
    ("status", "said"),
    [(400, "does not take"), (401, "--key-env"), (403, "may not use"), (404, "--url"),
     (302, "does not take")],
)  # fmt: skip
def test_a_refusal_stops_at_once_and_hides_the_key(
    server: ChatServer, tmp_path: Path, status: int, said: str
) -> None:
    with chat_server() as other:
        headers = {"Location": f"{other.url}/chat/completions"} if status == 302 else {}
        server.replies += [Reply(status, f"the key {KEY} is odd".encode(), headers)] * 3
        with pytest.raises(EndpointError, match=rf"HTTP {status}.*{said}") as error:
            ask(server, tmp_path, {"count": 5}, key=KEY)
        assert not other.requests, "a redirect would carry the key elsewhere"
    assert KEY not in str(error.value) and "***" in str(error.value)
    assert len(server.requests) == 1


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chat = ChatClient(Endpoint(f"http://127.0.0.1:{port}/v1", "tiny", retries=1))
    with pytest.raises(EndpointError, match="no answer.*refused.*after 2 attempts"):
        chat.ask("hello")


def test_an_endpoint_that_never_answers(server: ChatServer) -> None:
    server.delays += [2.0] * 2
    with pytest.raises(EndpointError, match="no answer.*timed out"):
        client(server, timeout_seconds=0.1, retries=1).ask("hello")


MALFORMED = [
    Reply(body=b"<html>bad gateway</html>"),
    Reply(body=b'{"choices": []}'),
    Reply(body=b"\xff\xfe"),
    Reply(body=completion(None)),
    Reply(body=completion("I'm sorry, I cannot do that.")),
]


def test_malformed_answers_are_recorded_and_the_next_call_is_made(
    server: ChatServer, tmp_path: Path
) -> None:
    server.replies += MALFORMED[:4]
    with pytest.raises(MalformedAnswer, match="no chat completion"):
        client(server).ask("hello")
    made = ask(server, tmp_path, {"count": 10})
    assert made.table.height == 10
    assert (made.report["calls"], made.report["failed_calls"]) == (5, 3)
    log = CallLog(tmp_path / "calls.jsonl", SETTINGS)
    assert [call.status for call in log] == ["failed"] * 3 + ["success"] * 2
    assert "no choices" in (log[0].error_message or "")


def test_an_endpoint_that_only_talks_nonsense_is_given_up(
    server: ChatServer, tmp_path: Path
) -> None:
    server.replies += MALFORMED
    with pytest.raises(EndpointError, match="5 calls in a row gave no prompt.*no prompt.*calls"):
        ask(server, tmp_path, {"count": 10})
    assert len(server.requests) == 5
    assert ask(server, tmp_path, {"count": 10}).table.height == 10, "a rerun goes on"
    assert len(server.requests) == 7


def test_the_budget_of_calls_is_kept_and_can_be_raised(server: ChatServer, tmp_path: Path) -> None:
    small = ask(server, tmp_path, {"count": 100, "max_calls": 3})
    assert small.table.height == 15 and len(server.requests) == 3
    same = ask(server, tmp_path, {"count": 100, "max_calls": 3})
    assert same.table.equals(small.table) and len(server.requests) == 3, "nothing is asked again"
    more = ask(server, tmp_path, {"count": 22, "max_calls": 50})
    assert more.table.height == 22 and len(server.requests) == 5
    assert more.table.head(15).equals(small.table)


@pytest.mark.parametrize("parallel", [2, 4])
def test_calls_side_by_side_come_out_the_same(
    server: ChatServer, tmp_path: Path, parallel: int
) -> None:
    settings = {"count": 40, "parallel": parallel}
    first = ask(server, tmp_path / "a", settings)
    asked = sorted(server.messages)
    server.messages.clear()
    server.delays += [0.2, 0.1, 0.05, 0.0, 0.15, 0.0]
    second = ask(server, tmp_path / "b", settings)
    assert second.table.equals(first.table) and sorted(server.messages) == asked
    partial = ask(server, tmp_path / "c", {**settings, "max_calls": 3})
    assert partial.table.height == 15
    assert ask(server, tmp_path / "c", settings).table.equals(first.table), "rounds are filled up"


def test_a_refusal_among_parallel_calls_keeps_the_others(
    server: ChatServer, tmp_path: Path
) -> None:
    server.replies.append(Reply(401, b"no"))
    with pytest.raises(EndpointError, match="HTTP 401"):
        ask(server, tmp_path, {"count": 40, "parallel": 4})
    assert len(CallLog(tmp_path / "calls.jsonl", SETTINGS)) == 3


def test_repeated_short_and_long_prompts_are_left_out() -> None:
    answer = [HOST[0].upper(), "a red fox", "A  red fox", "fox", "word " * 90, "an old owl"]
    listed = "\n".join(f"{number}. {text}" for number, text in enumerate(answer, start=1))
    made = collect_answers([listed, "I'm sorry.", listed], LlmConfig(), HOST)
    assert made.table["prompt"].to_list() == ["a red fox", "an old owl"]
    assert made.report == {
        "calls": 3, "failed_calls": 1, "repeated": 2 + 4, "too_short": 2, "too_long": 2,
    }  # fmt: skip


def test_a_torn_line_is_cut_off_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    log = CallLog(path, SETTINGS)
    for number in (1, 0):
        log.add(Call(number, "success", ("x",), f"answer {number}"))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"number": 2, "sta')
    again = CallLog(path, SETTINGS)
    assert path.read_bytes() == whole and [call.number for call in again] == [0, 1]
    with pytest.raises(ConfigError, match="other settings.*model"):
        CallLog(path, {"model": "large"})
    lines = whole.splitlines(keepends=True)
    path.write_bytes(lines[0] + b"nonsense\n" + lines[2])
    with pytest.raises(DamagedFileError, match=r"calls\.jsonl:2 is not valid JSON"):
        CallLog(path, SETTINGS)
    path.write_bytes(lines[0] + b'{"number": "x"}\n')
    with pytest.raises(DamagedFileError, match=r"calls\.jsonl:2 is not a call"):
        CallLog(path, SETTINGS)
    path.write_bytes(lines[0][:10])
    assert len(CallLog(path, SETTINGS)) == 0, "killed before the first line was whole"


@pytest.mark.parametrize(
    ("url", "model", "key"),
    [("ftp://x/v1", "m", None), ("localhost:8000", "m", None), ("http://u:p@x/v1", "m", None),
     ("http://x/v1", " ", None), ("http://x/v1", "m", "a\nb")],
)  # fmt: skip
def test_endpoints_that_cannot_work(url: str, model: str, key: str | None) -> None:
    with pytest.raises(ConfigError):
        Endpoint(url, model, key)


COUNT = 40


def command(server: ChatServer, output: Path, *more: object) -> list[str]:
    host = output.parent / "host.csv"
    host.write_text("imgId,prompt\n" + "".join(f"{n},{text}\n" for n, text in enumerate(HOST)))
    options = ("--url", server.url, "--model", "tiny", "--examples", host, "--per-call", 5)
    return [str(part) for part in ("make", "llm", "-o", output, *options, "-n", COUNT, *more)]


def test_a_killed_command_goes_on_without_asking_twice(server: ChatServer, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, killed = tmp_path / "whole" / "x.parquet", tmp_path / "killed" / "x.parquet"
    start = [sys.executable, "-m", "unprompt.ui.cli.main"]
    done = subprocess.run([*start, *command(server, whole)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    asked = list(server.messages)
    assert len(asked) == 8
    server.messages.clear()
    server.delays += [0.0] * 4 + [60.0]
    process = subprocess.Popen([*start, *command(server, killed)], stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 60
        while len(server.messages) < 5 and time.monotonic() < give_up:
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert len(server.messages) == 5 and not killed.exists()
    done = subprocess.run([*start, *command(server, killed)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert server.messages == asked[:5] + asked[4:], "the call in flight alone is made again"
    assert pl.read_parquet(killed).equals(pl.read_parquet(whole))


def test_the_command_with_a_key_and_a_larger_count(
    cli: Any, server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    output = tmp_path / "x.jsonl"
    found = cli(*command(server, output, "--key-env", "MY_KEY", "--max-calls", 2, "--json"))
    assert found.code == 0, found.err
    told = json.loads(found.out)
    assert told["prompts"] == 10 and told["report"]["calls"] == 2
    assert server.requests[0]["headers"]["authorization"] == f"Bearer {KEY}"
    more = cli(*command(server, output, "--key-env", "MY_KEY"))
    assert more.code == 0 and len(server.requests) == 8
    assert pl.read_ndjson(output).height == COUNT
    other = cli(*command(server, output, "--seed", 5))
    assert other.code == 1 and "calls of other settings (seed differ)" in other.err
    everything = "".join(p.read_text() for p in tmp_path.iterdir()) + found.out + found.err
    assert KEY not in everything


def test_answers_without_a_network(cli: Any, tmp_path: Path) -> None:
    answer, output = tmp_path / "answer.txt", tmp_path / "x.txt"
    answer.write_text("1. a fox in the snow\n2. an owl at night\n3. a fox in the snow\n")
    call = ("make", "llm", "-o", output, "--answers", answer)
    found = cli(*call)
    assert found.code == 0, found.err
    assert output.read_text() == "a fox in the snow\nan owl at night\n"
    answer.write_text("I'm sorry.")
    none = cli(*call, "--overwrite")
    assert none.code == 1 and "no prompt could be made" in none.err
    assert output.read_text().count("\n") == 2, "what was there stays"
    message = cli("make", "llm", "-o", output, "--show")
    assert message.code == 0 and message.out.startswith("Write 20 new prompts")
    assert cli("make", "llm", "-o", output, "--url", "http://127.0.0.1:1/v1").code == 2
    lost = cli("make", "llm", "-o", output, "--answers", tmp_path / "none.txt")
    assert lost.code == 1 and "cannot read" in lost.err
