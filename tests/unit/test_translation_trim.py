from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydub.stages.translation_trim import LOOSE, is_opener, trimmed, without_tag


@pytest.mark.parametrize(
    ("language", "text", "shortest"),
    [
        ("en", "Well, I think that it is very good, right?", "I think it's good."),
        ("en", "I also gave her a bath, and it worked out well.", ""),
        ("en", "It is not very good.", "It isn't very good."),
        ("en", "Really?", ""),
        ("en", "Is that right?", ""),
        ("en", "In order to live, you will have to go.", "To live, you'll have to go."),
        ("es", "Oye, yo quiero un café muy bueno, ¿no?", "Quiero un café bueno."),
        ("es", "¡Deja eso! ¡Um!", "¡Deja eso!"),
        ("es", "¿Vienes, no?", "¿Vienes?"),
        ("es", "¿Pagas todas las facturas, verdad?", "¿Pagas las facturas?"),
        ("es", "Señor, tengo que irme.", "Debo irme."),
        ("es", "Los señores duermen.", ""),
        ("es", "Yo no sé.", ""),
        (
            "es",
            "Han visto que el 50% de los neutrinos provienen del sol.",
            "Han visto que la mitad de los neutrinos provienen del sol.",
        ),
        ("es", "Pesa 150 % de lo normal.", ""),
        ("fr", "C'est 50 % des gens.", "C'est la moitié des gens."),
        ("en", "I paid 50% of the bill.", "I paid half the bill."),
        ("fr", "Eh bien, je suis vraiment très content, non ?", "Je suis content."),
        ("fr", "Est-ce que tu viens, mon ami ?", "Tu viens ?"),
        ("fr", "Qu'est-ce que tu fais ?", ""),
        ("fr", "Je ne sais pas, monsieur.", "Je sais pas."),
        ("fr", "Tu viens, n'est-ce pas ?", "Tu viens."),
        (
            "en",
            "All the people who are coming from Texas left, sir.",
            "The people from Texas left.",
        ),
        ("en", "Sir, this man is not my son.", "This man isn't my son."),
        ("zh", "我没有看到他，但是他已经走了。", "我没看到他，但他已走了。"),
        ("zh", "你有没有钱？", ""),
        ("it", "Allora, è davvero tardi, vero?", None),
        ("pt", "Olha, ele realmente veio, não é?", "Ele veio."),
        ("de", "Also, er kommt wirklich, oder?", "Er kommt."),
        ("zh", "其实，你真的不应该非常生气，对吧？", "你不应该生气。"),
        ("sw", "Habari, sawa?", ""),
        ("en-GB", "I know that he is here.", "I know he's here."),
    ],
)
def test_what_a_hurried_speaker_drops(language: str, text: str, shortest: str | None) -> None:
    steps = trimmed(text, language)
    if shortest is None:
        assert steps
    else:
        assert (steps[-1] if steps else "") == shortest
    assert text not in steps and len(set(steps)) == len(steps)


def test_the_least_changed_comes_first() -> None:
    assert trimmed("Well, it is very late, right?", "en") == (
        "Well, it's very late, right?",
        "It's very late, right?",
        "It's very late.",
        "It's late.",
    )


def test_tags() -> None:
    assert without_tag("Te gusta, ¿verdad?", "es") == "Te gusta."
    assert without_tag("¿Es verdad?", "es") == "¿Es verdad?"
    assert without_tag("Nendeni, sawa?", "sw") == "Nendeni, sawa?"
    assert is_opener("Um", "en") and not is_opener("Tom", "en") and not is_opener("Um", "sw")


@given(st.sampled_from(sorted(LOOSE)), st.text(max_size=60))
def test_no_text_is_emptied_or_grows_much(language: str, text: str) -> None:
    for step in trimmed(text, language):
        assert any(char.isalnum() for char in step)
        assert len(step) <= len(text) + 1
