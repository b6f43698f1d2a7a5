"""The motion part of a prompt (MoSA's p'): who does what and how, without clothes, places, hours and style.

"a woman in a red coat walks on a beach at sunset" -> "a woman walks"

MoSA has a language model cut the prompt "filtering background and irrelevant content"; these are rules (ours). They only
take words out, and only those that they know: a text without any stays as it is, to the letter. Of a place, what the
motion needs stays: where to ("into the room", "up the stairs", "through a park") and what one sits or lies on.
"""

from __future__ import annotations

import re

_DETERMINER = r"(?:the|a|an|his|her|their|its|some|many|this|that|one)"
# A word between a determiner and its noun; never one that could begin another part of the sentence.
_ADJECTIVE = (
    r"(?:(?!(?:in|on|at|and|or|then|with|to|the|a|an|while|as|of|by|near|from|into|his|her|their|is|are|he|she|they)\b)"
    r"[\w'’-]+\s+)"
)

_CLOTHES = (
    r"(?:coats?|dress(?:es)?|shirts?|t-shirts?|tee|blouse|suits?|jackets?|hats?|caps?|jeans|hoodies?|uniforms?|kimonos?|"
    r"saris?|shoes|boots|skirts?|sweaters?|gowns?|costumes?|armou?r|robes?|clothes|clothing|outfits?|attire|shorts|"
    r"trousers|pants|leggings|ties?|scar(?:f|ves)|glasses|sunglasses|masks?|helmets?|aprons?|leotards?|tracksuits?|"
    r"sportswear|tutus?|heels|sneakers|veils?|vests?|gloves|socks|sandals|swimsuit|bikini|overalls|tuxedo|jewell?ery|"
    r"necklace|earrings|cloaks?|capes?|headscarf|turban|crown)"
)
_COLOURS = (
    r"(?:red|blue|green|black|white|yellow|orange|pink|purple|brown|gr[ae]y|gold|golden|silver|beige|denim)"
)
_LOOKS = r"(?:hair|beard|moustache|mustache|skin|tattoos?|freckles|make-?up|braids?|ponytail|pigtails|curls)"
_GARMENT = (
    rf"(?:{_DETERMINER}\s+)?{_ADJECTIVE}{{0,4}}?{_CLOTHES}\b"
    r"(?:\s+on\s+(?:the|his|her|their)\s+(?:head|face|shoulders|feet|hands))?"
)
_WORN = rf"{_GARMENT}(?:\s*(?:,|and|with|over)\s+{_GARMENT}){{0,4}}"
_LOOKING_SO = (
    rf"(?:{_DETERMINER}\s+)?(?:{_ADJECTIVE}{{0,3}}?{_LOOKS}|{_COLOURS}\s+eyes)\b"
    r"(?!\s+(?:\w+ing|up|down|back|loose)\b)"
)

_PLACES = (
    r"(?:beach(?:es)?|parks?|streets?|city|cities|cityscape|forests?|woods|woodland|fields?|meadows?|gardens?|rooms?|"
    r"kitchen|offices?|studio|gym|gymnasium|stage|desert|mountains?|mountainside|hilltop|lake|lakeside|river|riverbank|"
    r"ocean|sea|shore|seaside|coast|cliff|pool|school|classroom|hall|hallway|corridor|nightclub|restaurant|caf[eé]|"
    r"church|temple|castle|palace|market|marketplace|mall|shop|store|supermarket|station|airport|plaza|alley|alleyway|"
    r"road|highway|sidewalk|pavement|bridge|rooftop|roof|balcony|courtyard|yard|backyard|farm|village|town|downtown|"
    r"stadium|arena|tennis court|basketball court|playground|lawn|grass|jungle|countryside|hotel|lobby|library|museum|"
    r"hospital|warehouse|factory|basement|garage|house|home|apartment|bedroom|bathroom|dance ?floor|ballroom|space|moon|"
    r"planet|landscape|scenery|environment|background|backdrop|skyline|ruins|cave|vineyard)"
)
_HOURS = (
    r"(?:sunset|sunrise|dawn|dusk|night|nighttime|noon|midnight|midday|daytime|daylight|golden hour|morning|evening|"
    r"afternoon|twilight|day|winter|summer|autumn|rain|snow|storm|fog|mist|wind|sun|sunlight|sunshine|moonlight|"
    r"starlight|candlelight|stars|darkness|shade|shadows|spotlights?|neon lights?)"
)
_AT = (
    r"(?:in\s+the\s+(?:middle|cent(?:er|re)|corner|heart)\s+of|in\s+front\s+of|next\s+to|inside|outside|beside|under|"
    r"underneath|beneath|amid|among|amongst|near|during|in|on|at)"
)
_MORE_OF_IT = (
    r"(?:\s+(?:of|full\s+of|filled\s+with|lined\s+with|surrounded\s+by|covered\s+(?:in|with))\s+"
    r"(?:the\s+|an?\s+)?[\w'’-]+)?"
)
_SCENE = rf"(?:{_DETERMINER}\s+)?{_ADJECTIVE}{{0,3}}?(?:{_PLACES}|{_HOURS})\b{_MORE_OF_IT}"

_LEFT_OUT = (
    # clothes and looks
    rf"(?:wearing|dressed\s+(?:up\s+)?(?:in|as)|clad\s+in|clothed\s+in)\s+(?:{_WORN}|(?:all\s+)?{_COLOURS})",
    rf"(?:in|with)\s+{_WORN}",
    rf"in\s+(?:all\s+)?{_COLOURS}(?=\s*(?:[,.;!]|$|\w+(?:s|ing)\b))",
    rf"with\s+{_LOOKING_SO}(?:\s+and\s+{_LOOKING_SO})?",
    # places and hours
    rf"with\s+(?:{_DETERMINER}\s+)?{_ADJECTIVE}{{0,4}}?[\w'’-]+\s+in\s+the\s+(?:background|distance)",
    rf"{_AT}\s+{_SCENE}",
    rf"against\s+(?:{_DETERMINER}\s+)?{_ADJECTIVE}{{0,3}}?(?:background|backdrop|skyline|sky)",
    r"by\s+the\s+(?:sea|seaside|lake|river|ocean|pool|shore|beach|road)",
    r"outdoors|indoors",
    # style
    r"in\s+(?:the\s+style\s+of\s+[\w'’-]+|(?:an?\s+)?(?:anime|cartoon|comic|film noir|retro|vintage|[\w'’-]+ painting)"
    r"\s+style|black\s+and\s+white|4k|8k|hd)",
)
_REMOVED = tuple(re.compile(rf"\s*\b(?:{pattern})(?![\w-])", re.IGNORECASE) for pattern in _LEFT_OUT)
_NEEDED = re.compile(
    r"\b(?:sit|sat|lie|lies|lay|fall|fell|kneel|knelt|land|crawl|roll|slip|sleep|climb|jump|hop|step|stumble|collapse)"
    r"(?:s|es|ing|ting|ping|ped|ed)?(?:\s+(?:down|back|over|up|flat|face\s+down|still))?\s*$",
    re.IGNORECASE,
)
"""What one sits, lies or lands on belongs to the motion."""

_KEPT_ADJECTIVES = r"(?:young|old|elderly|tall|short|small|slim|strong|heavy|thin|fat|middle-aged)"
_ADJECTIVES = (
    r"(?:very\s+)?(?:beautiful|handsome|pretty|attractive|gorgeous|stylish|well-dressed|blonde?|brunette|redheaded|"
    r"bearded|bald|tattooed|\w+-haired|\w+-eyed|\w+-skinned|photorealistic|realistic|cinematic)"
)
_DESCRIBED = re.compile(
    rf"\b(?P<article>an?|the|two|three|some)\s+(?P<kept>(?:{_KEPT_ADJECTIVES}\s+){{0,2}})(?:{_ADJECTIVES},?\s+)+(?=(?P<next>\w))",
    re.IGNORECASE,
)
_STYLE_CLAUSE = re.compile(
    r"(?:(?:ultra|highly|very|extremely|hyper|best|high|soft|warm|cold|dramatic|natural|volumetric|moody|vivid|shallow|"
    r"film|cinematic|studio|rich|bright|dark|golden|vintage)[\s-]+){0,3}"
    r"(?:photo-?realistic|realistic|photo-?realism|cinematic|4k|8k|hdr?|uhd|1080p|masterpiece|quality|detail(?:ed|s)|"
    r"depth of field|bokeh|grain|(?:film|cinematic|vintage) look|tones|colou?rs|lighting|35mm(?: film)?|"
    r"(?:anime|cartoon|pixar)(?: style)?|(?:oil|watercolou?r) painting|watercolou?r|3d render|unreal engine|"
    r"black and white|resolution|atmosphere|mood|sharp focus|professional|award-winning)",
    re.IGNORECASE,
)
_SCENERY_CLAUSE = re.compile(
    rf"(?:(?:and|with|while|as|there\s+(?:is|are))\s+)?(?:{_DETERMINER}\s+)?{_ADJECTIVE}{{0,2}}?"
    r"(?:sun(?!\s+salutation)|sky|clouds?|trees|snow|snowflakes|rain|raindrops|leaves\s+(?:are|fall|drift|blow)|petals|"
    r"city\s+lights|neon\s+signs?|mountains?|palm\s+trees|buildings|backdrop|ocean\s+waves|"
    r"waves\s+(?:crash|roll|break)\w*|birds|wind(?!\s+up)|fog|mist|sunlight|moonlight|street\s+lamps?|fireworks)\b[^,;.]*",
    re.IGNORECASE,
)
_OPENING = re.compile(
    rf"^(?:{_DETERMINER}\s+)?{_ADJECTIVE}{{0,3}}?(?:video|film|clip|photo|photograph|picture|painting|footage|movie|"
    r"animation|render)\s+of\s+",
    re.IGNORECASE,
)
_TRAILING = re.compile(r"[\s,;]+(?:and|with|while|as|then)?$")
_CLAUSES = re.compile(r"(\s*[,;]\s*|\s*\.(?:\s+|$))")


def motion_part(text: str) -> str:
    """What of a text says how people move; all of it where nothing else was understood.

    Args:
        text: English, without words of the camera.

    Returns:
        The words that are left, in their order.
    """
    left = _OPENING.sub("", text)
    left = _without_clauses(left)
    for pattern in _REMOVED:
        left = pattern.sub(_kept, left)
    left = _DESCRIBED.sub(_undescribed, left)
    if left == text:
        return text
    left = re.sub(r"\s+([,.;])", r"\1", re.sub(r"\s+", " ", left))
    left = re.sub(r"([,;])(?:\s*[,;])+", r"\1", left)
    while found := _TRAILING.search(left, max(0, len(left) - 20)):
        left = left[: found.start()]
    return left.strip(" ,;") or text


def _without_clauses(text: str) -> str:
    """Without clauses that are about the scenery or the style alone."""
    parts = _CLAUSES.split(text)
    kept: list[str] = []
    for index in range(0, len(parts), 2):
        clause = parts[index]
        if clause.strip() and (
            _STYLE_CLAUSE.fullmatch(clause.strip()) or _SCENERY_CLAUSE.fullmatch(clause.strip())
        ):
            continue
        if kept:
            kept.append(parts[index - 1])
        kept.append(clause)
    return "".join(kept) if len(kept) < len(parts) else text


def _kept(found: re.Match[str]) -> str:
    """Nothing, or all of a phrase that the motion needs."""
    on = found.group().split()[0].lower() == "on"
    before = found.string[max(0, found.start() - 40) : found.start()]
    return found.group() if on and _NEEDED.search(before) else ""


def _undescribed(found: re.Match[str]) -> str:
    """Without adjectives, and with the article that the next word wants."""
    article, kept = found["article"], found["kept"]
    if article.lower() in ("a", "an"):
        vowel = (kept or found["next"])[0].lower() in "aeiou"
        article = article[0] + ("n" if vowel else "")
    return f"{article} {kept}"
