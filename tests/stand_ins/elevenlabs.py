"""Local test server that speaks ElevenLabs' protocol, as `livekit-plugins-elevenlabs` uses it.

    async with ElevenLabsStandIn(speak=lambda text: tone) as server:
        tts = elevenlabs.TTS(base_url=server.base_url, api_key=server.key,
                             encoding="pcm_24000", ...)

It provides text-to-speech by the multi-context websocket and by the HTTP stream, and the lists
that serve to check a key. Protocol and errors follow elevenlabs.io/docs/api-reference. The only
audio format is pcm_24000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from tests.stand_ins._injector import Body, Socket
from tests.stand_ins._server import BODY, INJECTOR, REQUEST_ID, StandIn
from tests.stand_ins._speak import CHUNK_BYTES, Rejection, Speaking, SpeakOptions
from tests.stand_ins.faults import NOT_JSON, FaultKind, Nonsense
from worker.aio.threads import EngineThread
from worker.audio import dsp
from worker.speech import local_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AsyncExitStack

    from tests.stand_ins._injector import FaultInjector
    from worker.audio.dsp import Floats

#: Voices by id: the plugin's default, and two of the service's premade voices.
VOICES: Final[Mapping[str, str]] = {
    "hpp4J3VqNfWAUOO0d1Us": "Bella",
    "EXAVITQu4vr4xnSDxMaL": "Sarah",
    "21m00Tcm4TlvDq8ikWAM": "Rachel",
}
#: The models of the multi-context websocket (elevenlabs.io/docs/models). The eleven_v3 family has
#: its own protocol, which this server does not support.
MODELS: Final = (
    "eleven_turbo_v2_5",
    "eleven_flash_v2_5",
    "eleven_turbo_v2",
    "eleven_flash_v2",
    "eleven_multilingual_v2",
)
OUTPUT_FORMAT: Final = "pcm_24000"
#: Timeout in seconds without a client message, if the request does not set it (the service's
#: default).
_INACTIVITY_TIMEOUT_S: Final = 20.0

_ERRORS: Final = {
    400: ("invalid_request", "invalid_parameters", "The request is not valid."),
    401: ("authentication_error", "invalid_api_key", "Invalid API key"),
    402: ("payment_required", "payment_required", "The subscription has an open invoice."),
    403: ("authorization_error", "subscription_required", "The subscription does not allow this."),
    404: ("not_found", "voice_not_found", "A voice with that voice_id was not found."),
    429: (
        "rate_limit_error",
        "too_many_concurrent_requests",
        "Too many concurrent requests. Your subscription allows no more at a time.",
    ),
    503: ("internal_error", "system_busy", "We are experiencing heavy traffic. Try again."),
}
_QUOTA: Final = "This request exceeds your quota."


class ElevenLabsStandIn(StandIn):
    """ElevenLabs' API on loopback.

    `speak` turns text into speech (24 kHz mono, floats in [-1, 1)); by default with the local
    voice. It runs in the server's own thread, one text at a time. `voices` maps the ids of the
    known voices to their names. Without `zero_retention`, every request with `enable_logging=false`
    is refused, as for an account that is none of an enterprise. The service does not document how
    it answers then.
    """

    provider = "ElevenLabs"
    key_variable = "ELEVEN_API_KEY"
    url_variable = "ELEVENLABS_BASE_URL"
    path = "/v1"
    faults = frozenset(FaultKind) - {FaultKind.EMPTY_TEXT}

    def __init__(
        self,
        *,
        speak: Callable[[str], Floats] = local_models.synthesize,
        voices: Mapping[str, str] = VOICES,
        key: str = "elevenlabs-stand-in-key",
        zero_retention: bool = True,
    ) -> None:
        super().__init__(key=key)
        #: Characters synthesised since the start; the service bills these.
        self.characters = 0
        self.voices = dict(voices)
        self._zero_retention = zero_retention
        self._speak_text = speak
        self._voice: EngineThread | None = None

    async def _listen(self, stack: AsyncExitStack) -> None:
        self._voice = EngineThread("elevenlabs-stand-in")
        stack.push_async_callback(self._voice.aclose)
        await super()._listen(stack)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the websocket, the HTTP stream, and the lists."""
        return [
            web.get("/v1/text-to-speech/{voice_id}/multi-stream-input", self._websocket),
            web.post("/v1/text-to-speech/{voice_id}/stream", self._stream),
            web.get("/v1/voices", self._voices),
            web.get("/v1/models", self._models),
            web.get("/v1/user", self._user),
        ]

    def headers(self, request_id: str) -> Mapping[str, str]:
        """Return the headers with the request's id, as ElevenLabs sends them."""
        return {"request-id": request_id, "x-trace-id": request_id.replace("-", "")}

    def refusal(self, status: int, code: str, request_id: str) -> Mapping[str, Any]:
        """Return ElevenLabs' error body."""
        usual = ("internal_error", "internal_server_error", "An internal error occurred.")
        kind, name, message = _ERRORS.get(status, usual)
        if code == "quota_exceeded":
            message = _QUOTA
        detail = {"type": kind, "code": code or name, "status": code or name, "message": message}
        return {"detail": detail | {"request_id": request_id}}

    def _knows(self, request: web.Request) -> bool:
        return request.headers.get("xi-api-key") == self.key

    @staticmethod
    def _keeps_nothing(request: web.Request) -> bool:
        return request.query.get("enable_logging") == "false"

    async def _voices(self, request: web.Request) -> web.Response:
        voices = [
            {"voice_id": voice_id, "name": name, "category": "premade"}
            for voice_id, name in self.voices.items()
        ]
        return self._answer(request, {"voices": voices})

    async def _models(self, request: web.Request) -> web.Response:
        models = [{"model_id": model, "can_do_text_to_speech": True} for model in MODELS]
        return self._answer(request, models)

    async def _user(self, request: web.Request) -> web.Response:
        used = {"character_count": self.characters, "character_limit": 100_000}
        return self._answer(
            request, {"user_id": "stand-in", "subscription": {"tier": "creator", **used}}
        )

    def _answer(self, request: web.Request, content: Any) -> web.Response:
        if not self._knows(request):
            return self.refuse(request, 401)
        return web.json_response(content, headers=self.headers(request[REQUEST_ID]))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        body = request[BODY]
        injector = request[INJECTOR]
        if injector.fault is not None and injector.meets(FaultKind.REJECT):
            return self.refuse(request, 401, injector.fault.code)
        if not self._knows(request):
            return self.refuse(request, 401)
        if self._keeps_nothing(request) and not self._zero_retention:
            return self.refuse(request, 403)
        if request.match_info["voice_id"] not in self.voices:
            return self.refuse(request, 404)
        if request.query.get("output_format") != OUTPUT_FORMAT:
            return self.refuse(request, 403, "output_format_not_allowed")
        if not isinstance(body, dict) or not body.get("text"):
            return self.refuse(request, 400, "invalid_text")
        if body.get("model_id") not in MODELS:
            return self.refuse(request, 400, "model_not_found")

        headers = self.headers(request[REQUEST_ID])
        if injector.nonsense is not None:
            return web.Response(text=injector.nonsense, content_type="text/html", headers=headers)
        speech = await self._say(str(body["text"]), injector)
        response = web.StreamResponse(headers={"Content-Type": "audio/pcm", **headers})
        await response.prepare(request)
        parts = Body(response, injector)
        if not injector.meets(FaultKind.NO_AUDIO):
            for at in range(0, len(speech), CHUNK_BYTES):
                chunk = speech[at : at + CHUNK_BYTES]
                await parts.write(chunk, audio_bytes=len(chunk))
        return response

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        injector = request[INJECTOR]

        async def speak(text: str) -> bytes:
            return await self._say(text, injector)

        socket = Socket(injector)
        await socket.accept(request, self.headers(request[REQUEST_ID]))
        await Speaking(
            socket,
            _options(request.query),
            speak,
            injector=injector,
            rejection=self._rejection(request, injector),
        ).run()
        return socket.response

    def _rejection(self, request: web.Request, injector: FaultInjector) -> Rejection | None:
        voice_id = request.match_info["voice_id"]
        if injector.fault is not None and injector.meets(FaultKind.REJECT):
            return Rejection(code=injector.fault.code, message=injector.fault.reason)
        if not self._knows(request):
            return Rejection(code="invalid_api_key", message="Invalid API key")
        if self._keeps_nothing(request) and not self._zero_retention:
            message = "Zero retention mode is not available for this subscription."
            return Rejection(code="subscription_required", message=message)
        if voice_id not in self.voices:
            message = f"A voice with voice_id {voice_id} does not exist."
            return Rejection(code="voice_id_does_not_exist", message=message)
        if request.query.get("model_id") not in MODELS:
            message = "A model with requested ID does not exist"
            return Rejection(code="model_not_found", message=message)
        if request.query.get("output_format") != OUTPUT_FORMAT:
            message = f"The stand-in speaks output_format={OUTPUT_FORMAT} only."
            return Rejection(code="output_format_not_allowed", message=message)
        return None

    async def _say(self, text: str, injector: FaultInjector) -> bytes:
        """Synthesise a text; return 16-bit samples, or their replacement by the fault."""
        assert self._voice is not None
        self.characters += len(text)
        if injector.talks(Nonsense.NO_AUDIO):
            return NOT_JSON.encode()
        speech = await self._voice.run(self._speak_text, text)
        pcm = dsp.to_pcm(speech).tobytes()
        return bytes(len(pcm)) if injector.meets(FaultKind.SILENT_AUDIO) else pcm


def _options(query: Mapping[str, str]) -> SpeakOptions:
    return SpeakOptions(
        auto_mode=query.get("auto_mode") == "true",
        sync_alignment=query.get("sync_alignment") == "true",
        inactivity_timeout_s=float(query.get("inactivity_timeout", _INACTIVITY_TIMEOUT_S)),
    )
