"""A real HTTP proxy, tinyproxy, and a TLS server in front of a LiveKit server."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
import subprocess
from typing import TYPE_CHECKING, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.debian_programs import debian_program
from tests.support.live.waiting import answered
from worker.simulation.child_process import start_child

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from pathlib import Path

_CHUNK: Final = 65536
_CONFIG: Final = """\
Port {port}
Listen {host}
Timeout 600
MaxClients 100
LogLevel Connect
BasicAuth {user} {password}
"""
#: What Python 3.13 requires of an authority's certificate.
_SIGNS_CERTIFICATES: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class ForwardProxy:
    """A tinyproxy that asks for a user name and a password. Use it as an async context manager.

    Skips the test if tinyproxy is not installed (with CI=true it fails).
    """

    user: Final = "worker"
    #: The URL has two of its characters escaped. LiveKit's SDK decodes no escape.
    password: Final = "a-b_c"

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self._program = debian_program("tinyproxy")
        self._folder = folder
        self._address = (host, port)
        self._log = folder / "tinyproxy.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the proxy for HTTPS_PROXY."""
        host, port = self._address
        return f"http://{self.user}:a%2Db%5Fc@{host}:{port}"

    @property
    def requests(self) -> list[str]:
        """The request lines that have arrived."""
        lines = self._log.read_text().splitlines()
        return [line.partition("): ")[2] for line in lines if "Request (" in line]

    async def __aenter__(self) -> Self:
        host, port = self._address
        config = self._folder / "tinyproxy.conf"
        config.write_text(
            _CONFIG.format(host=host, port=port, user=self.user, password=self.password)
        )
        with self._log.open("ab") as log:
            self._process = start_child([str(self._program), "-d", "-c", str(config)], output=log)
        try:
            await answered(self._listens, "tinyproxy")
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    async def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            _, writer = await asyncio.open_connection(*self._address)
        except OSError:
            return False
        writer.close()
        return True


class TlsFront:
    """A TLS server that forwards to a port of this machine. Use it as an async context manager."""

    def __init__(self, folder: Path, host: str, target_port: int) -> None:
        self._host = host
        self._target_port = target_port
        #: File with the certificate of the authority that clients have to trust.
        self.authority = folder / "authority.pem"
        self._certificate = folder / "certificate.pem"
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        _write_certificates(self.authority, self._certificate, self._host)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificate)
        self._server = await asyncio.start_server(self._forward, self._host, 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links)

    async def _forward(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        writers = [writer]
        # No other code awaits this task, so its cancellation by `__aexit__` ends here.
        with contextlib.suppress(asyncio.CancelledError, OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            writers.append(far_writer)
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        for each in writers:
            each.transport.abort()
        self._links.remove(task)


async def _copy(source: StreamReader, target: StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    target.close()


def _write_certificates(authority: Path, certificate: Path, host: str) -> None:
    """Write the certificate of an authority, and a key with its certificate for an IP address."""
    issuer_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, subject = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("authority", host)
    )
    now = datetime.datetime.now(datetime.UTC)

    def signed(
        name: x509.Name, owner: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType
    ) -> bytes:
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(owner.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
        )
        for extension in extensions:
            critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
            made = made.add_extension(extension, critical=critical)
        return made.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority.write_bytes(
        signed(
            issuer,
            issuer_key,
            x509.BasicConstraints(ca=True, path_length=None),
            x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key()),
            _SIGNS_CERTIFICATES,
        )
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate.write_bytes(
        private
        + signed(
            subject,
            key,
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
        )
    )
