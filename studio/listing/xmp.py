"""The XMP packet that says a picture was made by a trained model, and its reading back.

IPTC Photo Metadata: `Iptc4xmpExt:DigitalSourceType` with a term of the IPTC NewsCodes vocabulary "digitalsourcetype";
`Iptc4xmpCore:AltTextAccessibility` carries the alternative text.
"""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from PIL import Image

TRAINED_ALGORITHMIC_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_CORE = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

_PACKET = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{_RDF}">
  <rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{_EXT}" xmlns:Iptc4xmpCore="{_CORE}">
   <Iptc4xmpExt:DigitalSourceType>{TRAINED_ALGORITHMIC_MEDIA}</Iptc4xmpExt:DigitalSourceType>
   <Iptc4xmpCore:AltTextAccessibility>
    <rdf:Alt><rdf:li xml:lang="x-default">%s</rdf:li></rdf:Alt>
   </Iptc4xmpCore:AltTextAccessibility>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""

_NOT_IN_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""Characters that XML 1.0 cannot carry at all."""


def packet(alt_text: str = "") -> bytes:
    """The XMP packet of a generated picture, UTF-8."""
    return (_PACKET % escape(_NOT_IN_XML.sub("", alt_text))).encode()


def digital_source_type(data: bytes) -> str:
    """The `DigitalSourceType` in an encoded JPEG or WebP; empty when it carries none."""
    with Image.open(io.BytesIO(data)) as image:
        raw = image.info.get("xmp", b"")
    if not raw or b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        return ""
    try:
        root = ElementTree.fromstring(raw.decode())
    except (ElementTree.ParseError, UnicodeDecodeError):
        return ""
    found = root.find(f".//{{{_EXT}}}DigitalSourceType")
    return (found.text or "").strip() if found is not None else ""
