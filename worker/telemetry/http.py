"""The worker's HTTP servers: health probes, metrics, and the state of the jobs.

All answers come from memory, so no handler waits for a disk, a database or LiveKit.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from worker.telemetry.bounded_server import BoundedServer, Handler, HttpLimits
from worker.telemetry.job_observer import Observer
from worker.telemetry.worker_status import WorkerStatus

logger = logging.getLogger(__name__)

#: The keys of the worker's status that are shown without a token.
_OPEN = ("ready", "waiting_on", "draining")


class Probes:
    """Handlers of the probes.

    Args:
        observer: The source of job data.
        status: Returns the worker's status; called for each response that shows the status.
        brief: True to leave out what only an operator should read: reasons, numbers, ids of jobs.
    """

    def __init__(
        self, observer: Observer, status: Callable[[], WorkerStatus], *, brief: bool = False
    ) -> None:
        self._observer = observer
        self._status = status
        self._brief = brief

    async def livez(self, _: web.Request) -> web.StreamResponse:
        """Answer the liveness probe. Any answer proves that the main process's event loop runs."""
        if self._brief:
            return _json({"alive": True})
        return _json({"alive": True, "unresponsive_jobs": self._observer.unresponsive()})

    async def readyz(self, _: web.Request) -> web.StreamResponse:
        """Answer whether the worker takes jobs."""
        status = self._status()
        return _json(self._shown(status), status=200 if status.ready else 503)

    async def startupz(self, _: web.Request) -> web.StreamResponse:
        """Answer whether the worker has been ready at least once."""
        status = self._status()
        data = {"started": status.started} | self._shown(status)
        return _json(data, status=200 if status.started else 503)

    def _shown(self, status: WorkerStatus) -> dict[str, Any]:
        data = status.as_data()
        return {key: data[key] for key in _OPEN} if self._brief else data


class ProbeServer:
    """HTTP server that answers the probes alone, without a token, until `aclose`.

    The answers contain what an orchestrator such as Kubernetes needs, and nothing about jobs.

    Args:
        observer: The source of job data.
        status: Returns the worker's status; called for each response that shows the status.
        limits: Limits on times, sizes and numbers of requests; by default those of `HttpLimits`.
    """

    def __init__(
        self,
        observer: Observer,
        status: Callable[[], WorkerStatus],
        *,
        limits: HttpLimits | None = None,
    ) -> None:
        probes = Probes(observer, status, brief=True)
        self._server = BoundedServer(
            [
                web.get("/livez", probes.livez),
                web.get("/healthz", probes.livez),
                web.get("/readyz", probes.readyz),
                web.get("/startupz", probes.startupz),
            ],
            middlewares=[json_errors],
            limits=limits,
        )

    async def start(self, host: str, port: int) -> int:
        """Start to serve on a host and port; return the port. Raises OSError if binding fails."""
        bound = await self._server.start(host, port)
        logger.info(
            "HTTP server started for the probes alone",
            extra={"event": "probe_server_started", "host": host, "port": bound},
        )
        return bound

    async def aclose(self) -> None:
        """Stop the server."""
        await self._server.aclose()


class TelemetryServer:
    """HTTP server for metrics, probes and the state of jobs; runs until `aclose` is called.

    Args:
        observer: The source of job data.
        status: Returns the worker's status; called for each response that shows the status.
        token: The bearer token that each GET request must contain; empty disables the check.
        posts: Handlers of POST requests, by path. A POST handler authenticates its caller.
        limits: Limits on times, sizes and numbers of requests; by default those of `HttpLimits`.
    """

    def __init__(
        self,
        observer: Observer,
        status: Callable[[], WorkerStatus],
        *,
        token: str = "",
        posts: Mapping[str, Handler] | None = None,
        limits: HttpLimits | None = None,
    ) -> None:
        self._observer = observer
        self._status = status
        self._token = token
        self._posts = dict(posts or {})
        probes = Probes(observer, status)
        self._server = BoundedServer(
            [
                web.get("/livez", probes.livez),
                web.get("/healthz", probes.livez),
                web.get("/readyz", probes.readyz),
                web.get("/startupz", probes.startupz),
                web.get("/metrics", self._metrics),
                web.get("/jobs", self._jobs),
                web.get("/jobs/{job_id}", self._job),
                *(web.post(path, handler) for path, handler in self._posts.items()),
            ],
            middlewares=[json_errors, self._guard],
            limits=limits,
        )

    async def start(self, host: str, port: int) -> int:
        """Start to serve on a host and port; return the port. Raises OSError if binding fails."""
        bound = await self._server.start(host, port)
        logger.info(
            "HTTP server started for metrics and probes",
            extra={"event": "http_server_started", "host": host, "port": bound},
        )
        return bound

    def use_token(self, token: str) -> None:
        """Require this bearer token from the next request on; an empty token disables the check."""
        self._token = token

    async def aclose(self) -> None:
        """Stop the server."""
        await self._server.aclose()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        # Header bytes that are not UTF-8 arrive as surrogates and never match the token.
        brought = given.encode(errors="surrogateescape")
        asked = self._token and request.path not in self._posts
        if asked and not hmac.compare_digest(brought, self._token.encode()):
            return _json({"error": "token required: send Authorization: Bearer …"}, status=401)
        return await handler(request)

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


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Convert an HTTP error that a handler raised to a JSON response."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _json({"error": error.reason}, status=error.status)


def _json(data: Any, *, status: int = 200) -> web.Response:
    return web.Response(
        text=json.dumps(data) + "\n", status=status, content_type="application/json"
    )
