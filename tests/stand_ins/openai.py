"""Local test server that speaks OpenAI's protocol, as `livekit-plugins-openai` uses it.

    async with OpenAIStandIn(reply=lambda messages: "ACKNOWLEDGE: Thank you.") as server:
        llm = openai.LLM(base_url=server.base_url, api_key=server.key, model="gpt-4.1-mini")
        ...
        server.requests[-1].body["messages"]    # the last prompt

It provides chat completions. Protocol and errors follow platform.openai.com/docs
(api-reference/chat, guides/error-codes).
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiohttp import web

from tests.stand_ins._injector import Body
from tests.stand_ins._server import BODY, INJECTOR, REQUEST_ID, StandIn
from tests.stand_ins.faults import FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

Messages: TypeAlias = "list[dict[str, Any]]"
Reply: TypeAlias = "Callable[[Messages], str | Iterable[str]]"

MODELS: Final = (
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4.1-nano",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
)
#: In the form that the interviewer's prompt asks for: a keyword, and one sentence.
DEFAULT_REPLY: Final = "ACKNOWLEDGE: Thank you, that helps."
#: Approximate number of characters per token, for `usage` and the limit of a request.
_TOKEN: Final = 4

#: Type, code and message by status.
_ERRORS: Final = {
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    402: ("insufficient_quota", "insufficient_quota", "Insufficient credits."),
    404: (
        "invalid_request_error",
        "model_not_found",
        "The model does not exist or you do not have access to it.",
    ),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    503: ("server_error", "server_overloaded", "The engine is currently overloaded."),
}
_QUOTA: Final = "You exceeded your current quota, please check your plan and billing details."


@dataclass(frozen=True, kw_only=True)
class _Completion:
    """One answer, split into the parts that are streamed."""

    id: str
    created: int
    model: str
    parts: list[str]
    finish_reason: str
    prompt_tokens: int

    @property
    def usage(self) -> dict[str, int]:
        completion = sum(_tokens(part) for part in self.parts)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
        }


class OpenAIStandIn(StandIn):
    """OpenAI's API on loopback; it also represents other servers with the same protocol.

    `reply` receives the messages of a request and returns the answer: a text, which is streamed
    word by word, or the parts to stream. It is called on the event loop. Requests with one of the
    `unknown_parameters` are refused, as some servers refuse what they do not know.
    """

    provider = "OpenAI"
    key_variable = "OPENAI_API_KEY"
    url_variable = "OPENAI_BASE_URL"
    path = "/v1"
    faults = frozenset(FaultKind) - {
        FaultKind.REJECT,
        FaultKind.SILENT_AUDIO,
        FaultKind.NO_AUDIO,
    }

    def __init__(
        self,
        *,
        reply: Reply = lambda _: DEFAULT_REPLY,
        models: Collection[str] = MODELS,
        key: str = "openai-stand-in-key",
        unknown_parameters: Collection[str] = (),
    ) -> None:
        super().__init__(key=key)
        self._reply = reply
        self._models = tuple(models)
        self._unknown_parameters = frozenset(unknown_parameters)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the completions, and the list of models, which serves to check a key."""
        return [
            web.post("/v1/chat/completions", self._complete),
            web.get("/v1/models", self._list_models),
        ]

    def headers(self, request_id: str) -> Mapping[str, str]:
        """Return the header with the request's id, as OpenAI sends it."""
        return {"x-request-id": f"req_{request_id.replace('-', '')}"}

    def refusal(self, status: int, code: str, request_id: str) -> Mapping[str, Any]:
        """Return OpenAI's error body."""
        usual = ("server_error", None, "The server had an error while processing your request.")
        kind, name, message = _ERRORS.get(status, usual)
        if code == "insufficient_quota":
            kind, message = code, _QUOTA
        return {"error": {"message": message, "type": kind, "param": None, "code": code or name}}

    def _knows(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.key}"

    async def _list_models(self, request: web.Request) -> web.Response:
        if not self._knows(request):
            return self.refuse(request, 401)
        models = [
            {"id": model, "object": "model", "created": 1, "owned_by": "stand-in"}
            for model in self._models
        ]
        return web.json_response({"object": "list", "data": models})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = request[BODY]
        if not self._knows(request):
            return self.refuse(request, 401)
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            return self.refuse(request, 400, "missing_required_parameter")
        if self._unknown_parameters & set(body):
            return self.refuse(request, 400, "unknown_parameter")
        if body.get("model") not in self._models:
            return self.refuse(request, 404)

        empty = request[INJECTOR].meets(FaultKind.EMPTY_TEXT)
        completion = self._completion(body, request[REQUEST_ID], empty=empty)
        if body.get("stream"):
            return await self._stream(request, completion)
        return await self._answer(request, completion)

    def _completion(self, body: dict[str, Any], request_id: str, *, empty: bool) -> _Completion:
        messages: Messages = body["messages"]
        answer = self._reply(messages)
        parts = _words(answer) if isinstance(answer, str) else list(answer)
        most = body.get("max_completion_tokens") or body.get("max_tokens")
        kept = [] if empty else _at_most(parts, most)
        return _Completion(
            id=f"chatcmpl-{request_id.replace('-', '')}",
            created=int(time.time()),
            model=body["model"],
            parts=kept,
            finish_reason="stop" if empty or len(kept) == len(parts) else "length",
            prompt_tokens=sum(_tokens(str(message.get("content"))) for message in messages),
        )

    async def _answer(self, request: web.Request, completion: _Completion) -> web.StreamResponse:
        injector = request[INJECTOR]
        message = {"role": "assistant", "content": "".join(completion.parts), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None}
        content = _head(completion, "chat.completion") | {
            "choices": [choice | {"finish_reason": completion.finish_reason}],
            "usage": completion.usage,
        }
        response = web.StreamResponse(
            headers={"Content-Type": "application/json", **self.headers(request[REQUEST_ID])}
        )
        await response.prepare(request)
        whole = injector.nonsense or json.dumps(content)
        await Body(response, injector).write(whole.encode())
        return response

    async def _stream(self, request: web.Request, completion: _Completion) -> web.StreamResponse:
        injector = request[INJECTOR]
        headers = self.headers(request[REQUEST_ID])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **headers})
        await response.prepare(request)
        body = Body(response, injector)
        options = request[BODY].get("stream_options") or {}
        for chunk in _chunks(completion, usage=bool(options.get("include_usage"))):
            await body.write(f"data: {injector.nonsense or json.dumps(chunk)}\n\n".encode())
        await body.write(b"data: [DONE]\n\n")
        return response


def _chunks(completion: _Completion, *, usage: bool) -> Iterable[dict[str, Any]]:
    head = _head(completion, "chat.completion.chunk") | ({"usage": None} if usage else {})

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return head | {"choices": [choice]}

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for part in completion.parts:
        yield chunk({"content": part})
    yield chunk({}, completion.finish_reason)
    if usage:
        yield head | {"choices": [], "usage": completion.usage}


def _head(completion: _Completion, kind: str) -> dict[str, Any]:
    return {
        "id": completion.id,
        "object": kind,
        "created": completion.created,
        "model": completion.model,
        "service_tier": "default",
        "system_fingerprint": "fp_stand_in",
    }


def _words(text: str) -> list[str]:
    """Split a text into words, each with the white space before it."""
    return re.findall(r"\s*\S+|\s+$", text)


def _at_most(parts: list[str], tokens: int | None) -> list[str]:
    """Return the leading parts that fit into this number of tokens."""
    kept: list[str] = []
    used = 0
    for part in parts:
        used += _tokens(part)
        if tokens is not None and used > tokens:
            break
        kept.append(part)
    return kept


def _tokens(text: str) -> int:
    return -(-len(text) // _TOKEN)
