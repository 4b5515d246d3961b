"""The boot key: mounted while somebody needs it, and left as it was found.

Through ``sdc-usbkey`` and nothing else, for the device may be a key or a dataset (reference 1.2); on headnodes that are
older than it, through the script that was before (reference 1.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sdcupgrade.errors import CommandFailed, SdcupgradeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.doors import Doors
    from sdcupgrade.doors.run import Completed

MOUNTPOINT = "/mnt/usbkey"
OLD_SCRIPT = "/usbkey/scripts/mount-usb.sh"
MOUNT_S, UNMOUNT_S = 150.0, 90.0
"""``mount`` takes up to 120 s, ``unmount`` tries a busy key for 45 s (reference 1.3)."""

REMEDY = "see `sdc-usbkey status -j` and `fmadm faulty`, and mount it by hand: sdc-usbkey mount"


@dataclass
class BootKey:
    """The key of this headnode, mounted at the first need. *note* is a file that tells, also after a crash, that it was
    mounted by us."""

    doors: Doors
    note: str
    _at: str = field(default="", init=False)

    def mount(self) -> str:
        """Where it is mounted; mounted now if it was not. Raises CommandFailed."""
        if not self._at:
            if not self._mounted():
                self.doors.files.write(self.note, b"")
            self._at = self._mount()
        return self._at

    def put_back(self) -> str:
        """Unmount it if it was found so, now or by a run that was cut off; what is wrong, empty when nothing is. The
        work is done by then."""
        self._at = ""
        if not self.doors.files.exists(self.note):
            return ""
        try:
            if self._mounted():
                self._unmount()
        except SdcupgradeError as why:
            return f"the boot key could not be unmounted: {why.message}; do it by hand: sdc-usbkey unmount"
        self.doors.files.remove(self.note)
        return ""

    def _mounted(self) -> bool:
        if self._old:
            return self.doors.files.is_dir(f"{MOUNTPOINT}/scripts")
        return self._done("status").stdout.strip() == "mounted"

    def _mount(self) -> str:
        if not self._old:
            said = self._done("mount", MOUNT_S).stdout.split()
            return said[-1] if said else MOUNTPOINT
        done = self.doors.run.run(("bash", self.doors.files.real(OLD_SCRIPT)), timeout_s=MOUNT_S)
        if done.status or not self.doors.files.is_dir(f"{MOUNTPOINT}/scripts"):
            raise CommandFailed(f"the boot key cannot be mounted: {OLD_SCRIPT} {done.ending}{_said(done)}", REMEDY)
        return MOUNTPOINT

    def _unmount(self) -> None:
        if not self._old:
            self._done("unmount", UNMOUNT_S)
            return
        done = self.doors.run.run(("umount", MOUNTPOINT), timeout_s=UNMOUNT_S)
        if done.status:
            raise CommandFailed(f"umount {MOUNTPOINT} {done.ending}{_said(done)}")

    @property
    def _old(self) -> bool:
        files = self.doors.files
        return not files.exists("/opt/smartdc/bin/sdc-usbkey") and files.exists(OLD_SCRIPT)

    def _done(self, word: str, timeout_s: float = 60.0) -> Completed:
        done = self.doors.run.run(("sdc-usbkey", word), timeout_s=timeout_s)
        if done.status:
            raise CommandFailed(f"the boot key: sdc-usbkey {word} {done.ending}{_said(done)}", REMEDY)
        return done


def _said(done: Completed) -> str:
    said = (done.stderr or done.stdout).strip().splitlines()
    return f": {said[0]}" if said else ""
