"""`rounds keys …`."""

import json

import pytest

from core.errors import BadParams
from serving.__main__ import allowed_hosts
from serving.settings import ServingSettings
from tasks.people import keys
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words


def test_a_key_is_printed_once_listed_and_revoked(rounds: Rounds, workspace: Workspace) -> None:
    nothing = rounds("keys", "list", "-w", workspace.root)
    assert "No keys: the server is open to users of this machine" in nothing.out
    made = rounds("keys", "make", "shop", "--role", "client", "-w", workspace.root)
    assert made.code == 0, made.err
    key = made.out.strip()
    assert key.startswith("rounds_")
    listed = rounds("keys", "list", "-w", workspace.root).out
    assert "shop" in listed
    assert key.split("_", 2)[2] not in listed
    [record] = json.loads(rounds("keys", "list", "--json", "-w", workspace.root).out)
    assert (record["name"], record["role"], record["revoked_at"]) == ("shop", "client", None)
    assert rounds("keys", "revoke", "shop", "-w", workspace.root).out == "The key of shop is revoked.\n"
    [revoked] = keys.every(workspace)
    assert revoked.revoked_at is not None


def test_a_name_that_is_taken_and_one_that_is_unknown(rounds: Rounds, workspace: Workspace) -> None:
    rounds("keys", "make", "shop", "--role", "client", "-w", workspace.root)
    again = rounds("keys", "make", "shop", "--role", "client", "-w", workspace.root)
    assert (again.code, "choose another name, such as shop-2" in again.err) == (2, True)
    unknown = rounds("keys", "revoke", "bo", "-w", workspace.root)
    assert (unknown.code, "there are: shop" in unknown.err) == (2, True)


@cures("serving.__main__.allowed_hosts: rounds keys make NAME --role operator")
def test_a_server_for_other_machines_needs_a_key_first(rounds: Rounds, workspace: Workspace) -> None:
    with pytest.raises(BadParams, match=r"--host 0\.0\.0\.0: other machines reach the server") as refused:
        allowed_hosts(workspace, "0.0.0.0", ServingSettings())
    typed = words(str(refused.value), "rounds keys make", NAME="boss")
    assert rounds(*typed[1:], "-w", workspace.root).code == 0
    assert allowed_hosts(workspace, "0.0.0.0", ServingSettings()) is None
