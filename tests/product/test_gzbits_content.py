"""What is in gzbits/: scripts do what they say, in a bash; definitions are those of the stack's services."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from build.bits_pack import Item
from build.bits_tree import read_tree
from sdcupgrade.bits.folders import FOLDERS
from sdcupgrade.bits.manifest import Kind
from sdcupgrade.cli.commands import COMMANDS
from sdcupgrade.plan import stack

ROOT = pathlib.Path(__file__).parents[2]
OWN = ROOT / "gzbits"
SCRIPTS = [path for path in sorted(OWN.rglob("*")) if path.is_file() and path.read_bytes().startswith(b"#!")]
PACKAGES = {f"sdc_{ram}" for ram in (64, 128, 256, 512, 768, 1024, 2048, 4096, 8192)} | {
    *("sdc_db", "sdc_imgapi", "sdc_rabbitmq")
}
"""What a headnode is set up with (reference 1.5)."""


def run(*argv: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A program, to its end."""
    words = [str(word) for word in argv]
    return subprocess.run(
        words, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], **(env or {})}
    )


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(OWN)))
def test_scripts_can_be_read_and_run(path: pathlib.Path) -> None:
    shell = "sh" if path.read_text().startswith("#!/bin/sh\n") else "bash"
    assert run(shell, "-n", path).stderr == ""
    assert path.stat().st_mode & 0o111


def items() -> dict[str, Item]:
    """What would be packed."""
    found, left_out = read_tree(OWN)
    assert left_out == []
    return {item.path: item for item in found}


def test_what_is_packed_and_for_whom() -> None:
    found = items()
    for path in ("tools/bin/sdcupgrade", "default/user-script.common", "zones/vmapi/setup", "config/sapi/services"):
        assert path in found
    assert not [path for path in found if path.endswith("README.md")]
    assert {path for path, item in found.items() if "cn" in item.on and item.kind is Kind.FILE} == {
        "tools/bin/sdc-gz-verify",
        "tools/man/man1/sdc-gz-verify.1",
        "tools/share/bash-completion/sdc-gz-verify",
    }


@pytest.mark.parametrize("folder", ["", "tools", "default", "zones", "config"])
def test_each_folder_says_what_it_is(folder: str) -> None:
    text = (OWN / folder / "README.md").read_text()
    assert text.startswith(f"# {folder or 'gzbits'}\n")
    assert {"": "/opt/smartdc", "tools": "/opt/smartdc", "default": "/usbkey/default", "zones": "/usbkey/extra"}.get(
        folder, "/usbkey/sapi"
    ) in text


def test_the_documentation_has_every_folder_and_what_never_comes() -> None:
    text = (ROOT / "docs/gzbits.md").read_text()
    for one in FOLDERS:
        assert f"| `gzbits/{one.name}/" in text
        assert f"| `{one.below}" in text
        assert all(f"`{name}`" in text for name in one.never)


class TestLauncher:
    """``bin/sdcupgrade``."""

    @pytest.fixture
    def program(self, tmp_path: pathlib.Path) -> pathlib.Path:
        """Where the one file would be."""
        place = tmp_path / "opt/custom/bin/sdcupgrade"
        place.parent.mkdir(parents=True)
        return place

    def launch(self, program: pathlib.Path, *words: str) -> subprocess.CompletedProcess[str]:
        return run(OWN / "tools/bin/sdcupgrade", *words, env={"SDCUPGRADE_ROOT": str(program.parents[3])})

    @pytest.mark.parametrize("mode", [0o755, 0o644])
    def test_it_starts_what_is_installed(self, program: pathlib.Path, mode: int) -> None:
        program.write_text('#!/bin/sh\nprintf "%s|" "$0" "$@"; exit 7\n')
        program.chmod(mode)
        done = self.launch(program, "prepare", "a b.json")
        assert (done.returncode, done.stdout) == (7, f"{program}|prepare|a b.json|")

    def test_it_says_when_there_is_none(self, program: pathlib.Path) -> None:
        done = self.launch(program, "status")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (69, "", 1)
        assert f"it is not installed at {program}" in done.stderr

    def test_it_says_when_the_link_leads_nowhere(self, program: pathlib.Path) -> None:
        program.symlink_to("../sdcupgrade/1.0.0/sdcupgrade")
        done = self.launch(program, "status")
        assert (done.returncode, done.stderr.count("\n")) == (69, 1)
        assert "leads to a file that is not there" in done.stderr


class TestUserScript:
    """``default/user-script.common``, with a folder in the place of the zone's root."""

    @pytest.fixture
    def zone(self, tmp_path: pathlib.Path) -> pathlib.Path:
        """A zone after its provisioning."""
        for folder in ("opt/smartdc/boot", "var/svc"):
            (tmp_path / folder).mkdir(parents=True)
        text = (OWN / "default/user-script.common").read_text()
        assert len(re.findall(r"=(/opt|/var)", text)) == 3
        (tmp_path / "user-script").write_text(re.sub(r"=(/opt|/var)", rf"={tmp_path}\1", text))
        self.boots(tmp_path, "configure", "echo configured >> $0.ran")
        return tmp_path

    def boots(self, zone: pathlib.Path, name: str, line: str) -> None:
        """What the image brings."""
        script = zone / f"opt/smartdc/boot/{name}.sh"
        script.write_text(f"#!/bin/bash\n{line}\n")
        script.chmod(0o755)

    def ran(self, zone: pathlib.Path, name: str) -> int:
        """How often."""
        place = zone / f"opt/smartdc/boot/{name}.sh.ran"
        return len(place.read_text().splitlines()) if place.exists() else 0

    def test_setup_once_and_configure_at_every_boot(self, zone: pathlib.Path) -> None:
        self.boots(zone, "setup", "echo set up; echo x >> $0.ran; echo to stderr >&2")
        for _ in range(3):
            assert run("bash", zone / "user-script").returncode == 0
        assert (self.ran(zone, "setup"), self.ran(zone, "configure")) == (1, 3)
        assert (zone / "var/svc/.ran-user-script").exists()
        assert (zone / "var/svc/setup.log").read_text() == "set up\nto stderr\n"

    def test_a_set_up_that_fails_fails_the_boot_and_is_tried_again(self, zone: pathlib.Path) -> None:
        self.boots(zone, "setup", "echo x >> $0.ran; exit 3")
        assert [run("bash", zone / "user-script").returncode for _ in range(2)] == [3, 3]
        assert (self.ran(zone, "setup"), self.ran(zone, "configure")) == (2, 0)

    def test_no_set_up_is_fine(self, zone: pathlib.Path) -> None:
        assert run("bash", zone / "user-script").returncode == 0
        assert self.ran(zone, "configure") == 1

    def test_its_status_is_that_of_configure(self, zone: pathlib.Path) -> None:
        self.boots(zone, "configure", "exit 4")
        assert run("bash", zone / "user-script").returncode == 4

    def test_an_image_without_configure_is_no_core_zone(self, zone: pathlib.Path) -> None:
        (zone / "opt/smartdc/boot/configure.sh").unlink()
        done = run("bash", zone / "user-script")
        assert done.returncode == 1
        assert "this image is none of a core zone's" in done.stderr

    @pytest.mark.parametrize("name", ["setup", "configure"])
    def test_legacy_scripts_hand_over_to_the_image(self, zone: pathlib.Path, name: str) -> None:
        script = zone / name
        script.write_text((OWN / f"zones/papi/{name}").read_text().replace("=/opt", f"={zone}/opt"))
        if name == "setup":
            assert "older than September 2013" in run("bash", script).stderr
            self.boots(zone, "setup", "echo x >> $0.ran")
        assert run("bash", script).returncode == 0
        assert (self.ran(zone, "setup"), self.ran(zone, "configure")) == (int(name == "setup"), 1)
        (zone / "opt/smartdc/boot/configure.sh").unlink()
        assert run("bash", script).returncode == 1


def test_legacy_roles_are_services_of_today() -> None:
    roles = {path.name for path in (OWN / "zones").iterdir() if path.is_dir()} - {"common"}
    assert roles <= set(stack.upgradable())
    for role in roles:
        assert sorted(os.readlink(path) for path in (OWN / "zones" / role).iterdir()) == [
            "../common/configure",
            "../common/setup",
        ]


DEFINITIONS = {
    path.parent.name: json.loads(path.read_text()) for path in OWN.glob("config/sapi/services/*/service.json")
}


def test_every_current_service_has_a_definition() -> None:
    services = {one.name for one in stack.STACK if one.sapi and not one.retired}
    agents = {name for name, one in DEFINITIONS.items() if one["type"] == "agent"}
    assert set(DEFINITIONS) - agents == services
    assert agents <= stack.AGENTS


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_a_definition_is_one_that_sapi_takes(name: str) -> None:
    one = DEFINITIONS[name]
    assert one["name"] == one["metadata"]["SERVICE_NAME"] == name
    assert one["params"]["tags"] == {"smartdc_role": name, "smartdc_type": "core"}
    if one["type"] == "agent":
        return
    found = stack.find(name)
    assert found
    assert one["params"].get("delegate_dataset", False) is bool(found.data)
    assert one["params"]["package_name"] in PACKAGES
    assert one["params"]["networks"][0] == {"name": "admin"}
    assert "image_uuid" not in one["params"]


@pytest.fixture
def shims(tmp_path: pathlib.Path) -> dict[str, str]:
    """An environment with an ``sdcupgrade``."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "sdcupgrade").write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m sdcupgrade "$@"\n')
    (place / "sdcupgrade").chmod(0o755)
    return {"PATH": f"{place}:{os.environ['PATH']}"}


def completed(env: dict[str, str], command: str, *words: str) -> set[str]:
    """What a bash offers for the last word."""
    script = (
        f". {OWN}/tools/share/bash-completion/{command}\n"
        f'COMP_WORDS=({command} "$@"); COMP_CWORD=$#; _{command.replace("-", "_")}\n'
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = run("bash", "-c", script, "bash", *words, env=env)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_completion_knows_the_commands(shims: dict[str, str]) -> None:
    firsts = {one.name.split()[0] for one in COMMANDS}
    assert completed(shims, "sdcupgrade", "") >= firsts
    assert completed(shims, "sdcupgrade", "roll") == {"rollback"}
    assert completed(shims, "sdcupgrade", "bundle", "") >= {"create", "verify"}
    assert {"--yes", "--dry-run"} & completed(shims, "sdcupgrade", "upgrade", "--") == {"--yes"}
    assert completed(shims, "sdc-gz-verify", "-n", "") == {"hn", "cn"}


@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc here")
@pytest.mark.parametrize("path", sorted((OWN / "tools/man/man1").iterdir()), ids=lambda path: path.name)
def test_man_pages_have_no_mistake(path: pathlib.Path) -> None:
    assert run("mandoc", "-T", "lint", "-W", "warning", path).stdout == ""
