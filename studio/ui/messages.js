// What services say, in the language of the page: `plain(text)` finds the template that a sentence was made from and
// fills in its Japanese. The templates stand in words/messages/; Python puts them into this script. No regular expression
// is made of them: their pieces are looked for from left to right, so no text, whatever it holds, takes long.
window.sasage.plain = (() => {
  const MOST = 4000, LONGEST_RUN = 4, KEPT = 500, DEEPEST = 6;
  const PLAIN_END = /^(?!.*[:;] )(?!.*\.$)/; // what one message fills in at its beginning or its end
  const exact = new Map(), templates = [], memory = new Map(), parts = new Map();
  let depth = 0;
  for (const [english, japanese] of __MESSAGES__) {
    const pieces = english.split(/\{(\w+!?)\}/); // text and names in turn
    if (pieces.length === 1) exact.set(english, japanese);
    else templates.push({ texts: pieces.filter((_, place) => place % 2 === 0), names: pieces.filter((_, place) => place % 2), japanese });
  }
  const weight = ({ texts }) => texts.join("").length;
  templates.sort((one, other) => weight(other) - weight(one)); // what says most of its own comes first

  /** What stands in the places of a template, or null where the text was not made from it. */
  function filled({ texts, names }, text) {
    const last = names.length, end = text.length - texts[last].length;
    if (!text.startsWith(texts[0]) || !text.endsWith(texts[last])) return null;
    const found = {};
    let at = texts[0].length;
    for (let place = 1; place <= last; place += 1) {
      const to = place === last ? end : text.indexOf(texts[place], at + 1);
      if (to <= at || to > end) return null;
      const name = names[place - 1], value = text.slice(at, to);
      const atAnEnd = (place === 1 && !texts[0]) || (place === last && !texts[last]);
      if (atAnEnd && !PLAIN_END.test(value) && !(name.endsWith("!") && one(value))) return null; // more than one message
      found[name] = value;
      at = to + texts[place].length;
    }
    return found;
  }

  function fromTemplate(text) {
    for (const template of templates) {
      const found = filled(template, text);
      if (!found) continue;
      const values = Object.fromEntries(Object.entries(found).map(([name, value]) => [name.replace("!", ""), name.endsWith("!") ? one(value) ?? value : value]));
      return template.japanese.replace(/\{(\w+)!?\}/g, (all, name) => values[name] ?? all);
    }
    return null;
  }

  /** "front.jpg: has no caption." A place may be named after others: "rights.csv: line 3: ...". */
  function behindPlace(text) {
    for (let at = text.indexOf(": "), tries = 0; at > 0 && tries < 4; at = text.indexOf(": ", at + 2), tries += 1) {
      const what = known(text.slice(at + 2));
      if (what) return `${one(text.slice(0, at)) ?? text.slice(0, at)}：${what}`;
    }
    return null;
  }

  function list(text, by) {
    const pieces = text.split(by);
    if (pieces.length < 2 || pieces.length > 40) return null;
    const said = pieces.map(known);
    return said.every(Boolean) ? said.join("、") : null;
  }

  const known = (text) => bare(text) ?? (text.endsWith(".") ? stopped(bare(text.slice(0, -1))) : null);
  const bare = (text) => exact.get(text) ?? fromTemplate(text);
  const stopped = (said) => said && `${said}。`;
  const understand = (text) => exact.get(text) ?? list(text, "; ") ?? known(text) ?? behindPlace(text) ?? list(text, ", ");
  /** One message, or null. Parts of parts are looked at once only, and not endlessly deep. */
  function one(text) {
    if (parts.has(text)) return parts.get(text);
    if (depth >= DEEPEST) return null;
    depth += 1;
    const said = understand(text);
    depth -= 1;
    parts.set(text, said);
    return said;
  }

  /** Sentence by sentence; what the catalogue holds as one entry may be several of them. */
  function line(text) {
    const whole = exact.get(text);
    if (whole) return whole;
    const sentences = text.split(/(?<=[.!?]) (?=\S)/);
    const said = [];
    let understood = true;
    for (let place = 0; place < sentences.length;) {
      let length = 1, found = null;
      for (; length <= LONGEST_RUN && place + length <= sentences.length; length += 1) {
        found = one(sentences.slice(place, place + length).join(" "));
        if (found) break;
      }
      if (!found) { understood = false; length = 1; }
      said.push(found ?? ` ${sentences[place]} `);
      place += length;
    }
    return understood ? said.join("") : one(text) ?? said.join("").trim();
  }

  return (text) => {
    if (window.sasage.language !== "ja" || typeof text !== "string" || text.length > MOST) return text ?? "";
    if (!memory.has(text)) {
      parts.clear();
      if (memory.size >= KEPT) memory.clear();
      memory.set(text, text.split("\n").map((row) => row.match(/^\s*/)[0] + line(row.trim())).join("\n"));
    }
    return memory.get(text);
  };
})();
