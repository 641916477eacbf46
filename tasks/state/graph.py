"""A workspace's dvc.yaml: a copy of the shipped one. A copy from an earlier version is replaced."""

import hashlib

from core.errors import BadWorkspace
from core.files import write_text
from tasks.state.workspace import PROJECT, Workspace

SHIPPED = (
    "da3ed35e09f1a0b081d5b8317f379d05d6eb86b7098ca1bbfd128aebb9dbad64",
    "b00b93d429d1186c45ffaa64f7cf42693fddbb51ec7ed56f86e3ff2ed0afcfe7",
    "c2f1c27de037a28b6ff049cf18f496b840f3f28824adef4103660007392077bd",
    "cbc6d5eaf6ccb4b0a0fdfba3ece292556020cb269439a7b022c223c33100fc21",
    "824bd4f0cd39adaaa778253f7321df5699b15959fff891aa6f283cc58bb16b59",
    "c694dfd5fb4f3f1fc25a947f13a6793fa1d16dd247932c6dcea5c6f21fa2233b",
    "c38bc090c7174316f1cb9a422084aba6e8548b6e176e28db2c7a0cd283b5ca6d",
    "92524b0cb12a6c63b3d6aa6853646dd171ef31064342235ec6a4bf7f831849ff",
    "6308810d0433688e5a279e32ed264277886c133944b43ed565a753184cea96ca",
    "8a360fbc876f7302745497c71116b40c5c1f71ead21ba7de61a81bba5cf89c9b",
    "108c5046b738c9266b427860f221dc5c890765320165a1d2adc90782da68d152",
    "fd5dba5c84454872fbcc7dd5d5789a1192ca00ef5edba1d55753a0f539f5c282",
    "a2d9fd64b08b605679b1229b229b20584b6b8b4a3e9e806e7fb2ef24cac3a71d",
    "ebf0597035d95634890367a704953a5ae5b19b12e4ec972d52ce26cd0e07ff15",
    "b470272f66f38d72a6229276b9dc6ecb89a6fde8d9b62c7ebc201b3454e62fff",
    "f52b8f9984dc702b1e8358400d57621b27cbfc693dab5ee0808c3bb18d1284b3",
    "7a2287d551a6706a2a7fb3243c57048dc550461498115f9fed9dc57dc7f2ae4f",
    "2f3b79489e56f0ff617a85e9afb6659c8a03bd3409cebf32b90b8e9a0f98862a",
    "d0cff2f77f50c943f82d8657d241209171dd551ae32bcf2a6da99ee80d7edde2",
    "392f60ba156e4b714987acc6f6908d6503227e0326da47e2b3ed372935477871",
    "4987bbd64cd1b5a72290d56a94d8ebb6d822fe875e46457cb14e38aa6ce29acb",
)
"""SHA-256 of every dvc.yaml that was ever shipped, oldest first. A change of dvc.yaml appends its new digest."""


def digest(text: str) -> str:
    """SHA-256 of the text of a dvc.yaml; line endings do not matter."""
    return hashlib.sha256("\n".join(text.splitlines()).encode() + b"\n").hexdigest()


def current(workspace: Workspace) -> str:
    """The dvc.yaml that the next round uses: the one that ships with this code.

    Raises:
        BadWorkspace: the workspace's copy matches no shipped version, so somebody has edited it.
    """
    shipped = Workspace(PROJECT).graph.read_text(encoding="utf-8")
    own = workspace.graph.read_text(encoding="utf-8", errors="replace")
    if own == shipped or digest(own) in SHIPPED:
        return shipped
    raise BadWorkspace(
        f"{workspace.graph} was edited: it matches no shipped version. Move your copy to another name and copy "
        f"{Workspace(PROJECT).graph} to {workspace.graph}; put your own stages in a dvc.yaml in a subfolder"
    )


def renew(workspace: Workspace) -> None:
    """Replace a dvc.yaml from an earlier version with the one that ships with this code.

    Raises:
        BadWorkspace: the workspace's dvc.yaml was edited.
    """
    text = current(workspace)
    if workspace.graph.read_text(encoding="utf-8") != text:
        write_text(workspace.graph, text)
