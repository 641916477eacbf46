"""Signatures of mirrored audit lines: Ed25519, with a private key that never leaves its file."""

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from core.errors import BadParams
from core.settings import read, section
from tasks.registry.audit import AuditSettings
from tasks.state.workspace import Workspace

if TYPE_CHECKING:  # importing it takes .1 s, and most workspaces have no key
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_CONTEXT = b"rounds audit line\0"
"""Signed before each line, so that a signature made for another purpose is not valid here."""


class PrivateKey(NamedTuple):
    """A key that signs."""

    id: str
    """The first 16 hex digits of the SHA-256 of the raw public key."""
    key: "Ed25519PrivateKey"

    def sign(self, workspace: str, line: bytes) -> str:
        """Signature of a line of the log of a workspace (its id): `<key id>:<hex>`."""
        return f"{self.id}:{self.key.sign(_signed(workspace, line)).hex()}"


class TrustedKeys(NamedTuple):
    """The public keys whose signatures count."""

    keys: "dict[str, Ed25519PublicKey]"
    """By key id."""

    def verified(self, workspace: str, line: bytes, signature: str | None) -> bool:
        """True if one of the keys signed this line of this workspace."""
        from cryptography.exceptions import InvalidSignature

        identity, _, signed = (signature or "").partition(":")
        key = self.keys.get(identity)
        if key is None:
            return False
        try:
            key.verify(bytes.fromhex(signed), _signed(workspace, line))
        except (InvalidSignature, ValueError):
            return False
        return True


def knobs(workspace: Workspace) -> AuditSettings:
    """The section `audit`; defaults if there is no params.yaml.

    Raises:
        BadParams: an unknown knob, or an invalid value.
    """
    if not workspace.params.exists():
        return AuditSettings()
    return section(AuditSettings, read(workspace.params), "audit", workspace.params)


def private_key(workspace: Workspace, settings: AuditSettings) -> PrivateKey | None:
    """The workspace's own key; None if it has none.

    Raises:
        BadParams: the file is missing, readable by others, or not an Ed25519 private key.
    """
    if settings.key is None:
        return None
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = _path(workspace, settings.key)
    content = _content(path, "audit.key")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise BadParams(f"audit.key: others may read {path}; run `chmod 600 {path}`")
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise BadParams(f"audit.key: {path} is not a private key without a password; {_CURE}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadParams(f"audit.key: {path} is not an Ed25519 key; {_CURE}")
    return PrivateKey(_identity(key.public_key()), key)


def trusted_keys(workspace: Workspace, settings: AuditSettings) -> TrustedKeys:
    """The keys of `audit.trusted_keys`, and the workspace's own.

    Raises:
        BadParams: a file is missing or is not an Ed25519 public key.
    """
    if not (settings.key or settings.trusted_keys):
        return TrustedKeys({})
    own = private_key(workspace, settings)
    keys = [_public_key(_path(workspace, file)) for file in settings.trusted_keys]
    keys += [own.key.public_key()] if own else []
    return TrustedKeys({_identity(key): key for key in keys})


def check(workspace: Workspace, settings: AuditSettings) -> None:
    """Check that all keys can be read.

    Raises:
        BadParams: one cannot.
    """
    trusted_keys(workspace, settings)


def generate(path: Path) -> Path:
    """Write a new private key to `path` (mode 0600) and its public half beside it; returns the path of the latter.

    Raises:
        BadParams: one of the files exists, or cannot be written.
    """
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    public = key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    beside = path.with_name(path.name + ".pub")
    if beside.exists():
        raise BadParams(f"{beside} exists and is kept; name another file")
    _create(path, private, 0o600)
    _create(beside, public, 0o644)
    return beside


def _create(path: Path, content: bytes, mode: int) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123  (Path.open takes no mode)
            file.write(content)
    except FileExistsError as error:
        raise BadParams(f"{path} exists and is kept; name another file") from error
    except OSError as error:
        raise BadParams(f"{path} cannot be written: {error.strerror}; name another file") from error


_CURE = "`rounds audit keygen FILE` makes one"


def _public_key(path: Path) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_content(path, "audit.trusted_keys"))
    except ValueError as error:
        raise BadParams(
            f"audit.trusted_keys: {path} is not a public key; `rounds audit keygen FILE` writes one to FILE.pub"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadParams(f"audit.trusted_keys: {path} is not an Ed25519 key; {_CURE}")
    return key


def _path(workspace: Workspace, file: str) -> Path:
    return workspace.root / Path(file).expanduser()


def _content(path: Path, knob: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadParams(
            f"{knob}: {path} cannot be read: {error.strerror}; correct the path, or set it to null"
        ) from error


def _identity(key: "Ed25519PublicKey") -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _signed(workspace: str, line: bytes) -> bytes:
    return _CONTEXT + workspace.encode() + b"\0" + line
