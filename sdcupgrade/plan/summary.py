"""The plan in other words: the rows an operator reviews, and the two small specs that ``prepare`` writes beside it.

Data only; ``ui/`` decides how it looks.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.plan.document import Change, ImageRef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.plan.document import Plan, ServicePlan


@dataclass(frozen=True)
class Row:
    """One service of the plan. *instance* and *server* are alias and hostname, empty where there is no instance; *size*
    is the bytes of its own image still to download (origins are shared, see :func:`download_bytes`); *change* is None
    for a service that is refused."""

    service: str
    instance: str
    server: str
    current: Optional[ImageRef]
    target: ImageRef
    size: int
    change: Optional[Change]


def summary(plan: Plan) -> tuple[Row, ...]:
    """One row for each service, in upgrade order."""
    sizes = {download.uuid: download.size for download in plan.downloads if not download.present}
    return tuple(
        Row(
            service=item.service,
            instance=item.alias,
            server=item.hostname,
            current=item.current,
            target=item.target,
            size=0 if item.change is Change.NONE else sizes.get(item.target.uuid, 0),
            change=item.change,
        )
        for item in plan.services
    )


def download_bytes(plan: Plan) -> int:
    """Everything that has to come from the source, origins included."""
    return sum(download.size for download in plan.downloads if not download.present)


def spec_json(plan: Plan) -> dict[str, str]:
    """The spec as resolved, in upgrade order: service -> image uuid."""
    return {item.service: item.target.uuid for item in plan.services}


def rollback_json(plan: Plan) -> dict[str, str]:
    """The current image of each service, in upgrade order; itself a valid spec.

    A service without instance has the image that SAPI would provision; one that has neither is left out.
    """
    current = {item.service: _current(item) for item in plan.services}
    return {service: image for service, image in current.items() if image is not None}


def _current(item: ServicePlan) -> Optional[str]:
    return item.facts.image or item.facts.service_image
