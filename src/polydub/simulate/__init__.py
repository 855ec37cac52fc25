"""Conversations with exact truth, made from invented people: for tests and benchmarks.

``plan_conversation`` decides everything from a seed and a bank of voices, in milliseconds;
``write_conversation`` renders a plan. ``python -m polydub.simulate OUT`` makes the standard suite.
"""

from polydub.simulate.conversation import (
    CastMember,
    Conversation,
    Gesture,
    Place,
    PlannedShot,
    PlannedTurn,
    overlap_share,
    overlaps,
)
from polydub.simulate.files import annotation, rttm, truth_of, write_annotations, write_conversation
from polydub.simulate.picture import render_picture
from polydub.simulate.planning import plan_conversation
from polydub.simulate.sound import RenderedSound, render_sound
from polydub.simulate.spec import ConversationSpec, PictureSpec, SoundSpec, standard_suite
from polydub.simulate.voices import (
    Bank,
    BankVoice,
    FolderBank,
    SynthesizerBank,
    Utterance,
    kokoro_bank,
)

__all__ = [
    "Bank",
    "BankVoice",
    "CastMember",
    "Conversation",
    "ConversationSpec",
    "FolderBank",
    "Gesture",
    "PictureSpec",
    "Place",
    "PlannedShot",
    "PlannedTurn",
    "RenderedSound",
    "SoundSpec",
    "SynthesizerBank",
    "Utterance",
    "annotation",
    "kokoro_bank",
    "overlap_share",
    "overlaps",
    "plan_conversation",
    "render_picture",
    "render_sound",
    "rttm",
    "standard_suite",
    "truth_of",
    "write_annotations",
    "write_conversation",
]
