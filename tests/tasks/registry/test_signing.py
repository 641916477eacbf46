import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ec

from core.errors import BadParams
from tasks.registry import signing
from tasks.registry.audit import AuditSettings
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A folder with a pair of keys."""
    signing.generate(tmp_path / "audit.pem")
    return Workspace(tmp_path)


def test_a_generated_key_is_readable_by_its_owner_only_and_never_replaced(workspace: Workspace) -> None:
    file = workspace.root / "audit.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    for name in ("audit.pem", "audit.pem.pub"):
        (workspace.root / name).rename(workspace.root / "kept")
        with pytest.raises(BadParams, match="exists and is kept"):
            signing.generate(file)
        for extra in ("audit.pem", "audit.pem.pub"):
            if extra == name:
                (workspace.root / "kept").replace(workspace.root / extra)
    assert file.read_bytes() == before


def test_a_signature_holds_for_one_line_of_one_workspace(workspace: Workspace) -> None:
    key = signing.private_key(workspace, AuditSettings(key="audit.pem"))
    assert key is not None
    signature = key.sign("w1", b"line")
    for settings in (AuditSettings(trusted_keys=("audit.pem.pub",)), AuditSettings(key="audit.pem")):
        keys = signing.trusted_keys(workspace, settings)
        assert keys.verified("w1", b"line", signature)
        assert not keys.verified("w2", b"line", signature)
        assert not keys.verified("w1", b"lime", signature)
        assert not keys.verified("w1", b"line", signature[:-2] + "zz")
        assert not keys.verified("w1", b"line", None)
    assert not signing.trusted_keys(workspace, AuditSettings()).verified("w1", b"line", signature)


def test_a_key_of_another_workspace_is_not_trusted_unasked(workspace: Workspace) -> None:
    key = signing.private_key(workspace, AuditSettings(key="audit.pem"))
    assert key is not None
    signing.generate(workspace.root / "other.pem")
    keys = signing.trusted_keys(workspace, AuditSettings(key="other.pem"))
    assert not keys.verified("w1", b"line", key.sign("w1", b"line"))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (AuditSettings(key="missing.pem"), "missing.pem"),
        (AuditSettings(key="audit.pem.pub"), "audit keygen"),
        (AuditSettings(key="open.pem"), "chmod 600"),
        (AuditSettings(trusted_keys=("audit.pem",)), "FILE.pub"),
        (AuditSettings(trusted_keys=("missing.pub",)), "missing.pub"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused(workspace: Workspace, settings: AuditSettings, named: str) -> None:
    (workspace.root / "audit.pem.pub").chmod(0o600)
    (workspace.root / "open.pem").write_bytes((workspace.root / "audit.pem").read_bytes())
    (workspace.root / "open.pem").chmod(0o644)
    with pytest.raises(BadParams, match=named):
        signing.check(workspace, settings)


def test_without_knobs_nothing_is_signed(tmp_path: Path) -> None:
    assert signing.knobs(Workspace(tmp_path)) == AuditSettings()
    assert signing.private_key(Workspace(tmp_path), AuditSettings()) is None


@cures(
    "tasks.registry.signing._CURE: rounds audit keygen FILE",
    "tasks.registry.signing._public_key: rounds audit keygen FILE",
)
@pytest.mark.parametrize("content", ["no key", "key of another kind"])
@pytest.mark.parametrize("knob", ["key", "trusted_keys"])
def test_a_key_of_another_kind_is_replaced_by_a_new_one(
    workspace: Workspace, rounds: Rounds, knob: str, content: str
) -> None:
    old, new = workspace.root / "old.pem", workspace.root / "new.pem"
    old.write_bytes(b"no key" if content == "no key" else elliptic(public=knob == "trusted_keys"))
    old.chmod(0o600)
    with pytest.raises(BadParams, match=f"audit.{knob}") as error:
        signing.check(workspace, settings(knob, "old.pem"))
    assert rounds(*words(str(error.value), "rounds audit keygen", FILE=str(new))[1:]).code == 0
    signing.check(workspace, settings(knob, "new.pem" if knob == "key" else "new.pem.pub"))


def settings(knob: str, file: str) -> AuditSettings:
    return AuditSettings(key=file) if knob == "key" else AuditSettings(trusted_keys=(file,))


def elliptic(public: bool) -> bytes:
    """A key of another kind than Ed25519."""
    key = ec.generate_private_key(ec.SECP256R1())
    if public:
        return key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    return key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
