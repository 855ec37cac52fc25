"""Names in Chinese characters are spelt in pinyin; anything else that was left is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from polydub.engines.protocols import Capabilities, TranslationRequest
from polydub.model import Line, Script, Span, Speaker
from polydub.stages.translate import translate_lines
from polydub.stages.translation_names import in_pinyin

pytest.importorskip("pypinyin")

ORIGINAL = "今年也这样给仙妹妹办，不就是了。"


@pytest.mark.parametrize(
    ("text", "spelt", "names"),
    [
        ("Do it for Miss 仙 this year.", "Do it for Miss Xian this year.", ("仙",)),
        ("For仙妹妹, the same.", "For Xianmeimei, the same.", ("仙妹妹",)),
        ("仙's and 仙's.", "Xian's and Xian's.", ("仙",)),
        ("Do it this year.", "", ()),  # nothing is left
        ("Do it for 龙.", "", ()),  # not in the original: invented
        ("Do it 今年也这样给.", "", ()),  # no name
        ("今年 and 妹妹 and 这样", "", ()),  # too much of the line
    ],
)
def test_only_names_are_spelt(text: str, spelt: str, names: tuple[str, ...]) -> None:
    assert in_pinyin(text, ORIGINAL, "zh") == (spelt, names)


def test_only_chinese_is_spelt() -> None:
    assert in_pinyin("Do it for 仙.", ORIGINAL, "ja") == ("", ())


class LeavesNames:
    capabilities = Capabilities("translate", "leaves", "1", "", "", "")

    def translate(self, request: TranslationRequest) -> dict[str, str]:
        return {line.id: "Do it this year for Miss 仙, that is all." for line in request.lines}


def test_a_line_with_a_name_left_is_dubbed_and_told() -> None:
    line = Line("L001", "S1", Span.of(0, 5), ORIGINAL)
    script = Script("f", "", line.span.end, "zh", (Speaker("S1", "A"),), (line,))
    outcome = translate_lines(LeavesNames(), script, "en")
    made = outcome.translations["L001"]
    assert (made.text, made.status) == ("Do it this year for Miss Xian, that is all.", "ok")
    (told,) = outcome.decisions
    assert (told.kind, told.unit) == ("warning", "L001") and "仙" in told.reason
    again = translate_lines(LeavesNames(), replace(script, language="ja"), "en")
    assert again.translations["L001"].status == "untranslated"
