"""The endpoints of the page: `/invert` and `/search`, by gradio_client and by plain HTTP."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from the_page import BOMB, TEXT, Served, bad_file


def test_the_endpoint_returns_prompt_and_candidates(client: Any, served: Served) -> None:
    from gradio_client import handle_file

    prompt, answer = client.predict(handle_file(str(served.picture)), api_name="/invert")
    candidates = answer["candidates"]
    assert prompt == answer["prompt"] and candidates[0]["prompt"] == served.prompt
    assert 0 < answer["expected_cosine"] < 1 and not answer["outside"]
    assert len(answer["vector"]) == 384 and len(answer["neighbors"]) == 8
    scores = [candidate["score"] for candidate in candidates]
    assert scores == sorted(scores, reverse=True)
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    inputs = {
        name: [one["parameter_name"] for one in endpoint["parameters"]]
        for name, endpoint in named.items()
    }
    assert inputs == {"/invert": ["picture"], "/search": ["text", "count"]}
    outputs = [one["label"] for one in named["/invert"]["returns"]]
    assert outputs == ["prompt", "answer"]


def test_the_search_endpoint_finds_prompts_by_meaning(client: Any, served: Served) -> None:
    found = client.predict(served.prompt, 3, api_name="/search")
    assert found[0]["prompt"] == served.prompt and found[0]["score"] > 0.99
    assert len(found) == 3 and found[0]["score"] >= found[1]["score"] >= found[2]["score"]


@pytest.mark.parametrize("name", [TEXT, BOMB])
def test_the_endpoint_says_what_is_wrong(
    client: Any, served: Served, name: str, tmp_path: Path
) -> None:
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    path = bad_file(name, tmp_path, served)
    with pytest.raises(AppError, match="cannot read the picture .* wanted a whole PNG, JPEG"):
        client.predict(handle_file(str(path)), api_name="/invert")


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
def test_the_endpoint_reads_no_file_that_was_not_uploaded(
    served: Served, meta: dict[str, Any]
) -> None:
    url = f"{served.url}gradio_api/call/invert"
    body = json.dumps({"data": [{"path": str(served.picture), **meta}]}).encode()
    call = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(call, timeout=15)
    assert refused.value.code == 400
    assert "must be uploaded first" in refused.value.read().decode()
