"""What language models are asked: instructions and example dialogue, for any pair of languages."""

from __future__ import annotations

from collections.abc import Sequence

from polydub.engines.protocols import Formality, TranslationRequest
from polydub.model.language import language_name, primary

Pairs = tuple[tuple[str, str], ...]
"""What was asked and what is answered, as examples."""

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

WORDY: dict[str, tuple[str, str, str]] = {
    "en": (
        "What I am trying to tell you is that you should not have gone there all alone.",
        "Do you still remember the girl that we met last summer at the beach?",
        "I have the feeling that she is not telling us the whole truth.",
    ),
    "es": (
        "Lo que te estoy intentando decir es que no deberías haber ido allí tú solo.",
        "¿Todavía te acuerdas de la chica que conocimos el verano pasado en la playa?",
        "Tengo la sensación de que ella no nos está contando toda la verdad.",
    ),
    "fr": (
        "Ce que j'essaie de te dire, c'est que tu n'aurais pas dû aller là-bas tout seul.",
        "Tu te souviens encore de la fille qu'on a rencontrée l'été dernier à la plage ?",
        "J'ai l'impression qu'elle n'est pas en train de nous dire toute la vérité.",
    ),
    "de": (
        "Was ich dir zu sagen versuche, ist, dass du da nicht ganz allein hättest hingehen sollen.",
        "Erinnerst du dich noch an das Mädchen, das wir letzten Sommer am Strand getroffen haben?",
        "Ich habe das Gefühl, dass sie uns nicht die ganze Wahrheit erzählt.",
    ),
    "it": (
        "Quello che sto cercando di dirti è che non saresti dovuto andare là tutto da solo.",
        "Ti ricordi ancora della ragazza che abbiamo conosciuto l'estate scorsa al mare?",
        "Ho la sensazione che lei non ci stia raccontando tutta la verità.",
    ),
    "pt": (
        "O que eu estou tentando te dizer é que você não deveria ter ido lá sozinho.",
        "Você ainda se lembra da menina que nós conhecemos no verão passado na praia?",
        "Eu tenho a sensação de que ela não está contando toda a verdade para nós.",
    ),
    "zh": (
        "我想跟你说的是，你不应该自己一个人去那里。",
        "你还记得我们去年夏天在海边认识的那个女孩吗？",
        "我有一种感觉，她没有把全部的事实告诉我们。",
    ),
    "ja": (
        "僕が君に言おうとしているのは、君は一人でそこへ行くべきではなかったということだ。",
        "去年の夏に海で知り合ったあの女の子のことを、君はまだ覚えている？",
        "彼女は僕たちに本当のことを全部話していないような気がするんだ。",
    ),
    "ko": (
        "내가 너한테 말하려는 건 네가 혼자서 거기에 가지 말았어야 했다는 거야.",
        "우리가 작년 여름에 바닷가에서 만났던 그 여자애를 아직도 기억하고 있어?",
        "그녀가 우리에게 모든 사실을 다 말하고 있지 않다는 느낌이 들어.",
    ),
    "ru": (
        "Я пытаюсь сказать тебе, что тебе не следовало ходить туда совсем одному.",
        "Ты ещё помнишь ту девушку, с которой мы познакомились прошлым летом на пляже?",
        "У меня такое чувство, что она не рассказывает нам всей правды.",
    ),
}
"""Three more lines, wordy ones, the same in every language."""

BRIEF: dict[str, tuple[str, str, str]] = {
    "en": (
        "You shouldn't have gone there alone.",
        "Remember the girl from the beach?",
        "I think she's hiding something.",
    ),
    "es": (
        "No debiste ir allí solo.",
        "¿Recuerdas a la chica de la playa?",
        "Creo que nos oculta algo.",
    ),
    "fr": (
        "Tu n'aurais pas dû y aller seul.",
        "Tu te souviens de la fille de la plage ?",
        "Je crois qu'elle nous cache quelque chose.",
    ),
    "de": (
        "Du hättest nicht allein hingehen sollen.",
        "Erinnerst du dich an das Mädchen vom Strand?",
        "Ich glaube, sie verschweigt uns etwas.",
    ),
    "it": (
        "Non dovevi andarci da solo.",
        "Ti ricordi la ragazza del mare?",
        "Credo che ci nasconda qualcosa.",
    ),
    "pt": (
        "Você não devia ter ido lá sozinho.",
        "Lembra da menina da praia?",
        "Acho que ela esconde algo.",
    ),
    "zh": ("你不该一个人去。", "还记得海边那个女孩吗？", "我觉得她有所隐瞒。"),
    "ja": (
        "一人で行くべきじゃなかった。",
        "海で会った子、覚えてる？",
        "彼女は何か隠してると思う。",
    ),
    "ko": ("혼자 가지 말았어야지.", "바닷가 그 여자애 기억나?", "뭔가 숨기는 것 같아."),
    "ru": (
        "Не надо было ходить туда одному.",
        "Помнишь девушку с пляжа?",
        "По-моему, она что-то скрывает.",
    ),
}
"""The lines of ``WORDY`` in few words."""

FORMAL: dict[str, tuple[str, str]] = {
    "es": ("Espere, ¿adónde va usted?", "Le dije que no tocara eso. No es suyo."),
    "fr": (
        "Attendez, où allez-vous ?",
        "Je vous avais dit de ne pas toucher à ça. Ce n'est pas à vous.",
    ),
    "de": (
        "Warten Sie, wo gehen Sie hin?",
        "Ich habe Ihnen gesagt, Sie sollen das nicht anfassen. Es gehört Ihnen nicht.",
    ),
    "it": ("Aspetti, dove va?", "Le avevo detto di non toccarlo. Non è suo."),
    "pt": (
        "Espere, aonde o senhor vai?",
        "Eu disse ao senhor para não mexer nisso. Não é do senhor.",
    ),
    "zh": ("请等等，您要去哪儿？", "我跟您说过别碰那个。那不是您的。"),
    "ru": ("Подождите, вы куда?", "Я же сказал вам не трогать это. Это не ваше."),
}
"""The first two lines of ``EXAMPLES`` as said to a stranger; the third addresses nobody."""

NAMES: dict[str, tuple[str, str, str]] = {
    "en": ("London", "Emma", "potatoes"),
    "zh": ("伦敦", "艾玛", "土豆"),
    "ja": ("ロンドン", "エマ", "じゃがいも"),
    "ko": ("런던", "엠마", "감자"),
    "ru": ("Лондон", "Эмма", "картофель"),
}
"""Two names and a word in the plural, where names are written in other letters."""

ADDRESS: dict[str, tuple[str, str]] = {
    "es": ("tú", "usted"),
    "fr": ("tu", "vous"),
    "de": ("du", "Sie"),
    "it": ("tu", "Lei"),
    "pt": ("você", "o senhor / a senhora"),
    "zh": ("你", "您"),
    "ru": ("ты", "вы"),
    "nl": ("je", "u"),
}
"""Primary language -> the informal and the formal "you"."""

_SERVICE_HEAD = """You translate film dialogue for dubbing from {source} into {target}.
The user sends JSON: "lines" to translate, with neighbours in "before" and "after" as context \
only, and a "glossary" of fixed terms.
Rules:
"""

_SERVICE_ONE = """\
- Answer with one JSON object {{"translations": [{{"id": "...", "text": "..."}}]}} and nothing else.
- One entry for each id in "lines", no other ids; never merge or split lines.
- Natural spoken {target}, in the register of the speaker. Keep names.
- Translate so that it can be spoken in "seconds": at most "letters" letters, not counting spaces \
and punctuation (0 = free). Drop what is not needed, keep the meaning, the names and the tone.
- Where a line has a "too_long" translation, say that in fewer words: "letters" at most.
- Where a line has a "too_short" translation, say that in more words, about "letters": invent \
nothing, add no fact.
- Where a line has a "remark", it says what an earlier translation did wrong: do it right.
"""

_SERVICE_SEVERAL = """\
- Answer with one JSON object {{"translations": [{{"id": "...", "literal": "...", \
"shorter": "...", "shortest": "...", "longer": "..."}}]}} and nothing else.
- One entry for each id in "lines", no other ids; never merge or split lines.
- Each entry says one line in four lengths, each of them natural spoken {target} in the \
register of the speaker, with the same meaning, names, numbers and tone.
- "literal" leaves nothing out. "shorter" can be spoken in "seconds": at most "letters" letters, \
not counting spaces and punctuation (0 = free). "shortest" has about a quarter fewer words than \
"shorter". "longer" says the same in about a third more words than "literal": it invents nothing.
"""

_SERVICE_TAIL = """\
- A glossary term is always translated as the glossary says (in the form that the sentence needs); \
one that maps to itself stays as it is.
- No explanations, no quotation marks around a text, no markup."""


def examples(
    source: str, target: str, formality: Formality = "auto"
) -> tuple[tuple[str, str], ...]:
    """Translated example lines for a pair of languages (BCP-47); empty when one is not covered."""
    here, there = EXAMPLES.get(primary(source)), EXAMPLES.get(primary(target))
    if here is None or there is None:
        return ()
    if formality == "formal" and primary(target) in FORMAL:
        there = (*FORMAL[primary(target)], there[2])
    return tuple(zip(here, there, strict=True))


def style_rules(request: TranslationRequest) -> tuple[str, ...]:
    """What the user wants of the language, as sentences; empty when nothing is asked for."""
    rules = []
    if request.formality != "auto":
        informal, formal = ADDRESS.get(primary(request.target), ("", ""))
        wanted, other = (formal, informal) if request.formality == "formal" else (informal, formal)
        rule = f"People address each other in the {request.formality} way"
        rules.append(f"{rule}: '{wanted}', never '{other}'." if wanted else f"{rule}.")
    if request.profanity == "soften":
        rules.append("Replace swear words by mild ones.")
    return tuple(rules)


def chat(
    source: str, target: str, text: str, *, rules: Sequence[str] = (), pairs: Pairs | None = None
) -> list[dict[str, str]]:
    """Chat messages that ask a small model for one line.

    Instruction with the ``rules``, examples as earlier exchanges (``pairs``, by default those of
    :func:`examples`), then the line alone. Tried with
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
    pairs = examples(source, target) if pairs is None else pairs
    return _exchanges(" ".join((instruction, *rules)), pairs, text)


def can_shorten(source: str, target: str) -> bool:
    """Whether there are wordy and brief example lines for both languages (BCP-47)."""
    return primary(source) in WORDY and primary(target) in BRIEF


def brief_chat(
    source: str, target: str, text: str, *, longest: int = 0, rules: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Chat messages that ask a model for a translation in few words.

    The examples turn wordy lines into brief ones. ``longest`` are the letters it may have; it is
    not said when 0 (Qwen2.5 Coder 1.5B takes no notice of a number). Raises ``KeyError`` without
    examples.
    """
    here, there = language_name(source), language_name(target)
    instruction = (
        f"You translate film dialogue from {here} into short spoken {there}: as few words as "
        "possible, the same meaning. Answer with the translation only."
    )
    if longest:
        instruction += f" It may have {longest} letters at most."
    pairs = zip(WORDY[primary(source)], BRIEF[primary(target)], strict=True)
    return _exchanges(" ".join((instruction, *rules)), tuple(pairs), text)


def longer_chat(target: str, known: str, *, rules: Sequence[str] = ()) -> list[dict[str, str]]:
    """Chat messages that ask for the translation ``known`` in more words, the same meaning.

    Raises ``KeyError`` without examples.
    """
    instruction = (
        f"You rephrase {language_name(target)} film dialogue so that it takes longer to say: the "
        "same meaning in more words, nothing invented. Answer with the longer version only."
    )
    pairs = zip(BRIEF[primary(target)], WORDY[primary(target)], strict=True)
    return _exchanges(" ".join((instruction, *rules)), tuple(pairs), known)


def can_spell(source: str, target: str) -> bool:
    """Whether there are examples of how names of one language are written in the other (BCP-47)."""
    return primary(source) in NAMES and primary(target) in NAMES


def word_chat(source: str, target: str, word: str) -> list[dict[str, str]]:
    """Chat messages that ask how a name or a single word is written in the other language.

    Raises ``KeyError`` without examples. Qwen2.5 Coder 1.5B from English to Chinese: without
    examples ``neutrino`` came back as it was and ``Texas`` as "Texas of America".
    """
    instruction = (
        f"You write {language_name(source)} names and words as they are written in "
        f"{language_name(target)}. Answer with them only."
    )
    pairs = zip(NAMES[primary(source)], NAMES[primary(target)], strict=True)
    return _exchanges(instruction, tuple(pairs), word)


def _exchanges(instruction: str, pairs: Pairs, text: str) -> list[dict[str, str]]:
    messages = [{"role": "system", "content": instruction}]
    for asked, answered in pairs:
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": answered})
    return [*messages, {"role": "user", "content": text}]


def shorter_chat(
    source: str, target: str, text: str, known: str, *, rules: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Chat messages in which the model has said ``known`` for ``text`` and is told "Shorter.".

    Raises ``KeyError`` without examples.
    """
    here, there = language_name(source), language_name(target)
    instruction = (
        f"You translate film dialogue from {here} into natural spoken {there}. Answer with the "
        "translation only. When asked, you say it shorter, with the same meaning."
    )
    messages = [{"role": "system", "content": " ".join((instruction, *rules))}]
    examples = zip(
        WORDY[primary(source)], WORDY[primary(target)], BRIEF[primary(target)], strict=True
    )
    for original, wordy, brief in (*examples, (text, known, "")):
        messages.append({"role": "user", "content": original})
        messages.append({"role": "assistant", "content": wordy})
        messages.append({"role": "user", "content": "Shorter."})
        messages.append({"role": "assistant", "content": brief})
    return messages[:-1]


def service_prompt(request: TranslationRequest, *, several: bool = False) -> str:
    """The instruction for a capable model that answers in JSON by line id.

    ``several``: each line in several lengths.
    """
    rules = list(style_rules(request))
    if request.profanity == "keep":
        rules.append("Strong language stays as strong as it is; nothing is censored.")
    if request.film:
        rules.append(f"About the film: {request.film}")
    middle = "".join(f"- {rule}\n" for rule in rules)
    text = _SERVICE_HEAD + (_SERVICE_SEVERAL if several else _SERVICE_ONE)
    names = {"source": language_name(request.source), "target": language_name(request.target)}
    return text.format(**names) + middle + _SERVICE_TAIL
