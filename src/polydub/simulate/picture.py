"""Renders the pictures of a planned conversation, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from polydub.model import Box, Image
from polydub.simulate.acting import Acting, act
from polydub.simulate.conversation import Conversation, Place, PlannedShot
from polydub.simulate.head import Puppet, Spot, face_box
from polydub.simulate.looks import look
from polydub.simulate.scenery import grain, room
from polydub.simulate.spec import PictureSpec

_SIZE_STEP = 1.02
"""Puppets of sizes nearer than this are one."""


def render_picture(plan: Conversation) -> Iterator[Image]:
    """The frames of ``plan``: RGB, ``[height, width, 3]``; nothing without a picture."""
    picture = plan.spec.picture
    if picture is None or not plan.shots:
        return
    count = plan.shots[-1].last
    times = np.arange(count) / float(picture.rate)
    acts = {member.id: act(plan, member.id, times) for member in plan.cast}
    puppets: dict[tuple[str, int, bool], Puppet] = {}
    noise = grain(picture.size, plan.spec.seed)
    for shot in plan.shots:
        stage = _Stage(plan, picture, shot, puppets)
        for frame in range(shot.first, shot.last):
            image = stage.frame(acts, frame)
            yield noise(image, frame)


class _Stage:
    """One shot, ready to be drawn: the background with all bodies, and the heads before it."""

    def __init__(
        self,
        plan: Conversation,
        picture: PictureSpec,
        shot: PlannedShot,
        puppets: dict[tuple[str, int, bool], Puppet],
    ) -> None:
        self._back = room(shot.room, picture.size, plan.spec.seed)
        height = picture.size[1]
        self._heads: list[tuple[str, Puppet, Spot]] = []
        for place in shot.places:
            spot = spot_of(place, height)
            step = round(np.log(spot.size) / np.log(_SIZE_STEP))
            key = (place.speaker, step, place.behind)
            if key not in puppets:
                member = plan.member(place.speaker)
                face = look(member.gender, member.look)
                puppets[key] = Puppet(face, spot.size, back=place.behind)
            puppets[key].draw_body(self._back, spot)
            self._heads.append((place.speaker, puppets[key], spot))

    def frame(self, acts: dict[str, Acting], frame: int) -> Image:
        """The picture of film frame ``frame``."""
        image = self._back.copy()
        for speaker, puppet, spot in self._heads:
            puppet.draw(image, spot, acts[speaker], frame)
        return image


def spot_of(place: Place, height: int) -> Spot:
    """``place`` in pixels of a picture of ``height``."""
    return Spot(place.x * height, place.y * height, place.size * height, place.yaw)


def face_boxes(plan: Conversation, shot: PlannedShot) -> dict[str, Box]:
    """The box of every visible face of ``shot`` in pixels, clipped to nothing, head at rest."""
    picture = plan.spec.picture or PictureSpec()
    found = {}
    for place in shot.places:
        if not place.behind:
            member = plan.member(place.speaker)
            spot = spot_of(place, picture.size[1])
            found[place.speaker] = face_box(look(member.gender, member.look), spot)
    return found
