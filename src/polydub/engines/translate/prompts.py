"""What language models are asked: instructions and example dialogue, for any pair of languages."""

from __future__ import annotations

from polydub.model.language import language_name, primary

EXAMPLES: dict[str, tuple[str, str, str]] = {
    "en": (
        "Wait, where are you going?",
        "I told you not to touch that. It isn't yours.",
        "My brother was half asleep when the doctor arrived.",
    ),
    "es": (
        "Espera, ¿adónde vas?",
        "Te dije que no tocaras eso. No es tuyo.",
        "Mi hermano estaba medio dormido cuando llegó el médico.",
    ),
    "fr": (
        "Attends, où vas-tu ?",
        "Je t'avais dit de ne pas toucher à ça. Ce n'est pas à toi.",
        "Mon frère dormait à moitié quand le médecin est arrivé.",
    ),
    "de": (
        "Warte, wo gehst du hin?",
        "Ich hab dir gesagt, du sollst das nicht anfassen. Es gehört dir nicht.",
        "Mein Bruder schlief schon halb, als der Arzt kam.",
    ),
    "it": (
        "Aspetta, dove vai?",
        "Ti avevo detto di non toccarlo. Non è tuo.",
        "Mio fratello era mezzo addormentato quando è arrivato il medico.",
    ),
    "pt": (
        "Espera, aonde você vai?",
        "Eu te disse para não mexer nisso. Não é seu.",
        "Meu irmão estava meio dormindo quando o médico chegou.",
    ),
    "zh": (
        "等等，你要去哪儿？",
        "我跟你说过别碰那个。那不是你的。",
        "医生来的时候，我哥哥已经半睡半醒了。",
    ),
    "ja": (
        "待って、どこへ行くの？",
        "それに触るなと言っただろう。お前のものじゃない。",
        "医者が来たとき、兄は半分眠っていた。",
    ),
    "ko": (
        "잠깐, 어디 가?",
        "그거 만지지 말라고 했잖아. 네 것이 아니야.",
        "의사가 왔을 때 형은 반쯤 잠들어 있었어.",
    ),
    "ru": (
        "Подожди, ты куда?",
        "Я же сказал тебе не трогать это. Это не твоё.",
        "Мой брат уже почти спал, когда пришёл врач.",
    ),
}
"""Three lines of everyday dialogue, the same in every language: pairs for any two of them."""

SERVICE_PROMPT = """You translate film dialogue for dubbing from {source} into {target}.
The user sends JSON: "lines" to translate, with neighbours in "before" and "after" as context \
only, and a "glossary" of fixed terms.
Rules:
- Answer with one JSON object {{"translations": [{{"id": "...", "text": "..."}}]}} and nothing else.
- One entry for each id in "lines", no other ids; never merge or split lines.
- Natural spoken {target}, in the register of the speaker. Keep names.
- Each text must be speakable within its "seconds": be as brief as the original.
- No explanations, no quotation marks around a text, no markup."""


def examples(source: str, target: str) -> tuple[tuple[str, str], ...]:
    """Translated example lines for a pair of languages (BCP-47); empty when one is not covered."""
    here, there = EXAMPLES.get(primary(source)), EXAMPLES.get(primary(target))
    if here is None or there is None:
        return ()
    return tuple(zip(here, there, strict=True))


def chat(source: str, target: str, text: str, *, shots: bool = True) -> list[dict[str, str]]:
    """Chat messages that ask a small model for one line.

    Instruction, three examples as earlier exchanges (``shots``), then the line alone. Tried with
    Qwen2.5 Coder 1.5B on 12 English lines into Spanish: with the examples a question stayed a
    question, which without them it did not ("You like how my job pays ..., right?" came back as an
    exclamation); numbered groups of four lines kept their numbers, but were neither better nor
    faster (5.9 against 5.4 s per line).
    """
    here, there = language_name(source), language_name(target)
    instruction = (
        f"You translate film dialogue from {here} into natural spoken {there}. "
        "Answer with the translation only."
    )
    messages = [{"role": "system", "content": instruction}]
    for original, translated in examples(source, target) if shots else ():
        messages.append({"role": "user", "content": original})
        messages.append({"role": "assistant", "content": translated})
    return [*messages, {"role": "user", "content": text}]


def service_prompt(source: str, target: str) -> str:
    """The instruction for a capable model that answers in JSON by line id."""
    return SERVICE_PROMPT.format(source=language_name(source), target=language_name(target))
