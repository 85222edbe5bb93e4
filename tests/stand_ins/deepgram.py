"""Local test server that speaks Deepgram's protocol, as `livekit-plugins-deepgram` uses it.

    async with DeepgramStandIn(hear=lambda speech: "Hello there.") as server:
        stt = deepgram.STT(base_url=server.base_url, api_key=server.key, ...)

It provides live speech-to-text: it cuts the audio into phrases by loudness and passes the speech
to `hear`. Protocol and errors follow developers.deepgram.com/docs (errors, endpointing,
interim-results, finalize, close-stream).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from tests.stand_ins._injector import Socket
from tests.stand_ins._listen import Listening, ListenOptions
from tests.stand_ins._segments import SegmentOptions
from tests.stand_ins._server import INJECTOR, REQUEST_ID, StandIn
from tests.stand_ins.faults import FaultKind
from worker.aio.threads import EngineThread
from worker.speech import local_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AsyncExitStack

    from worker.audio.dsp import Floats

#: The models of /v1/listen and their languages, from
#: developers.deepgram.com/docs/models-languages-overview; not all of nova-3's languages.
_ENGLISH: Final = frozenset({"en", "en-US", "en-AU", "en-GB", "en-IN", "en-NZ"})
_MANY: Final = _ENGLISH | {"de", "es", "fr", "it", "ja", "multi", "nl", "pt", "pt-BR", "ru", "sv"}
MODELS: Final[Mapping[str, frozenset[str]]] = {
    "nova-3": _MANY,
    "nova-3-general": _MANY,
    "nova-3-medical": _ENGLISH,
    "nova-2": _MANY,
    "nova-2-general": _MANY,
    "nova-2-meeting": _ENGLISH,
    "nova-2-phonecall": _ENGLISH,
    "nova-2-conversationalai": _ENGLISH,
    "enhanced": _MANY,
    "base": _MANY,
}
#: Seconds without audio and KeepAlive after which the service closes the stream (NET-0001).
IDLE_TIMEOUT_S: Final = 10.0
#: Milliseconds of endpointing if the request does not set it.
_ENDPOINTING_MS: Final = 10

_BAD_REQUEST: Final = "Bad Request"
_NO_SUCH_MODEL: Final = "Bad Request: No such model/language/tier combination found."
_ERRORS: Final = {
    400: (_BAD_REQUEST, _NO_SUCH_MODEL),
    401: ("INVALID_AUTH", "Invalid credentials."),
    402: (
        "ASR_PAYMENT_REQUIRED",
        "Project does not have enough credits for an ASR request and does not have an overage "
        "agreement.",
    ),
    403: ("INSUFFICIENT_PERMISSIONS", "Project does not have access to the requested model."),
    404: ("PROJECT_NOT_FOUND", "Project not found."),
    429: ("TOO_MANY_REQUESTS", "Too many requests. Please try again later"),
    503: ("SERVICE_UNAVAILABLE", "The service is unavailable. Please try again later"),
}


class _BadRequest(Exception):
    """Raised for an invalid query; the message is the error."""


class DeepgramStandIn(StandIn):
    """Deepgram's API on loopback.

    `hear` turns speech (16 kHz mono, floats in [-1, 1)) into text; by default with the local
    model. It runs in the server's own thread, one piece at a time. The texts should have
    capitals and punctuation; the server removes them for clients that do not ask for them.
    Without `opt_out`, every request with `mip_opt_out=true` is refused.
    """

    provider = "Deepgram"
    key_variable = "DEEPGRAM_API_KEY"
    url_variable = "DEEPGRAM_BASE_URL"
    path = "/v1/listen"
    faults = frozenset(FaultKind) - {
        FaultKind.REJECT,
        FaultKind.SILENT_AUDIO,
        FaultKind.NO_AUDIO,
    }

    def __init__(
        self,
        *,
        hear: Callable[[Floats], str] = local_models.transcribe,
        key: str = "deepgram-stand-in-key",
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        opt_out: bool = True,
    ) -> None:
        super().__init__(key=key)
        #: Seconds of audio that clients have sent in streams that have ended.
        self.audio_s = 0.0
        self._hear = hear
        self._idle_timeout_s = idle_timeout_s
        self._opt_out = opt_out
        self._ears: EngineThread | None = None

    async def _listen(self, stack: AsyncExitStack) -> None:
        self._ears = EngineThread("deepgram-stand-in")
        stack.push_async_callback(self._ears.aclose)
        await super()._listen(stack)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the live stream, and the list of projects, which serves to check a key."""
        return [web.get("/v1/listen", self._stream), web.get("/v1/projects", self._projects)]

    def headers(self, request_id: str) -> Mapping[str, str]:
        """Return the header with the request's id, as Deepgram sends it."""
        return {"dg-request-id": request_id}

    def refusal(self, status: int, code: str, request_id: str) -> Mapping[str, Any]:
        """Return Deepgram's error body."""
        usual = ("INTERNAL_SERVER_ERROR", "An internal server error occurred.")
        name, message = _ERRORS.get(status, usual)
        return {"err_code": code or name, "err_msg": message, "request_id": request_id}

    def _knows(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Token {self.key}"

    async def _projects(self, request: web.Request) -> web.Response:
        if not self._knows(request):
            return self.refuse(request, 401)
        project = {"project_id": "00000000-0000-0000-0000-000000000000", "name": "stand-in"}
        return web.json_response({"projects": [project]})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if not self._knows(request):
            return self.refuse(request, 401)
        if _flag(request.query, "mip_opt_out") and not self._opt_out:
            return self.refuse(request, 403)
        try:
            options = _options(request.query)
        except _BadRequest as error:
            body = dict(self.refusal(400, "", request[REQUEST_ID])) | {"err_msg": str(error)}
            return web.json_response(body, status=400, headers=self.headers(request[REQUEST_ID]))

        injector = request[INJECTOR]
        ears = self._ears
        assert ears is not None

        async def hear(speech: Floats) -> str:
            if injector.meets(FaultKind.EMPTY_TEXT):
                return ""
            return await ears.run(self._hear, speech)

        socket = Socket(injector)
        await socket.accept(request, self.headers(request[REQUEST_ID]))
        listening = Listening(
            socket,
            options,
            hear,
            request_id=request[REQUEST_ID],
            idle_timeout_s=self._idle_timeout_s,
        )
        try:
            await listening.run()
        finally:
            self.audio_s += listening.heard_s
        return socket.response


def _options(query: Mapping[str, str]) -> ListenOptions:
    """Parse a query.

    Raises:
        _BadRequest: Deepgram refuses the query, or this server does not support it.
    """
    model = query.get("model", "base")
    if query.get("language", "en") not in MODELS.get(model, ()):
        raise _BadRequest(_NO_SUCH_MODEL)
    if query.get("encoding") != "linear16":
        raise _BadRequest("Bad Request: the stand-in understands encoding=linear16 only.")
    if _number(query, "channels", 1) != 1:
        raise _BadRequest("Bad Request: the stand-in understands channels=1 only.")
    sample_rate = _number(query, "sample_rate", 0)
    if not 8000 <= sample_rate <= 48000:
        raise _BadRequest("Bad Request: sample_rate is missing or out of range.")
    utterance_end = _number(query, "utterance_end_ms", 0)
    return ListenOptions(
        model=model,
        sample_rate=sample_rate,
        segments=SegmentOptions(
            endpointing_s=(
                None
                if query.get("endpointing") == "false"
                else _number(query, "endpointing", _ENDPOINTING_MS, true=_ENDPOINTING_MS) / 1000
            ),
            utterance_end_s=utterance_end / 1000 or None,
        ),
        interim_results=_flag(query, "interim_results"),
        vad_events=_flag(query, "vad_events"),
        formatted=_flag(query, "punctuate") or _flag(query, "smart_format"),
    )


def _number(query: Mapping[str, str], name: str, default: int, *, true: int | None = None) -> int:
    text = query.get(name)
    if text is None:
        return default
    if text == "true" and true is not None:
        return true
    if not text.isdigit():
        raise _BadRequest(f"Bad Request: {name} must be a whole number.")
    return int(text)


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "false") == "true"
