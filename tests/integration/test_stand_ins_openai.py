"""The local OpenAI test server, driven by the real plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from livekit.agents import APIConnectionError, APIStatusError

from tests.stand_ins.faults import Fault, Nonsense
from tests.stand_ins.openai import DEFAULT_REPLY, OpenAIStandIn
from tests.support.database.provider_clients import ONCE, chunks_of, openai_llm, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def server() -> AsyncIterator[OpenAIStandIn]:
    async with OpenAIStandIn() as server:
        yield server


async def complete(server: OpenAIStandIn, **body: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {server.key}"}
    whole = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hi"}]} | body
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{server.base_url}/chat/completions", json=whole, headers=headers) as response,
    ):
        return response.status, await response.json()


async def test_an_answer_comes_word_by_word_with_its_usage(server: OpenAIStandIn) -> None:
    async with openai_llm(server) as model:
        chunks = await chunks_of(model)

    contents = [chunk.delta.content for chunk in chunks if chunk.delta and chunk.delta.content]
    assert contents == ["ACKNOWLEDGE:", " Thank", " you,", " that", " helps."]
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0


async def test_the_prompt_is_recorded(server: OpenAIStandIn) -> None:
    async with openai_llm(server) as model:
        await chunks_of(model, "What did you do?")

    request = server.requests[-1]
    assert request.path == "/v1/chat/completions"
    assert request.body["model"] == "gpt-4.1-mini"
    assert request.body["messages"][-1]["content"] == "What did you do?"


async def test_the_reply_gets_the_messages_and_may_come_in_parts() -> None:
    def reply(messages: list[dict[str, Any]]) -> list[str]:
        return ["You said ", messages[-1]["content"], "."]

    async with OpenAIStandIn(reply=reply) as server, openai_llm(server) as model:
        chunks = await chunks_of(model, "yes")

    assert text_of(chunks) == "You said yes."


async def test_an_answer_is_cut_at_the_token_limit(server: OpenAIStandIn) -> None:
    status, body = await complete(server, max_completion_tokens=5)

    assert status == 200
    assert body["choices"][0]["finish_reason"] == "length"
    assert DEFAULT_REPLY.startswith(body["choices"][0]["message"]["content"])


async def test_an_answer_can_come_without_streaming(server: OpenAIStandIn) -> None:
    status, body = await complete(server)

    assert status == 200
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["content"] == DEFAULT_REPLY
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["completion_tokens"] > 0


async def test_a_model_that_does_not_exist_is_not_found() -> None:
    async with (
        OpenAIStandIn(models=["mine"]) as server,
        openai_llm(server) as model,
        openai_llm(server, model="mine") as mine,
    ):
        with pytest.raises(APIStatusError) as error:
            await chunks_of(model)
        assert text_of(await chunks_of(mine)) == DEFAULT_REPLY

    assert error.value.status_code == 404
    assert isinstance(error.value.body, dict)
    assert error.value.body["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.refuse(401), "invalid_api_key"),
        (Fault.refuse(429), "rate_limit_exceeded"),
        (Fault.refuse(429, code="insufficient_quota"), "insufficient_quota"),
    ],
)
async def test_an_error_carries_its_code(server: OpenAIStandIn, fault: Fault, code: str) -> None:
    """`retryable` is the same for a rate limit and for a quota: only the code tells them apart."""
    server.fault(fault)
    async with openai_llm(server) as model:
        with pytest.raises(APIStatusError) as error:
            await chunks_of(model)

    assert isinstance(error.value.body, dict)
    assert error.value.body["code"] == code


@pytest.mark.parametrize("body", [{"messages": None}, {"messages": "Hi"}])
async def test_a_request_without_messages_is_refused(
    server: OpenAIStandIn, body: dict[str, Any]
) -> None:
    status, content = await complete(server, **body)

    assert status == 400
    assert content["error"]["code"] == "missing_required_parameter"


async def test_a_key_is_checked_with_the_list_of_models(server: OpenAIStandIn) -> None:
    async with aiohttp.ClientSession() as http:
        statuses = []
        for key in (server.key, "wrong"):
            headers = {"Authorization": f"Bearer {key}"}
            async with http.get(f"{server.base_url}/models", headers=headers) as response:
                statuses.append(response.status)

    assert statuses == [200, 401]


async def test_an_answer_can_be_empty_and_well_formed(server: OpenAIStandIn) -> None:
    server.fault(Fault.empty_text())
    async with openai_llm(server) as model:
        chunks = await chunks_of(model)

    assert chunks
    assert text_of(chunks) == ""


@pytest.mark.parametrize("nonsense", [Nonsense.NOT_JSON, Nonsense.WRONG_SHAPE])
async def test_a_malformed_answer_is_a_connection_error(
    server: OpenAIStandIn, nonsense: Nonsense
) -> None:
    server.fault(Fault.garbage(nonsense))
    async with openai_llm(server) as model:
        with pytest.raises(APIConnectionError):
            await chunks_of(model)


@pytest.mark.parametrize("fault", [Fault.reset(after_messages=3), Fault.close(after_messages=3)])
async def test_an_answer_that_breaks_off_is_not_requested_again(
    server: OpenAIStandIn, fault: Fault
) -> None:
    server.fault(fault)
    async with openai_llm(server) as model:
        with pytest.raises(APIConnectionError) as error:
            await chunks_of(model, conn_options=ONCE)

    assert not error.value.retryable
    assert len(server.requests) == 1


async def test_a_slow_answer_is_complete(server: OpenAIStandIn) -> None:
    server.fault(Fault.slow(answer_s=0.02, chunk_s=0.01))
    async with openai_llm(server) as model:
        assert text_of(await chunks_of(model)) == DEFAULT_REPLY
