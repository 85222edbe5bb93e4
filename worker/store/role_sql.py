"""Parts of SQL statements about roles, in which PostgreSQL accepts no query parameters."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

#: Number of iterations of PostgreSQL's own verifiers (src/include/common/scram-common.h).
_ITERATIONS: Final = 4096
#: Length of the salt of PostgreSQL's own verifiers, in bytes.
_SALT_BYTES: Final = 16


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """Return PostgreSQL's SCRAM-SHA-256 verifier of a password of ASCII characters (RFC 5803).

    A statement with the verifier instead of the password leaves no password in a log of statements.
    The salt is random if none is given. The computation takes some milliseconds.
    """
    salt = salt or secrets.token_bytes(_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ITERATIONS)
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    stored = hashlib.sha256(client).digest()
    of_salt, of_stored, of_server = (
        base64.b64encode(part).decode() for part in (salt, stored, server)
    )
    return f"SCRAM-SHA-256${_ITERATIONS}:{of_salt}${of_stored}:{of_server}"


#: Query for the settings of the role $1 that apply to all databases or to the current database.
SETTINGS: Final = """
SELECT unnest(setconfig) AS setting FROM pg_db_role_setting
WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = $1::name)
    AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


def settings_statements(
    found: Sequence[str], *, role: str, database: str, schema: str
) -> list[str]:
    """Return the statements that give a role its settings; empty if it has exactly these settings.

    The settings must be repaired, because every role may change its own settings: a job under the
    control of an attacker could give all jobs another search path. `found` are the current settings
    of the role (`SETTINGS`).
    """
    # A schema other than `public` is chosen by the worker's own role or URL.
    own = [f"search_path={schema}"] if schema != "public" else []
    if [setting.replace('"', "") for setting in found] == own:
        return []
    in_database = f"ALTER ROLE {quoted(role)} IN DATABASE {quoted(database)}"
    statements = [f"ALTER ROLE {quoted(role)} RESET ALL", f"{in_database} RESET ALL"]
    if own:
        statements.append(f"{in_database} SET search_path = {quoted(schema)}")
    return statements
