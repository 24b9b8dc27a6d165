// The middle panel: the channel's slots in their order, each with its alternative text and what the channel would say.
const EYE = ["look", "look_text", "fill_unknown"]; // findings that only a person can answer, by looking
const LARGER = ["too_small", "small", "not_white", "fills_little"]; // findings that another picture would mend

function drawSlots() {
  const typed = document.activeElement?.matches("textarea") ? document.activeElement.closest(".slots .slot") : null;
  if (typed && inSlot(typed.dataset.slot) && element.contains(typed)) { drawFindings(); return; }
  keepingFocus(() => {
    const top = parts.slots.scrollTop;
    parts.slots.replaceChildren(...licenceRows(), ...channel().slots.map(slotRow));
    parts.slots.scrollTop = top;
  });
}

/** While somebody types, only what is said below the field changes: a new field would break an unfinished word. */
function drawFindings() {
  keepingFocus(drawWordsBelow);
}

function drawWordsBelow() {
  for (const name of channel().slots) {
    const held = inSlot(name), words = parts.slots.querySelector(`[data-slot="${CSS.escape(name)}"] .slot-words`);
    const field = words?.querySelector("label");
    if (held && field) { while (field.nextSibling) field.nextSibling.remove(); words.append(...findingRows(name, held), fileLine(name)); }
  }
}

function slotRow(name, index) {
  const held = inSlot(name);
  const label = index < 10 ? `${(index + 1) % 10}` : "";
  const row = make("article", { class: `slot${held ? "" : " vacant"}${isChosen("slot", name) ? " chosen" : ""}`, "data-slot": name, "data-testid": `slot-${name}` },
    make("div", { class: "slot-head" }, make("kbd", { text: label }), make("strong", { text: name }), slotPicture(name, held)));
  const rest = make("div", { class: "slot-words" });
  if (held) rest.append(altField(name, held), ...findingRows(name, held), fileLine(name));
  else rest.append(make("p", { class: "hint", text: index === 0 && slots.length ? t("listing.main_missing") : t("listing.drop_here") }));
  row.append(rest);
  return row;
}

function slotPicture(name, held) {
  const chosenHere = String(isChosen("slot", name));
  const box = make("button", { class: `frame${held?.padded ? " padded" : ""}`, style: { aspectRatio: String(ratio()) }, "aria-pressed": chosenHere, "data-focus": `slot-${name}`,
    "aria-label": held ? t("listing.slot_held", { slot: name, alt: held.alt_text }) : t("listing.slot_free", { slot: name }),
    onclick: () => { if (!held && chosenVariant()) put(chosenVariant(), name); else if (held) choose("slot", name); } },
  held && make("img", { src: window.sasage.thumbnail(held.sha256), alt: "", draggable: "false" }));
  return held ? draggable(box, held.variant_id, held.sha256) : box;
}

function altField(name, held) {
  const count = make("span", { class: "count", text: `${held.alt_text.length}` });
  let remembered = false;
  const field = make("textarea", { rows: 2, "data-focus": `alt-${name}`, "data-testid": `alt-${name}`, value: held.alt_text, oninput: () => {
    count.textContent = `${field.value.length}`;
    edit(name, { alt_text: field.value }, { delay: 700, remember: !remembered });
    remembered = true;
  }, onblur: flush });
  return make("label", {}, make("span", { class: "label-line" }, make("span", { text: t("listing.alt_text") }), count), field);
}

function findingRows(name, held) {
  const found = view.findings.filter((finding) => finding.slot === name);
  const weight = weights.get(name);
  const eye = found.filter((finding) => EYE.includes(finding.code));
  const rows = ["refused", "warning", "ok"].flatMap((level) => found.filter((finding) => finding.level === level && !EYE.includes(finding.code)))
    .map((finding) => findingRow(finding, held));
  if (weight?.fault) rows.unshift(saying("refused", plain(weight.fault), plain(weight.fix)));
  if (held.padded) rows.push(make("p", { class: "finding ok" }, make("i", { "aria-hidden": "true", text: "✓" }), make("span", { text: t("listing.padded") }),
    make("button", { text: t("listing.take_white_off"), "data-focus": `pad-${name}`, onclick: () => { edit(name, { padded: false }); draw(); } })));
  if (eye.length) rows.push(make("details", {}, make("summary", { text: t("listing.look_yourself", { n: eye.length }) }),
    ...eye.map((finding) => findingRow(finding, held))));
  return rows;
}

/** The sign, the words and the fix; the fix is a button where the studio can do it. */
function findingRow(finding, held) {
  const values = plainly(finding.values);
  const words = finding.code ? t(`listing.finding_${finding.code}`, values) : plain(finding.message);
  const row = saying(finding.level, words, finding.fix && finding.code ? t(`listing.fix_${finding.code}`, values) : plain(finding.fix));
  const button = (key, run) => make("button", { text: t(`listing.${key}`, finding.values), "data-testid": `fix-${finding.slot}`, "data-focus": `fix-${finding.slot}-${finding.code}`, onclick: run });
  if (finding.code === "shape" && !held.padded) row.append(button("pad", () => { edit(finding.slot, { padded: true }); draw(); }));
  else if (["repeated", "too_many", "unapproved"].includes(finding.code)) row.append(button("take_out", () => takeOut(finding.slot)));
  else if (LARGER.includes(finding.code)) row.append(button("make_another", () => toCanvas(held.variant_id)));
  const tool = (key, run) => row.append(make("button", { text: t(`tools.${key}_dots`), "data-testid": `${key}-${finding.slot}`, "data-focus": `${key}-${finding.slot}-${finding.code}`, onclick: run }));
  const picture = { id: held.variant_id, sha256: held.sha256 };
  if (["too_small", "small"].includes(finding.code)) tool("upscale", () => pictureTools.upscale(picture, Math.min(8, Number(values.factor) || 2)));
  if (finding.code === "not_white") tool("cut_out", () => pictureTools.cutOut(picture, "white"));
  return row;
}

/** What fills in the words of a finding: sizes and rules of a channel are words themselves. */
function plainly(values) {
  return Object.fromEntries(Object.entries(values || {}).map(([name, value]) => [name, plain(value)]));
}

function saying(level, words, fix) {
  const sign = { refused: "✕", warning: "!", ok: "✓" }[level];
  return make("p", { class: `finding ${level}`, "data-level": level }, make("i", { role: "img", "aria-label": t(`listing.level_${level}`), text: sign }),
    make("span", { text: words }, fix && make("small", { text: fix })));
}

function fileLine(name) {
  const weight = weights.get(name);
  const text = weight?.file ? `${weight.file}   ${weight.width} x ${weight.height} px   ${size(weight.bytes)}` : "";
  return make("small", { class: "file", "data-testid": `file-${name}`, text });
}

async function toCanvas(variant) {
  const request = await ask("settings", { variant_id: variant });
  if (!request) return;
  window.sasage.open("canvas");
  window.sasage.emit("use-settings", { request });
}

/** Licences that block the export, each with a button for the person who answers for it. */
function licenceRows() {
  return view.licences.map((licence) => make("article", { class: "licence", "data-testid": "licence" },
    make("p", { class: "finding refused" }, make("i", { role: "img", "aria-label": t("listing.level_refused"), text: "✕" }),
      make("span", { text: t(licence.forbidden ? "listing.finding_licence_forbids" : "listing.finding_licence_unknown", plainly(licence)) })),
    make("button", { text: t("listing.answer_for"), "data-testid": "override", onclick: () => overrideDialog(licence) })));
}

function overrideDialog(licence) {
  const author = make("input", { value: person, disabled: Boolean(person), required: true, maxlength: 80, "data-testid": "override-author" });
  const reason = make("textarea", { rows: 3, required: true, maxlength: 500, "data-testid": "override-reason" });
  openDialog(t("listing.answer_title"), [
    make("p", { text: t(licence.forbidden ? "listing.finding_licence_forbids" : "listing.finding_licence_unknown", plainly(licence)) }),
    make("label", {}, make("span", { text: t("listing.your_name") }), author),
    make("label", {}, make("span", { text: t("listing.reason") }), reason),
    make("p", { class: "hint", text: t("listing.answer_help") })], t("listing.answer"), async () => {
    await flush();
    const found = await ask("override", { id: view.id, subject: licence.subject, author: author.value, reason: reason.value });
    if (found) take(found);
    return Boolean(found);
  });
}
