"""upgrade-setup: what is changed before a zone is replaced, so that the new root finds it at its first boot.

The user-script is refreshed because a new image with a very old one cannot set itself up (HEAD-2057); quota 0 broke
reprovision (OS-2275); the SAPI service must name the image that future instances get. Everything is read back where
it is used (reference record 26: sdcadm once wrote the user-script where nobody reads it).
"""

from __future__ import annotations

from sdcupgrade.dc import zones
from sdcupgrade.errors import BadAnswer, NoInput, PlanMoved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.doors.files import Files
    from sdcupgrade.jsonvalue import Record
    from sdcupgrade.plan.document import Step
    from sdcupgrade.steps.registry import World


def saved_text(files: Files, params: Record) -> Optional[str]:
    """The text of the file that ``prepare`` kept, by the params ``file`` and ``sha256``; None means "no such key".

    Raises PlanMoved when the file is gone, or is not of that digest.
    """
    path = params.text_or("file", None)
    if path is None:
        return None
    import hashlib

    hint = "put the file back as it was, or prepare again with --fresh"
    try:
        data = files.read(path)
    except NoInput as why:
        raise PlanMoved(f"{path}, saved when the plan was made, is gone; nothing was done with it", hint) from why
    if hashlib.sha256(data).hexdigest() != params.text("sha256"):
        raise PlanMoved(f"{path} is not what was saved when the plan was made; nothing was done with it", hint)
    return data.decode("utf-8")


class UserScript:
    """Set (or remove) a VM's user-script."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        self.world = world
        self.vm = params.text("vm")
        self.node = world.dc.node(params.text("server"))
        self.params = params

    def is_done(self) -> bool:
        return zones.get(self.node, self.vm).user_script == saved_text(self.world.doors.files, self.params)

    def apply(self) -> None:
        zones.set_user_script(self.node, self.vm, saved_text(self.world.doors.files, self.params))
        if not self.is_done():
            raise BadAnswer(f"VM {self.vm}: the user-script read back is not the one that was written")


class ServiceUserScript:
    """Set (or remove) the user-script that future instances of a SAPI service get."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        self.world = world
        self.service = params.text("service_uuid")
        self.params = params

    def is_done(self) -> bool:
        return self.world.dc.sapi.service(self.service).user_script == saved_text(self.world.doors.files, self.params)

    def apply(self) -> None:
        self.world.dc.sapi.set_metadata(self.service, "user-script", saved_text(self.world.doors.files, self.params))


class ServiceImage:
    """Set (or remove) the image that future instances of a SAPI service get."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        self.sapi = world.dc.sapi
        self.service = params.text("service_uuid")
        self.image = params.text_or("image", None)

    def is_done(self) -> bool:
        return self.sapi.service(self.service).image_uuid == self.image

    def apply(self) -> None:
        self.sapi.set_param(self.service, "image_uuid", self.image)


class Quota:
    """Set a zone's quota, in GiB; 0 means none."""

    def __init__(self, params: Record, step: Step, world: World) -> None:
        self.vm = params.text("vm")
        self.gib = params.number("gib")
        self.node = world.dc.node(params.text("server"))

    def is_done(self) -> bool:
        return zones.get(self.node, self.vm).quota_gib == self.gib

    def apply(self) -> None:
        zones.set_quota(self.node, self.vm, self.gib)
        if not self.is_done():
            raise BadAnswer(f"VM {self.vm}: the quota read back is not {self.gib} GiB")
