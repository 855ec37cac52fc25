"""What a run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from polydub.engines.registry import DEFAULTS
from polydub.errors import InputError
from polydub.model.language import parse_language


@dataclass(frozen=True, slots=True)
class DubOptions:
    """Options of one dub.

    ``targets`` and ``source_language`` are language codes (BCP-47, or ISO 639). ``engines`` maps a
    kind (see ``polydub engines``) to an engine name. ``translations`` maps a target language to a
    subtitle, table or script file with the user's own translation. ``llm_model`` is a GGUF path or
    hub name. ``speakers`` fixes how many people speak. ``container`` is ``"mp4"`` or ``"mkv"``.
    """

    targets: tuple[str, ...] = ()
    source_language: str | None = None
    engines: dict[str, str] = field(default_factory=dict)
    translations: dict[str, Path] = field(default_factory=dict)
    llm_model: str | None = None
    lips: bool = True
    speakers: int | None = None
    subtitles: bool = True
    max_speed: float = 1.2
    container: str | None = None

    def normalised(self) -> DubOptions:
        """The same with canonical language tags. Raises ``InputError`` for values out of range."""
        if self.speakers is not None and self.speakers < 1:
            raise InputError("--speakers must be 1 or more.", code="DUB-E108")
        if not 1.0 <= self.max_speed <= 1.8:
            raise InputError("--max-speed must lie between 1.0 and 1.8.", code="DUB-E108")
        if self.container not in (None, "mp4", "mkv"):
            raise InputError("The container must be mp4 or mkv.", code="DUB-E108")
        for kind in self.engines:
            if kind not in DEFAULTS:
                known = ", ".join(DEFAULTS)
                raise InputError(
                    f"There is no stage '{kind}' to choose an engine for.",
                    hint=f"Known: {known}.",
                    code="DUB-E108",
                )
        source = parse_language(self.source_language) if self.source_language else None
        return DubOptions(
            targets=tuple(dict.fromkeys(parse_language(code) for code in self.targets)),
            source_language=source,
            engines=dict(self.engines),
            translations={parse_language(k): Path(v) for k, v in self.translations.items()},
            llm_model=self.llm_model,
            lips=self.lips,
            speakers=self.speakers,
            subtitles=self.subtitles,
            max_speed=self.max_speed,
            container=self.container,
        )

    def engine(self, kind: str, language: str | None = None) -> str:
        """Name of the engine of ``kind``; a translation file for ``language`` means ``given``."""
        if kind == "translate" and kind not in self.engines and language in self.translations:
            return "given"
        return self.engines.get(kind, DEFAULTS[kind])
