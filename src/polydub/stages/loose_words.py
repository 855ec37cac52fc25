"""What a hurried speaker drops or says in a shorter form, language by language: see
:mod:`polydub.stages.translation_trim`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loose:
    """Words of one language that may go, as alternatives of a regular expression.

    ``openers`` stand before a comma or alone, ``tags`` are questions at the end, ``degrees`` stand
    anywhere but after a ``negation``, ``address`` are words that call somebody, between commas.
    ``links`` and ``lean`` are ``(pattern, replacement)``: the first lose nothing, the second a
    shade (*all the bills* becomes *the bills*) or the register (*ne* goes in French).
    """

    openers: str
    tags: str
    degrees: str
    negations: str = ""
    address: str = ""
    links: tuple[tuple[str, str], ...] = ()
    lean: tuple[tuple[str, str], ...] = ()


LOOSE: dict[str, Loose] = {
    "en": Loose(
        openers="well|so|look|listen|hey|oh|um+|uh+|er|okay|ok|now|anyway|you know|i mean|you see",
        tags="right|okay|ok|huh|eh|you know|isn't it|don't you|aren't you|don't you think|yeah",
        degrees="really|very|just|actually|simply|basically|honestly|literally|certainly"
        "|definitely|totally|absolutely|of course",
        negations="not|n't|never|no|is",
        links=(
            (
                r"\b(know|think|say|said|sure|believe|hope|feel|guess|bet|heard|means?) that\b",
                r"\1",
            ),
            (r"\b[Ii]n order to\b", "to"),
            (r"\b(I|you|we|they|he|she|it) will\b(?=\s\w)", r"\1'll"),
            (r"\b(do|does|did|is|are|was|were|have|has|had|would|should|could) not\b", r"\1n't"),
            (r"\bI am\b(?=\s\w)", "I'm"),
            (r"\b([Ii]t|[Hh]e|[Ss]he|[Tt]hat|[Tt]here) is\b(?=\s\w)", r"\1's"),
            (r"\b([Yy]ou|[Ww]e|[Tt]hey) are\b(?=\s\w)", r"\1're"),
            (r"\b(I|[Yy]ou|[Ww]e|[Tt]hey) have\b(?=\s\w+(?:ed|en|een)\b)", r"\1've"),
        ),
        address="sir|ma'am|madam|man|dude|buddy|pal|mate|my friend|my dear|dear|darling|honey"
        "|sweetheart|boss|son|guys|folks|everyone|everybody",
        lean=(
            (r"\b[Aa]ll (?:of )?(?=(?:the|my|your|our|their|these|those) )", ""),
            (r"\b(?:[Aa]bout|[Aa]pproximately|[Rr]oughly) (?=half\b|\d)", ""),
            (r"\b(?:have|has) got to\b", "must"),
            (r"\b[Aa]t this (?:very )?moment\b", "now"),
            (r"\b50 ?(?:%|percent) of(?= (?:the|my|your|our|their|these|those) )", "half"),
            (r"\bwould like to\b", "want to"),
            (r"\b(?:(?:that|which|who) (?:are|is) )?coming from\b", "from"),
            (r"\b[Ii]n spite of\b", "despite"),
        ),
    ),
    "es": Loose(
        openers="bueno|pues|oye|oiga|mira|mire|vale|eh+|ah|oh|um+|ehm|entonces|sabes|verás",
        tags="verdad|no|vale|eh|cierto|no es así|no crees|sabes",
        degrees="realmente|verdaderamente|simplemente|muy|en realidad|de verdad|por supuesto"
        "|ciertamente|absolutamente|totalmente",
        negations="no|nunca|ni|es|qué",
        links=(
            (r"\b([Ss])olamente\b", r"\1olo"),
            (r"\bcon el fin de\b", "para"),
            (r"\b(?:[Yy]o|[Tt]ú) (?=\w+(?:o|as|es|é|aste|iste)\b)(?!o |no |sol|mism)", ""),
        ),
        address="señor|señora|señorita|amig[oa]s?|hij[oa]s?|cariño|querid[oa]|mi amor|jef[ea]|tío"
        "|chic[oa]s|muchach[oa]s|herman[oa]",
        lean=(
            (r"\b[Tt]od[oa]s (?=(?:l[oa]s|mis|tus|sus|est[oa]s|es[oa]s) )", ""),
            (r"\b(?:aproximadamente|alrededor de|más o menos) (?=la mitad|\d)", ""),
            (r"\b(?:el )?50 ?(?:%|por ciento) de\b", "la mitad de"),
            (r"\bque (?:vienen?|provienen?) del\b", "del"),
            (r"\b(?:[Ee]n este (?:mismo )?momento|[Aa]hora mismo)\b", "ahora"),
            (r"\bel hecho de que\b", "que"),
            (r"\b[Aa] pesar de que\b", "aunque"),
            (r"\bpara poder (?=\w+r\b)", "para "),
            (r"\b[Tt]engo que\b", "debo"),
            (r"\b[Tt]ienes que\b", "debes"),
            (r"\b[Tt]iene que\b", "debe"),
            (r"\b[Tt]enemos que\b", "debemos"),
            (r"\b[Mm]e gustaría (?=\w+r\b)", "quiero "),
            (r"\b[Nn]os gustaría (?=\w+r\b)", "queremos "),
            (r"\bcualquier persona que\b", "quien"),
        ),
    ),
    "fr": Loose(
        openers="eh bien|ben|bon|alors|écoute|écoutez|regarde|tu sais|vous savez|oh|ah|euh|hé|hum",
        tags="non|n'est-ce pas|hein|pas vrai|d'accord|tu sais",
        degrees="vraiment|très|simplement|en fait|bien sûr|quand même|absolument|totalement",
        negations="pas|jamais|plus|c'est",
        address="monsieur|madame|mademoiselle|mon ami|mes amis|mon vieux|mec|chérie?|mon cher"
        "|ma chère|chef|patron|fiston|les gars",
        links=(
            (r"(?<!['’])\b[Ee]st-ce qu(?:e |['’])(?=(?:je|tu|vous|ils?|elles?|on|nous)\b)", ""),
            (r"\bcela\b", "ça"),
            (r"\bCela\b", "Ça"),
            (r"\bafin de\b", "pour"),
            (r"\bpour pouvoir\b", "pour"),
        ),
        lean=(
            (r"\b[Tt]ou(?:te)?s (?=(?:les|mes|tes|ses|nos|vos|leurs|ces) )", ""),
            (r"\b(?:environ|à peu près|approximativement) (?=la moitié|\d)", ""),
            (r"\b(?:les )?50 ?(?:%|pour cent) d(?=es?\b|['’])", "la moitié d"),
            (r"\bqui (?:viennent|proviennent|vient|provient) du\b", "du"),
            (r"\b[Ee]n ce moment(?: même)?\b", "là"),
            (r"\ble fait que\b", "que"),
            (r"\bn(?:e |['’](?!est-ce))(?=[^.!?,;]{1,24}?\b(?:pas|jamais|rien)\b)", ""),
            (r"\b([Jj])e (?:voudrais|aimerais) (?=\w+(?:er|ir|re)\b)", r"\1e veux "),
            (r"\b([Nn])ous (?:voudrions|aimerions) (?=\w+(?:er|ir|re)\b)", r"\1ous voulons "),
        ),
    ),
    "it": Loose(
        openers="beh|allora|senti|senta|guarda|sai|ehi|oh|ah|uhm|ecco|va bene",
        tags="vero|no|giusto|eh|non è vero|va bene",
        degrees="davvero|veramente|in realtà|semplicemente|certamente|assolutamente",
        negations="non|mai|è",
        address="signor[ea]?|signorina|amic[oi]|amiche|car[oa]|tesoro|capo|ragazz[ie]",
        lean=((r"\b[Tt]utt[ie] (?=(?:i|le|gli|quest[ei]|quei|quelle) )", ""),),
    ),
    "pt": Loose(
        openers="bem|bom|então|olha|olhe|sabe|ei|ah|oh|hum|certo",
        tags="não é|né|certo|não|sabe|tá",
        degrees="realmente|na verdade|simplesmente|certamente|totalmente",
        negations="não|nunca|nem|é",
        address="senhor|senhora|amig[oa]s?|querid[oa]|meu amor|chefe|gente|filh[oa]",
        lean=((r"\b[Tt]od[oa]s (?=(?:os|as|ess[ea]s|est[ea]s|meus|minhas) )", ""),),
    ),
    "de": Loose(
        openers="also|naja|na ja|hör mal|schau|weißt du|ach|oh|äh|hey|nun",
        tags="oder|nicht wahr|nicht|ja|weißt du|okay",
        degrees="wirklich|sehr|eigentlich|natürlich|absolut",
        negations="nicht|nie|kein|keine|ist",
        address="mein Herr|gnädige Frau|mein Freund|Leute|Schatz|Liebling|mein Sohn|Chef",
        lean=((r"\b[Aa]lle (?=(?:diese|meine|deine|unsere|ihre) )", ""),),
    ),
    "zh": Loose(
        openers="嗯|呃|哎|啊|哦|那么|好吧|其实|你看|听着|那个",
        tags="对吧|是吧|对不对|是不是|好吗|行吗|不是吗",
        degrees="其实|真的|非常|确实|当然|简直|实在|完全",
        negations="不|没|别|是",
        address="先生|女士|小姐|老兄|兄弟|朋友|朋友们|亲爱的|伙计|孩子|老板|各位|大家",
        links=(
            ("的时候", "时"),
            (r"(?<!有)没有(?=[\u4e00-\u9fff])", "没"),
            ("已经", "已"),
            ("但是", "但"),
            ("正在", "在"),
        ),
        lean=((r"(?:大约|大概|差不多)(?=一半|[一二三四五六七八九十百千\d])", ""),),
    ),
}
"""Primary language -> what a hurried speaker drops."""
