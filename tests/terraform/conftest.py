"""The real terraform over copies of terraform/, with a stand-in for the provider."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "terraform"
SHARED = ROOT.parent / "shared" / "terraform"
EXAMPLES = {
    "single-account": {},
    "organization": {
        "security_account_id": "1234567890123456",
        "security_role_arn": "acs:ram::1234567890123456:role/terraform",
        "folder_ids": '["r-AbCdEf"]',
        "external_id": "an-external-id",
        "operator_arns": '["acs:ram::1234567890123456:user/alice"]',
    },
}
Values = dict[str, Any]


@dataclass(frozen=True)
class Terraform:
    """Runs terraform in one folder of a copy of terraform/."""

    binary: str
    environment: dict[str, str]
    tree: Path

    def run(self, folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one terraform command; never raises for its exit code."""
        return subprocess.run(  # noqa: S603  # the binary found on PATH
            [self.binary, *arguments],
            cwd=self.tree / folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    def validate(self, folder: str) -> Values:
        """Return what `terraform validate -json` says."""
        made = self.run(folder, "init", "-backend=false", "-input=false")
        assert made.returncode == 0, made.stderr
        answer: Values = json.loads(self.run(folder, "validate", "-json").stdout)
        return answer

    def resources(self, example: str, **variables: str) -> list[Values]:
        """Return every resource of an example as after `terraform apply`; [] where it is refused."""
        folder = f"examples/{example}"
        given = {"zip_path": str(self.tree / "function.zip"), **EXAMPLES[example], **variables}
        arguments = [f"-var={key}={value}" for key, value in given.items()]
        if self.run(folder, "init", "-backend=false", "-input=false").returncode:
            return []
        if self.run(folder, "apply", "-auto-approve", "-input=false", *arguments).returncode:
            return []
        state = json.loads(self.run(folder, "show", "-json").stdout)
        return list(_resources(state["values"]["root_module"]))


def _resources(module: Values) -> Iterator[Values]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _standin() -> list[str]:
    """The shared stand-in and schema where that folder is there, else the project's own."""
    if SHARED.is_dir():
        return [str(SHARED / "stub_provider.py"), str(SHARED / "alicloud-schema.json")]
    return _own_standin()


def _own_standin() -> list[str]:
    here = Path(__file__).parent
    return [str(here / "standin.py"), str(here / "schema.txt")]


def _serve(standin: list[str]) -> Iterator[dict[str, str]]:
    """Keep a stand-in running; give the environment in which terraform finds it."""
    tell = "import os, sys; print(os.environ['TF_REATTACH_PROVIDERS'], flush=True); sys.stdin.read()"
    command = [sys.executable, *standin, "--", sys.executable, "-c", tell]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own scripts
        assert process.stdin is not None
        assert process.stdout is not None
        reattach = process.stdout.readline().strip()
        assert reattach, "the provider stand-in did not start"
        yield {
            **environment,
            "CHECKPOINT_DISABLE": "1",
            "TF_REATTACH_PROVIDERS": reattach,
            "TF_IN_AUTOMATION": "1",
        }
        process.stdin.close()


@pytest.fixture(scope="session")
def terraform_binary() -> str:
    """The real terraform."""
    found = shutil.which("terraform")
    if found is None:
        pytest.skip("there is no terraform on PATH; the Terraform modules are not checked here")
    return found


@pytest.fixture(scope="session")
def provider(terraform_binary: str) -> Iterator[dict[str, str]]:
    """The environment of terraform with the best stand-in there is."""
    yield from _serve(_standin())


@pytest.fixture(scope="session")
def own_provider(terraform_binary: str) -> Iterator[dict[str, str]]:
    """The environment of terraform with the project's own stand-in."""
    yield from _serve(_own_standin())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of terraform/ that a test may change, with a zip."""
    copy = tmp_path / "terraform"
    shutil.copytree(MODULES, copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    (copy / "function.zip").write_bytes(b"a zip")
    return copy


@pytest.fixture
def terraform(terraform_binary: str, provider: dict[str, str], tree: Path) -> Terraform:
    """Terraform over a copy of the modules."""
    return Terraform(terraform_binary, provider, tree)
