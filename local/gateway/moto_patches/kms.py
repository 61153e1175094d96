"""KMS: multi-Region keys work, a key that is not enabled does not, and an id can be chosen.

moto's ciphertext keeps 36 bytes of the key id, but the ids of multi-Region keys have 40, so that
nothing they encrypted could ever be decrypted.
"""

import copy
import json
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.kms import utils
from moto.kms.models import KmsBackend, kms_backends
from moto.kms.responses import KmsResponse

from local.gateway.patching import put, replace

CHOSEN_ID = "_custom_id_"
"""As moto's own tag for services in which it lets one choose."""
_ID = 40
_IV = 12
_TAG = 16


class UnusableKeyError(JsonRESTError):
    code = 400


def apply() -> None:
    put(utils, "_serialize_ciphertext_blob", _serialize)
    put(utils, "_deserialize_ciphertext_blob", _deserialize)
    replace(KmsBackend, "create_key", _with_chosen_id)
    replace(KmsBackend, "encrypt", _only_enabled)
    replace(KmsBackend, "decrypt", _decrypt_enabled)
    replace(KmsBackend, "replicate_key", _independent_replica)
    replace(KmsResponse, "replicate_key", _replica_with_its_own_settings)


def _with_chosen_id(original: Any) -> Any:  # noqa: ANN401
    """A rehearsal needs a key with the id that its settings name: the tag says which."""

    def create_key(self: KmsBackend, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        key = original(self, *arguments, **named)
        tags = self.tagger.get_tag_dict_for_resource(key.id)
        if CHOSEN_ID in tags:
            self.tagger.copy_tags(key.id, tags[CHOSEN_ID])
            del self.keys[key.id]
            key.arn = key.arn.replace(key.id, tags[CHOSEN_ID])
            key.id = tags[CHOSEN_ID]
            self.keys[key.id] = key
        return key

    return create_key


def _serialize(ciphertext: Any) -> bytes:  # noqa: ANN401
    header = ciphertext.key_id.encode().ljust(_ID)
    return header + ciphertext.iv + ciphertext.tag + ciphertext.ciphertext


def _deserialize(ciphertext_blob: bytes) -> Any:  # noqa: ANN401
    iv, tag = _ID + _IV, _ID + _IV + _TAG
    return utils.Ciphertext(
        key_id=ciphertext_blob[:_ID].decode("utf-8", "replace").strip(),
        iv=ciphertext_blob[_ID:iv],
        tag=ciphertext_blob[iv:tag],
        ciphertext=ciphertext_blob[tag:],
    )


def refuse_unusable(key: Any) -> None:  # noqa: ANN401
    """Raises what KMS answers for a key that is disabled or about to be deleted."""
    if key.key_state == "Disabled":
        raise UnusableKeyError("DisabledException", f"{key.arn} is disabled.")
    if key.key_state != "Enabled":
        raise UnusableKeyError("KMSInvalidStateException", f"{key.arn} is {key.key_state}.")


def _only_enabled(original: Any) -> Any:  # noqa: ANN401
    def encrypt(
        self: Any,  # noqa: ANN401
        key_id: str,
        plaintext: bytes,
        encryption_context: dict[str, str],
    ) -> tuple[bytes, str]:
        key = self.keys.get(self.any_id_to_key_id(key_id))
        if key is not None:
            refuse_unusable(key)
        return original(self, key_id, plaintext, encryption_context)

    return encrypt


def _decrypt_enabled(original: Any) -> Any:  # noqa: ANN401
    def decrypt(
        self: Any,  # noqa: ANN401
        ciphertext_blob: bytes,
        encryption_context: dict[str, str],
        key_id: str | None = None,
    ) -> tuple[bytes, str]:
        key = self.keys.get(_deserialize(ciphertext_blob).key_id)
        if key is not None:
            refuse_unusable(key)
        return original(self, ciphertext_blob, encryption_context, key_id)

    return decrypt


def _independent_replica(original: Any) -> Any:  # noqa: ANN401
    """Moto's replica shares grants and aliases with its primary, and calls itself a primary."""

    def replicate_key(self: Any, key_id: str, replica_region: str) -> Any:  # noqa: ANN401
        replica = original(self, key_id, replica_region)
        primary = self.keys[key_id]
        replica.grants, replica.aliases, replica.rotations = {}, {}, []
        replica.key_state, replica.enabled, replica.deletion_date = "Enabled", True, None
        primary.multi_region_configuration = copy.deepcopy(replica.multi_region_configuration)
        replica.multi_region_configuration["MultiRegionKeyType"] = "REPLICA"
        return replica

    return replicate_key


def _replica_with_its_own_settings(_original: Any) -> Any:  # noqa: ANN401
    """Description, policy and tags of a replica are its own; moto drops them."""

    def replicate_key(self: Any) -> str:  # noqa: ANN401
        self._validate_key_id(self._get_param("KeyId"))
        key_id = self.kms_backend.get_key_id(self._get_param("KeyId"))
        region = self._get_param("ReplicaRegion")
        source = self.kms_backend.keys[key_id]
        if not source.multi_region:
            raise UnusableKeyError(
                "UnsupportedOperationException", f"{source.arn} is a single-Region key."
            )
        backend = kms_backends[self.current_account][region]
        if key_id in backend.keys:
            raise UnusableKeyError("AlreadyExistsException", f"{key_id} exists in {region}.")
        replica = self.kms_backend.replicate_key(key_id, region)
        replica.description = self._get_param("Description") or ""
        replica.policy = self._get_param("Policy") or replica.generate_default_policy()
        tags = self._get_param("Tags") or []
        if tags:
            backend.tag_resource(key_id, {tag["TagKey"]: tag["TagValue"] for tag in tags})
        return json.dumps(
            {
                "ReplicaKeyMetadata": replica.to_dict()["KeyMetadata"],
                "ReplicaPolicy": replica.policy,
                "ReplicaTags": tags,
            }
        )

    return replicate_key
