"""The caption grammar in English."""

from __future__ import annotations

from studio.wording.grammar import Forms, Pick, Said, Templates, joined

TEMPLATES = Templates(
    usual=(
        "{subject}{ with features}{, wearing outfit}{, action}{, view}{, background}",
        "{view}{, subject}{ with features}{, dressed in outfit}{, action}{, background}",
        "{a photo of subject}{, action}{, wearing outfit}{, with features}{, view}{, background}",
        "{outfit}{ on subject}{ with features}{, action}{, background}{, view}",
        "{background}{, view}{, subject}{, action}{, in outfit}{, features}",
        "{subject}{, action}{, view}{, background}{, features}{, wearing outfit}",
        "{fashion photo, view}{, background}{, subject}{ wearing outfit}{, features}{, action}",
        "{action}{, subject}{ in outfit}{, with features}{, background}{, view}",
        "{features}{, subject}{, view}{, dressed in outfit}{, background}{, action}",
        "{background}{, subject}{ with features}{, action}{, view}{, dressed in outfit}",
    ),
    held_out=(
        "{view}{, action}{, background}{, subject}{ dressed in outfit}{, with features}",
        "{subject}{ in outfit}{, view}{, with features}{, background}{, action}",
        "{a photo of outfit}{ on subject}{, view}{, action}{, features}{, background}",
    ),
)

PERSON: Forms = {
    "woman": ("woman", "lady", "female model"),
    "man": ("man", "gentleman", "male model"),
    "": ("person", "adult", "model"),
}
PRONOUN = {"woman": "her", "man": "his", "": "their"}
AGE: Forms = {
    "20s": ("in {} 20s", "in {} twenties", "aged 20 to 29"),
    "30s": ("in {} 30s", "in {} thirties", "aged 30 to 39"),
    "40s": ("in {} 40s", "in {} forties", "aged 40 to 49"),
    "50s": ("in {} 50s", "in {} fifties", "aged 50 to 59"),
    "60s": ("in {} 60s", "in {} sixties or older", "aged 60 or over"),
}
BODY: Forms = {
    "slim": ("slim", "slender", "thin"),
    "average": ("average-build", "medium-build", "average"),
    "full": ("full-figured", "plus-size", "curvy"),
}
SKIN: Forms = {"fair": ("fair", "light"), "tan": ("tan", "tanned"), "brown": ("brown",), "dark": ("dark", "deep")}
SKIN_NOUN = ("skin", "skin", "complexion")
HAIR: Forms = {"short": ("short", "short-cut"), "long": ("long", "flowing")}
HAIR_COLOUR: Forms = {
    "black": ("black", "jet-black"),
    "brown": ("brown", "brunette"),
    "blonde": ("blonde", "blond", "golden"),
    "grey": ("grey", "gray", "silver"),
    "red": ("red", "ginger"),
}
DRESS = ("dress", "dress", "one-piece")
TOP = ("top", "shirt", "top")
OUTFIT = ("outfit", "garment", "look")
SLEEVE_ADJECTIVE: Forms = {
    "sleeveless": ("sleeveless",),
    "short": ("short-sleeved", "short-sleeve"),
    "elbow": ("elbow-sleeved", "half-sleeved"),
    "long": ("long-sleeved", "long-sleeve"),
}
SLEEVE_NOUN: Forms = {
    "sleeveless": ("no sleeves",),
    "short": ("short sleeves",),
    "elbow": ("elbow-length sleeves", "half sleeves"),
    "long": ("long sleeves",),
}
NECKLINE_ADJECTIVE: Forms = {
    "crew": ("crew-neck", "round-neck"),
    "v-neck": ("v-neck",),
    "high": ("high-neck", "turtleneck"),
}
NECKLINE_NOUN: Forms = {
    "crew": ("a crew neck", "a round neck"),
    "v-neck": ("a v-neck", "a v neckline"),
    "high": ("a high neck", "a turtleneck"),
}
HEM: Forms = {
    "mini": ("mini", "thigh-length"),
    "knee": ("knee-length", "knee-skimming"),
    "midi": ("midi", "calf-length", "mid-calf"),
    "ankle": ("ankle-length", "full-length", "maxi"),
}
TROUSERS: Forms = {
    "mini": ("shorts", "mini shorts", "short pants"),
    "knee": ("knee-length shorts", "bermuda shorts", "knee-length pants"),
    "midi": ("cropped trousers", "calf-length trousers", "cropped pants"),
    "ankle": ("full-length trousers", "ankle-length trousers", "long pants"),
    "": ("trousers", "pants", "slacks"),
}
FABRIC: Forms = {
    "plain": ("plain", "solid", "unpatterned"),
    "stripe": ("striped", "stripe", "stripy"),
    "check": ("checked", "check", "plaid"),
    "dots": ("polka-dot", "dotted", "dots"),
    "knit": ("knit", "knitted", "woollen"),
    "denim": ("denim", "jean"),
    "floral": ("floral", "flower-print", "flowered"),
    "jacquard": ("jacquard", "brocade"),
}
COLOUR: Forms = {
    "white": ("white",),
    "black": ("black",),
    "grey": ("grey", "gray"),
    "red": ("red", "scarlet"),
    "orange": ("orange",),
    "yellow": ("yellow",),
    "green": ("green",),
    "teal": ("teal", "blue-green"),
    "blue": ("blue",),
    "navy": ("navy", "navy-blue", "dark-blue"),
    "purple": ("purple", "violet"),
    "pink": ("pink",),
    "beige": ("beige", "sand"),
    "brown": ("brown", "chocolate"),
}
VIEW: Forms = {
    "front": ("front view", "from the front", "facing the camera"),
    "three-quarter": ("three-quarter view", "3/4 view", "in three-quarter view"),
    "side": ("side view", "from the side", "in profile"),
    "back": ("back view", "from behind", "rear view"),
}
ACTION: Forms = {
    "standing": ("standing", "standing upright", "standing still"),
    "walking": ("walking", "mid-stride", "taking a step"),
    "hand-on-hip": ("hand on hip", "with a hand on the hip", "one hand on the hip"),
    "arms-crossed": ("arms crossed", "with folded arms", "arms folded"),
    "sitting": ("sitting", "seated", "sitting down"),
}
BACKGROUND: Forms = {
    **{
        colour: (f"plain {colour} background", f"{colour} studio backdrop", f"against a plain {colour} wall")
        for colour in ("white", "grey", "beige", "blue")
    },
    "street": ("on a street", "street background", "in a city street"),
    "park": ("in a park", "park background", "outdoors in a park"),
    "room": ("in a room", "room background", "indoors in a room"),
}
FORMS = (
    PERSON, AGE, BODY, SKIN, HAIR, HAIR_COLOUR, SLEEVE_ADJECTIVE, SLEEVE_NOUN, NECKLINE_ADJECTIVE, NECKLINE_NOUN, HEM,
    TROUSERS, FABRIC, COLOUR, VIEW, ACTION, BACKGROUND,
)  # fmt: skip
SINGLE_WORDS = (
    *SKIN_NOUN, *DRESS, *TOP, *OUTFIT, *PRONOUN.values(), "skirt", "hair", "of", "build", "worn", "paired", "and",
    "with", "a", "an", "the",
)  # fmt: skip


def slots(said: Said, pick: Pick) -> dict[str, str]:
    """The clauses that a template joins; a clause of which nothing is stated is empty."""
    return {
        "subject": _subject(said, pick),
        "features": _features(said, pick),
        "outfit": _outfit(said, pick),
        "action": _say(ACTION, said, "action", pick),
        "view": _say(VIEW, said, "view", pick),
        "background": _say(BACKGROUND, said, "background", pick),
    }


def _say(forms: Forms, said: Said, name: str, pick: Pick) -> str:
    return pick(forms[said[name]]) if name in said else ""


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeio' else 'a'} {words}"


def _subject(said: Said, pick: Pick) -> str:
    gender = said.get("gender", "")
    person = pick(PERSON[gender])
    age = _say(AGE, said, "age_group", pick).format(PRONOUN[gender])
    return _with_article(joined(_say(BODY, said, "body", pick), person, age))


def _features(said: Said, pick: Pick) -> str:
    words = [_say(HAIR, said, "hair", pick), _say(HAIR_COLOUR, said, "hair_colour", pick)]
    order = pick(("length first", "length first", "colour first"))
    hair = joined(*(words if order == "length first" else reversed(words)))
    skin = joined(_say(SKIN, said, "skin", pick), pick(SKIN_NOUN)) if "skin" in said else ""
    return joined(f"{hair} hair" if hair else "", skin, by=pick((" and ", ", ")))


def _outfit(said: Said, pick: Pick) -> str:
    garment = said.get("garment")
    if garment is None and not {"sleeve", "neckline", "hem", "fabric", "colour"} & said.keys():
        return ""
    if garment not in ("trousers", "skirt"):
        return _upper(said, pick(DRESS if garment else OUTFIT), _say(HEM, said, "hem", pick), pick)
    link = pick((" and ", " worn with ", ", paired with "))
    return _upper(said, pick(TOP), "", pick) + link + _lower(said, pick)


def _upper(said: Said, noun: str, hem: str, pick: Pick) -> str:
    """Top, dress or outfit: sleeve and neckline stand before the noun or behind it."""
    look = [_say(COLOUR, said, "colour", pick), _say(FABRIC, said, "fabric", pick)]
    order = pick(("colour first", "fabric first"))
    before = [hem, *(look if order == "colour first" else reversed(look))]
    behind = []
    for name, adjectives, nouns in (
        ("sleeve", SLEEVE_ADJECTIVE, SLEEVE_NOUN),
        ("neckline", NECKLINE_ADJECTIVE, NECKLINE_NOUN),
    ):
        if pick(("behind", "before")) == "before":
            before.append(_say(adjectives, said, name, pick))
        else:
            behind.append(_say(nouns, said, name, pick))
    details = joined(*behind, by=" and ")
    return _with_article(joined(*before, noun)) + (f" with {details}" if details else "")


def _lower(said: Said, pick: Pick) -> str:
    colour = _say(COLOUR, said, "lower_colour", pick)
    if said["garment"] == "trousers":
        return joined(colour, pick(TROUSERS[said.get("hem", "")]))
    words = [_say(HEM, said, "hem", pick), colour]
    order = pick(("length first", "colour first"))
    return _with_article(joined(*(words if order == "length first" else reversed(words)), "skirt"))
