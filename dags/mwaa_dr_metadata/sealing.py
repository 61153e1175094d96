"""The data key of a backup: made and opened by a key service, never stored in clear.

With a multi-Region KMS key, sealing needs only the exporting Region and opening only the importing
one.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mwaa_dr_metadata.errors import BackupRefusedError, SealUnavailableError

KEY_BYTES = 32
NONCE_BYTES = 12
BOUNDED = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4}
)
NOT_OURS = frozenset({"InvalidCiphertextException", "IncorrectKeyException", "NotFoundException"})
"""KMS errors that speak of the ciphertext; all others speak of the service or our rights."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A backup's key.

    Args:
        plaintext: 32 bytes; never logged, never written.
        seal: `{key_id, ciphertext}` for the manifest.
    """

    plaintext: bytes = field(repr=False)
    seal: dict[str, str]


class Sealer(Protocol):
    def new_key(self, context: Mapping[str, str]) -> DataKey:
        """A fresh data key, bound to `context`.

        Raises:
            SealUnavailableError: the key service refused or did not answer.
        """
        ...

    def open(self, seal: Mapping[str, str], context: Mapping[str, str]) -> bytes:
        """The data key behind `seal`.

        Raises:
            BackupRefusedError: the seal is not one of this key, or was altered.
            SealUnavailableError: the key service refused or did not answer.
        """
        ...


class KmsSealer:
    """Seals under a KMS key.

    Args:
        key_id: ARN or alias ARN of the key in `region_name`; only sealing needs it.
        region_name: the Region to ask: the local one, always.
    """

    def __init__(self, key_id: str, region_name: str) -> None:
        self._key_id = key_id
        self._client: Any = boto3.client("kms", region_name=region_name, config=BOUNDED)

    def new_key(self, context: Mapping[str, str]) -> DataKey:
        try:
            answer = self._client.generate_data_key(
                KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=dict(context)
            )
        except (ClientError, BotoCoreError) as error:
            raise SealUnavailableError(f"no data key from {self._key_id}: {error}") from error
        ciphertext = base64.b64encode(answer["CiphertextBlob"]).decode()
        return DataKey(answer["Plaintext"], {"key_id": answer["KeyId"], "ciphertext": ciphertext})

    def open(self, seal: Mapping[str, str], context: Mapping[str, str]) -> bytes:
        try:
            answer = self._client.decrypt(
                CiphertextBlob=_decoded(seal), EncryptionContext=dict(context)
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code", "") in NOT_OURS:
                raise BackupRefusedError(f"the backup's data key does not open: {error}") from error
            raise SealUnavailableError(f"KMS did not open the data key: {error}") from error
        except BotoCoreError as error:
            raise SealUnavailableError(f"KMS did not open the data key: {error}") from error
        return answer["Plaintext"]


class FileSealer:
    """Seals under a key in a local file, for backups that stay on one machine.

    Raises:
        ValueError: the file does not hold 32 base64-encoded bytes.
    """

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="ascii").strip()
        try:
            self._key = base64.b64decode(text, validate=True)
        except ValueError:
            self._key = b""
        if len(self._key) != KEY_BYTES:
            raise ValueError(f"{path} is not a sealing key: it must be {KEY_BYTES} base64 bytes")
        self._key_id = f"file:{hashlib.sha256(self._key).hexdigest()[:16]}"

    @classmethod
    def create(cls, path: Path) -> "FileSealer":
        """Make the key file. Raises FileExistsError rather than overwrite one."""
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n")
        return cls(path)

    def new_key(self, context: Mapping[str, str]) -> DataKey:
        plaintext, nonce = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + AESGCM(self._key).encrypt(nonce, plaintext, _bound(context))
        return DataKey(
            plaintext, {"key_id": self._key_id, "ciphertext": base64.b64encode(sealed).decode()}
        )

    def open(self, seal: Mapping[str, str], context: Mapping[str, str]) -> bytes:
        sealed = _decoded(seal)
        try:
            return AESGCM(self._key).decrypt(
                sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(context)
            )
        except (InvalidTag, ValueError):
            raise BackupRefusedError(
                f"the backup's data key was not sealed by {self._key_id}, or was altered; "
                f"it names {seal.get('key_id', 'no key')!r}"
            ) from None


def context_of(installation: str, backup_id: str) -> dict[str, str]:
    """What a data key is bound to: it opens for this backup only."""
    return {"mwaa-dr:installation": installation, "mwaa-dr:backup": backup_id}


def _bound(context: Mapping[str, str]) -> bytes:
    return "\n".join(f"{key}={value}" for key, value in sorted(context.items())).encode()


def _decoded(seal: Mapping[str, str]) -> bytes:
    try:
        return base64.b64decode(seal["ciphertext"], validate=True)
    except (KeyError, ValueError):
        raise BackupRefusedError("the manifest's seal holds no ciphertext") from None
