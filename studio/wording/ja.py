"""The caption grammar in Japanese."""

from __future__ import annotations

from studio.wording.grammar import Forms, Pick, Said, Templates, joined

TEMPLATES = Templates(
    usual=(
        "{subject}{、features}{、outfit}{、action}{、view}{、background}",
        "{outfit}{を着たsubject}{、features}{、view}{、action}{、background}",
        "{view}{、background}{、subject}{、action}{、outfit}{、features}",
        "{features}{、subject}{、outfit}{、background}{、view}{、action}",
        "{background}{、action}{、subject}{、features}{、view}{、outfit}",
        "{subject}{、action}{、background}{、outfit}{、view}{、features}",
    ),
    held_out=(
        "{action}{、view}{、outfit}{を着たsubject}{、background}{、features}",
        "{background}{、features}{、subject}{、view}{、outfit}{、action}",
    ),
)

PERSON: Forms = {"woman": ("女性", "女性モデル"), "man": ("男性", "男性モデル"), "": ("人物", "モデル")}
AGE: Forms = {
    "20s": ("20代", "二十代"),
    "30s": ("30代", "三十代"),
    "40s": ("40代", "四十代"),
    "50s": ("50代", "五十代"),
    "60s": ("60代以上", "六十代以上", "60代"),
}
BODY: Forms = {
    "slim": ("細身の", "スリムな"),
    "average": ("標準体型の", "普通体型の"),
    "full": ("ふくよかな", "大きめ体型の"),
}
SKIN: Forms = {
    "fair": ("色白の肌", "明るい肌"),
    "tan": ("小麦色の肌", "日焼けした肌"),
    "brown": ("褐色の肌", "茶色い肌"),
    "dark": ("濃い色の肌", "黒い肌"),
}
HAIR: Forms = {"short": ("短い", "ショートの"), "long": ("長い", "ロングの")}
HAIR_COLOUR: Forms = {
    "black": ("黒い", "黒色の"),
    "brown": ("茶色い", "栗色の"),
    "blonde": ("金色の", "ブロンドの"),
    "grey": ("グレーの", "灰色の"),
    "red": ("赤い", "赤毛の"),
}
HAIR_NOUN = ("髪", "ヘア")
DRESS = ("ワンピース", "ドレス")
TOP = ("トップス", "シャツ")
OUTFIT = ("服", "衣装")
SLEEVE: Forms = {
    "sleeveless": ("ノースリーブ", "袖なし"),
    "short": ("半袖",),
    "elbow": ("五分袖", "肘丈袖"),
    "long": ("長袖",),
}
NECKLINE: Forms = {"crew": ("丸首", "クルーネック"), "v-neck": ("Vネック",), "high": ("ハイネック", "タートルネック")}
HEM: Forms = {
    "mini": ("ミニ丈", "太もも丈"),
    "knee": ("膝丈", "ひざ丈"),
    "midi": ("ミディ丈", "ふくらはぎ丈"),
    "ankle": ("ロング丈", "くるぶし丈", "マキシ丈"),
}
TROUSERS: Forms = {
    "mini": ("ショートパンツ", "短パン"),
    "knee": ("ハーフパンツ", "膝丈パンツ"),
    "midi": ("クロップドパンツ", "七分丈パンツ"),
    "ankle": ("フルレングスパンツ", "長ズボン"),
    "": ("パンツ", "ズボン"),
}
FABRIC: Forms = {
    "plain": ("無地", "柄なし"),
    "stripe": ("ストライプ", "縞模様"),
    "check": ("チェック", "格子柄"),
    "dots": ("水玉", "ドット柄"),
    "knit": ("ニット", "編み地"),
    "denim": ("デニム",),
    "floral": ("花柄",),
    "jacquard": ("ジャカード", "織り柄"),
}
COLOUR: Forms = {
    "white": ("白", "ホワイト"),
    "black": ("黒", "ブラック"),
    "grey": ("グレー", "灰色"),
    "red": ("赤", "レッド"),
    "orange": ("オレンジ",),
    "yellow": ("黄色", "イエロー"),
    "green": ("緑", "グリーン"),
    "teal": ("青緑", "ティール"),
    "blue": ("青", "ブルー"),
    "navy": ("紺", "ネイビー"),
    "purple": ("紫", "パープル"),
    "pink": ("ピンク",),
    "beige": ("ベージュ",),
    "brown": ("茶色", "ブラウン"),
}
VIEW: Forms = {
    "front": ("正面", "正面から"),
    "three-quarter": ("斜め前", "斜め前から"),
    "side": ("横向き", "真横から"),
    "back": ("後ろ姿", "後ろから"),
}
ACTION: Forms = {
    "standing": ("立っている", "立ち姿"),
    "walking": ("歩いている", "歩く姿"),
    "hand-on-hip": ("腰に手を当てている", "腰に手"),
    "arms-crossed": ("腕を組んでいる", "腕組み"),
    "sitting": ("座っている", "座った姿"),
}
BACKGROUND: Forms = {
    "white": ("白い背景", "白背景"),
    "grey": ("グレーの背景", "灰色の背景"),
    "beige": ("ベージュの背景", "ベージュ背景"),
    "blue": ("青い背景", "青背景"),
    "street": ("街の背景", "街角"),
    "park": ("公園の背景", "公園"),
    "room": ("部屋の背景", "室内"),
}
FORMS = (
    PERSON, AGE, BODY, SKIN, HAIR, HAIR_COLOUR, SLEEVE, NECKLINE, HEM, TROUSERS, FABRIC, COLOUR, VIEW, ACTION,
    BACKGROUND,
)  # fmt: skip
SINGLE_WORDS = (*HAIR_NOUN, *DRESS, *TOP, *OUTFIT, "スカート", "肌", "背景", "の", "と")


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


def _say(forms: Forms, said: Said, name: str, pick: Pick, ending: str = "") -> str:
    return pick(forms[said[name]]) + ending if name in said else ""


def _subject(said: Said, pick: Pick) -> str:
    words = [_say(AGE, said, "age_group", pick, "の"), _say(BODY, said, "body", pick)]
    order = pick(("age first", "body first"))
    return joined(*(words if order == "age first" else reversed(words)), pick(PERSON[said.get("gender", "")]), by="")


def _features(said: Said, pick: Pick) -> str:
    hair = _say(HAIR, said, "hair", pick) + _say(HAIR_COLOUR, said, "hair_colour", pick)
    return joined(hair and hair + pick(HAIR_NOUN), _say(SKIN, said, "skin", pick), by="、")


def _outfit(said: Said, pick: Pick) -> str:
    garment = said.get("garment")
    if garment is None and not {"sleeve", "neckline", "hem", "fabric", "colour"} & said.keys():
        return ""
    look = _say(COLOUR, said, "colour", pick, "の") + _say(FABRIC, said, "fabric", pick, "の")
    cut = _say(SLEEVE, said, "sleeve", pick) + _say(NECKLINE, said, "neckline", pick)
    if garment not in ("trousers", "skirt"):
        return _say(HEM, said, "hem", pick, "の") + look + cut + pick(DRESS if garment else OUTFIT)
    colour = _say(COLOUR, said, "lower_colour", pick, "の")
    trousers, skirt = pick(TROUSERS[said.get("hem", "")]), _say(HEM, said, "hem", pick) + "スカート"
    return f"{look}{cut}{pick(TOP)}と{colour}{trousers if garment == 'trousers' else skirt}"
