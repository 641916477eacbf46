"""Files of docs/deploy.md: compose.yaml, Dockerfile, examples of proxies. No container engine is needed here."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.services import postgresql
from tasks.services.chosen import Ports
from tests.pages import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
PRIVATE = [str(port) for port in (Ports.prefect, Ports.mlflow, 5432)]
"""What no proxy may pass on."""


def instructions(name: str) -> list[str]:
    """The arguments of an instruction of the Dockerfile."""
    return [line.partition(" ")[2].strip() for line in LINES if line.startswith(f"{name} ")]


def environment() -> dict[str, str]:
    """What the image sets."""
    return dict(word.split("=", 1) for line in instructions("ENV") for word in line.split())


def test_nothing_listens_outside_the_host() -> None:
    services = COMPOSE["services"]
    assert services.keys() == {"postgresql", "rounds"}
    assert services["rounds"]["network_mode"] == "host", "`rounds up` itself listens on 127.0.0.1 only"
    assert "ports" not in services["rounds"]
    assert [port.split(":")[0] for port in services["postgresql"]["ports"]] == ["127.0.0.1"]


def test_state_is_in_volumes() -> None:
    [kept] = COMPOSE["services"]["rounds"]["volumes"]
    assert kept == f"workspace:{environment()['ROUNDS_WORKSPACE']}"
    assert instructions("VOLUME") == [environment()["ROUNDS_WORKSPACE"]]
    used = {volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service["volumes"]}
    assert used == COMPOSE["volumes"].keys()


def test_the_services_use_the_database_server_of_the_same_file() -> None:
    server, rounds = COMPOSE["services"]["postgresql"], COMPOSE["services"]["rounds"]
    assert rounds["environment"] == {
        postgresql.ADDRESS: f"postgresql://{server['environment']['POSTGRES_USER']}:${{POSTGRES_PASSWORD}}@127.0.0.1:5432"
    }
    assert rounds["depends_on"] == {"postgresql": {"condition": "service_healthy"}}
    assert server["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?"), "no default password"
    assert f"127.0.0.1:{Ports.prefect}/api/health" in rounds["healthcheck"]["test"][-1]


def test_the_image_is_set_up_as_a_machine_is() -> None:
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    made = [line.split("make ")[1].split() for line in instructions("RUN") if "make setup" in line]
    assert made == [["setup", "postgres"]]
    assert {*made[0]} <= {*targets}
    assert instructions("USER") == ["rounds"]
    assert environment()["PATH"].startswith(f"{instructions('WORKDIR')[0]}/.venv/bin:")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {".venv", "data", "mlruns", ".env", ".git"} <= {*ignored}


@pytest.mark.parametrize("begun", [False, True])
def test_the_command_of_the_image_makes_the_workspace_once(begun: bool, tmp_path: Path) -> None:
    """Run by a shell, with a program in place of `rounds` that says what it was asked."""
    (tmp_path / "rounds").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "rounds").chmod(0o755)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    if begun:
        (workspace / "dvc.yaml").touch()
    [command] = instructions("CMD")
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "ROUNDS_WORKSPACE": str(workspace)}
    done = subprocess.run(json.loads(command), env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ([] if begun else [f"init {workspace}"]) + ["up"]


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_a_proxy_passes_on_the_serving_app_and_nothing_else(name: str) -> None:
    lines = (ROOT / "deploy" / name).read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.strip().startswith("#"))
    assert re.findall(r"127\.0\.0\.1:(\d+)", text) == [str(Ports.serving)]
    assert not [port for port in PRIVATE if port in text]
    assert text.count("{") == text.count("}")
    assert "/metrics" in text


def test_nginx_accepts_its_file(tmp_path: Path) -> None:
    """Where nginx is installed; with a certificate of the test's own."""
    nginx, openssl = shutil.which("nginx"), shutil.which("openssl")
    if nginx is None or openssl is None:
        pytest.skip("no nginx: apt-get install nginx")
    key, certificate = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=rounds.example.org"]
    subprocess.run([openssl, *words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    site = (
        (ROOT / "deploy/nginx.conf").read_text(encoding="utf-8").replace("/etc/ssl/rounds.example.org", str(tmp_path))
    )
    temporary = "".join(
        f"{kind}_temp_path {tmp_path};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{ access_log off; {temporary}\n{site}\n}}\n"
    (tmp_path / "nginx.conf").write_text(main)
    done = subprocess.run(
        [nginx, "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_caddy_accepts_its_file() -> None:
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("no Caddy: apt-get install caddy")
    command = [caddy, "validate", "--adapter", "caddyfile", "--config", str(ROOT / "deploy/Caddyfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
