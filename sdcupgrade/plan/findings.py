"""The ids of everything that planning may find, with their meanings: the table that ``docs/`` shows.

An id never changes: operators grep for it, and tools read it from ``--json``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FINDINGS: Mapping[str, str] = {
    "retired-service": "The service is historic; there is nothing to upgrade it to.",
    "special-procedure": "The service needs more than a reprovision, which is not yet supported.",
    "service-not-in-sapi": "SAPI has no such service under the sdc application, or there is no zone of it.",
    "several-instances": "The service has two or more instances; only services with one are upgraded.",
    "stale-sapi-instance": "SAPI has an instance whose VM does not exist (HEAD-2056).",
    "vm-not-in-sapi": "A zone of the service exists that SAPI does not list.",
    "instance-not-running": "The zone is not running.",
    "server-unknown": "CNAPI does not know the server of the zone.",
    "server-not-running": "CNAPI does not hear from the server of the zone.",
    "server-not-set-up": "The server of the zone is not set up.",
    "server-not-smartos": "The server of the zone does not run SmartOS.",
    "no-delegated-dataset": "The zone would lose its data: it lies on the root, which a reprovision destroys.",
    "odd-dataset": "The zone has delegated datasets that vmadm reprovision refuses.",
    "image-of-another-service": "The image's name is not one of the service's.",
    "image-type": "The image is not a zone image.",
    "image-os": "The image is not for SmartOS.",
    "image-inactive": "The image is not active where it comes from.",
    "image-without-file": "The image has no file.",
    "origin-missing": "An origin of the image can be found nowhere.",
    "platform-too-old": "The server's platform is older than the image asks for.",
    "current-image-too-old": "What runs is too old to be upgraded in one go.",
    "downgrade": "The image is older than what runs, and --allow-downgrade was not given.",
    "no-common-user-script": "The headnode has no common user-script to give to zones.",
    "no-space": "There is not enough free space.",
    "unsigned-image": "Nobody who is believed has signed the image; without --require-signed only a note.",
    "already-current": "Note: nothing to do.",
    "no-instance": "Note: the service has no instance; only SAPI's image changes.",
    "sapi-differs": "Note: the zone has the image already; only SAPI's image changes.",
    "current-image-unknown": "Note: nobody knows the image that runs, so it was not compared with the new one.",
    "rollback-image-not-installed": "Note: the image that runs is not in the server's pool, where a rollback needs it.",
    "downgrade-allowed": "Note: the image is older than what runs, as was asked for.",
    "platform-unknown": "Note: the server's platform is unknown, so the image's demand was not checked.",
    "no-admin-address": "Note: the zone has no address on the admin network; ping and DNS are not waited for.",
    "quota-set": "Note: the zone has no quota and is given one (OS-2275).",
    "root-replaced": "Note: what is on the zone's root and not on its delegated dataset is gone for good.",
    "data-kept": "Note: data on the delegated dataset is kept, and a rollback does not turn it back.",
    "space-unknown": "Note: the free space of a pool is unknown, so it was not checked.",
}
"""Refusals first, then notes; all of them in the order in which they are asked about."""
