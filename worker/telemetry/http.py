"""The worker's HTTP server: health probes, metrics, and the state of the jobs.

All answers come from memory, so no handler waits for a disk, a database or LiveKit.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from worker.telemetry.job_observer import Observer
from worker.telemetry.worker_status import WorkerStatus

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Maximum seconds that the server waits for pending responses while it closes.
_CLOSE_S: Final = 1.0


class TelemetryServer:
    """HTTP server that runs until `aclose`.

    Args:
        observer: The source of job data.
        status: Returns the worker's status; called for each response.
        token: The bearer token that each GET request must contain; empty disables the check.
        posts: Handlers of POST requests, by path. A POST handler authenticates its caller.
    """

    def __init__(
        self,
        observer: Observer,
        status: Callable[[], WorkerStatus],
        *,
        token: str = "",
        posts: Mapping[str, Handler] | None = None,
    ) -> None:
        self._observer = observer
        self._status = status
        self._token = token
        self._posts = dict(posts or {})
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Start to serve on a host and port; return the port. Raises OSError if binding fails."""
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/startupz", self._startupz),
                web.get("/metrics", self._metrics),
                web.get("/jobs", self._jobs),
                web.get("/jobs/{job_id}", self._job),
                *(web.post(path, handler) for path, handler in self._posts.items()),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError:
            await self.aclose()
            raise
        bound: int = self._runner.addresses[0][1]
        logger.info(
            "HTTP server started for metrics and probes",
            extra={"event": "http_server_started", "host": host, "port": bound},
        )
        return bound

    async def aclose(self) -> None:
        """Stop the server."""
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        # Header bytes that are not UTF-8 arrive as surrogates and never match the token.
        brought = given.encode(errors="surrogateescape")
        asked = self._token and request.path not in self._posts
        if asked and not hmac.compare_digest(brought, self._token.encode()):
            return _json({"error": "token required: send Authorization: Bearer …"}, status=401)
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _json({"error": error.reason}, status=error.status)

    async def _livez(self, _: web.Request) -> web.StreamResponse:
        """Answer the liveness probe. Any answer proves that the main process's event loop runs."""
        unresponsive = self._observer.unresponsive()
        return _json({"alive": True, "unresponsive_jobs": unresponsive})

    async def _readyz(self, _: web.Request) -> web.StreamResponse:
        status = self._status()
        return _json(status.as_data(), status=200 if status.ready else 503)

    async def _startupz(self, _: web.Request) -> web.StreamResponse:
        status = self._status()
        data = {"started": status.started} | status.as_data()
        return _json(data, status=200 if status.started else 503)

    async def _metrics(self, _: web.Request) -> web.StreamResponse:
        page = self._observer.page(self._status())
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _jobs(self, _: web.Request) -> web.StreamResponse:
        return _json({"jobs": self._observer.jobs()})

    async def _job(self, request: web.Request) -> web.StreamResponse:
        job = self._observer.job(request.match_info["job_id"])
        if job is None:
            return _json({"error": "no such job in this worker"}, status=404)
        return _json(job)


def _json(data: Any, *, status: int = 200) -> web.Response:
    return web.Response(
        text=json.dumps(data) + "\n", status=status, content_type="application/json"
    )
