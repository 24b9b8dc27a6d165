// The listing tab: what is chosen, what stands in the slots, saving, undo and keys. What is drawn stands in the parts
// listing_desk_pictures.js, _slots.js, _shop.js, _product.js and _bar.js, dragging in _drag.js.
const { store, keys, on, poll, language, brand } = window.sasage;

const pictureTools = window.sasage.pictureTools(element, ask);
let products = [], channels = [], person = "";
let view = null; // the listing as Python last said it
let slots = []; // the slots as the person last left them; ahead of `view` until saved
let chosen = null; // {kind: "picture" | "slot", id}
let weights = new Map(); // slot -> {file, bytes} or {fault, fix}
let shownSlot = ""; // the slot that the shop shows large
let before = [], after = []; // undo and redo
let saves = Promise.resolve(), unsaved = 0, timer = null, packing = false;
let weighing = 0, weighed = false, weighedFrom = 0, opening = 0;

const channel = () => channels.find((entry) => entry.name === store.get("listing.channel")) || channels[0];
const product = () => products.find((entry) => entry.sku === store.get("listing.sku")) || products[0];
const inSlot = (name) => slots.find((slot) => slot.slot === name);
const slotOf = (variant) => slots.find((slot) => slot.variant_id === variant);
const pictureOf = (variant) => view.pictures.find((picture) => picture.variant_id === variant);
const ratio = () => channel().aspect || 0.75;

const parts = { bar: make("div", { class: "bar" }), pictures: make("section", { class: "panel pictures", "aria-label": t("listing.pictures") }),
  slots: make("section", { class: "panel slots", "aria-label": t("listing.slots") }),
  shop: make("section", { class: "panel right shop", "aria-label": t("listing.shop") }),
  foot: make("div", { class: "bar foot" }), saved: make("span", { class: "hint", role: "status", "data-testid": "listing-saved" }) };

async function start(sku) {
  const found = await ask("start", { brand: brand() });
  if (!found) return;
  ({ products, channels, person } = found);
  if (sku && products.some((entry) => entry.sku === sku)) store.set("listing.sku", sku);
  if (products.length) await openListing(); else { view = null; draw(); }
  if (sku && !products.some((entry) => entry.sku === sku)) { window.sasage.toast(t("listing.unknown_sku", { sku })); productDialog(sku); }
}
const asked = () => ({ sku: product().sku, channel: channel().name });

/** Reads the listing that is chosen. Until it is there the one before is shown, and nothing in it can be touched. */
async function openListing() {
  const turn = (opening += 1), body = [parts.pictures, parts.slots, parts.shop, parts.foot];
  for (const part of body) part.inert = true;
  let found;
  try {
    await flush();
    found = await ask("open", asked());
  } finally {
    if (turn === opening) for (const part of body) part.inert = false;
  }
  if (!found || found.sku !== product().sku || found.channel !== channel().name) return;
  before = []; after = []; chosen = null; shownSlot = ""; weights = new Map(); lastWords = "";
  parts.saved.textContent = "";
  take(found);
}

/** Shows what Python says, unless the person has gone on since. */
function take(found) {
  view = found;
  if (!unsaved) { slots = found.slots; weigh(); }
  draw();
}

function change(next, { delay = 0, remember = true } = {}) {
  if (remember) { before.push(slots); after = []; if (before.length > 100) before.shift(); }
  slots = next;
  unsaved += 1;
  parts.saved.textContent = t("listing.saving");
  clearTimeout(timer);
  timer = setTimeout(flush, delay);
}

/** Saves what is unsaved, one after the other; resolves when the last one is through. */
function flush() {
  clearTimeout(timer);
  saves = saves.then(async () => {
    if (!unsaved) return;
    const count = unsaved, { sku, channel: name } = view;
    const found = await ask("save", { sku, channel: name, slots: slots.map(({ slot, variant_id, alt_text, padded }) => ({ slot, variant_id, alt_text, padded })) });
    if (!found) { parts.saved.textContent = t("listing.not_saved"); return; }
    unsaved -= count;
    if (!unsaved) parts.saved.textContent = t("page.saved");
    take(found);
  }).catch(() => {
    parts.saved.textContent = t("listing.not_saved");
    timer = setTimeout(flush, 4000); // the connection is lost: it is tried until it is back
  });
  return saves;
}

function step(from, to) {
  if (!from.length) return;
  to.push(slots);
  change(from.pop(), { remember: false });
  draw();
}
const undo = () => step(before, after);

/** Puts a picture into a slot; where it stood before, what the slot held takes its place. */
function put(variant, name) {
  const held = inSlot(name), old = slotOf(variant);
  if (old?.slot === name) return;
  const picture = pictureOf(variant);
  const moved = old || { variant_id: variant, sha256: picture.sha256, alt_text: picture.alt_text, padded: false };
  const next = slots.filter((slot) => slot !== held && slot !== old);
  next.push({ ...moved, slot: name });
  if (held && old) next.push({ ...held, slot: old.slot });
  change(inOrder(next));
  chosen = { kind: "slot", id: name };
  shownSlot = name;
  draw();
}
const inOrder = (list) => channel().slots.map((name) => list.find((slot) => slot.slot === name)).filter(Boolean);

function takeOut(name) {
  change(slots.filter((slot) => slot.slot !== name));
  chosen = null;
  draw();
}

/** Changes a field of what stands in a slot. */
function edit(name, fields, options) {
  change(slots.map((slot) => (slot.slot === name ? { ...slot, ...fields } : slot)), options);
}

async function fillByRating() {
  const found = await ask("best_rated", asked());
  if (!found) return;
  change(found.map((slot) => ({ ...slot, sha256: pictureOf(slot.variant_id)?.sha256 })));
  draw();
  window.sasage.toast(t("listing.filled", { n: found.length }), { action: { text: t("page.undo"), run: undo } });
}

/** Asks what each picture will weigh, one after the other; a newer question ends an older one. */
async function weigh() {
  const turn = (weighing += 1), id = view.id, found = new Map();
  weighed = false;
  weighedFrom = performance.now();
  for (const slot of slots) {
    const weight = await ask("deliver", { id, slot: slot.slot });
    if (turn !== weighing) return;
    if (weight) found.set(slot.slot, weight);
    if (performance.now() - weighedFrom > 800) { weights = found; drawFoot(); }
  }
  weights = found;
  weighed = true;
  if (!dragging()) { drawSlots(); drawFoot(); }
}

/** Draws everything; what had the focus has it afterwards. */
function draw() {
  if (dragging()) return;
  drawTop();
  element.classList.toggle("without-product", !view);
  if (!view) {
    // Drawn once: a dialog that somebody is filling in stands beside it.
    if (!element.querySelector(".empty")) element.replaceChildren(parts.bar, emptyDesk());
    return;
  }
  if (!parts.slots.isConnected) element.replaceChildren(parts.bar, parts.pictures, parts.slots, parts.shop, parts.foot);
  drawPictures(); drawSlots(); drawShop(); drawFoot();
}

/** Runs what draws a part; under a pressed pointer it waits, or the click would fall between the old and the new. */
function keepingFocus(run) {
  if (pressed) { postponed = true; return; }
  const active = element.contains(document.activeElement) ? document.activeElement : null;
  const key = active?.dataset.focus, range = active?.matches("textarea") ? [active.selectionStart, active.selectionEnd] : null;
  run();
  if (!key || active.isConnected) return;
  const again = [...element.querySelectorAll("[data-focus]")].find((one) => one.dataset.focus === key);
  again?.focus({ preventScroll: true });
  if (range) again?.setSelectionRange(...range);
}

let pressed = false, postponed = false;
const release = () => setTimeout(() => {
  pressed = false;
  if (postponed) { postponed = false; draw(); }
}, 0);
element.addEventListener("pointerdown", () => { pressed = true; });
for (const name of ["pointerup", "pointercancel", "pointerleave"]) element.addEventListener(name, release);

function choose(kind, id) {
  chosen = chosen && chosen.kind === kind && chosen.id === id ? null : { kind, id };
  if (kind === "slot" && inSlot(id)) shownSlot = id;
  draw();
}
const isChosen = (kind, id) => Boolean(chosen) && chosen.kind === kind && chosen.id === id;
const chosenVariant = () => (!chosen ? null : chosen.kind === "picture" ? chosen.id : inSlot(chosen.id)?.variant_id);
const atWork = () => Boolean(chosenVariant()) && !element.querySelector("dialog[open]");
/** Whether the keys mean what is chosen: the focus is on it, or on nothing. */
const onCard = () => atWork() && (document.activeElement === document.body || document.activeElement.dataset.focus === `${chosen.kind}-${chosen.id}`);

function move(by) {
  const names = channel().slots;
  if (chosen.kind === "slot") {
    const to = names[names.indexOf(chosen.id) + by];
    if (to) { put(chosenVariant(), to); focusOn(`slot-${to}`); }
    return;
  }
  const list = view.pictures.map((picture) => picture.variant_id);
  const next = list[list.indexOf(chosen.id) + by];
  if (next) { chosen = { kind: "picture", id: next }; draw(); focusOn(`picture-${next}`); }
}
const focusOn = (key) => element.querySelector(`[data-focus="${CSS.escape(key)}"]`)?.focus();
const putInto = (event) => {
  const name = channel().slots[(Number(event.key) + 9) % 10];
  if (name) { put(chosenVariant(), name); focusOn(`slot-${name}`); }
};
const free = () => channel().slots.find((name) => !inSlot(name));

keys(element, t("page.listing"), [
  { key: ["1", "9"], words: t("listing.key_slot"), run: putInto, when: atWork },
  { key: ["2", "3", "4", "5", "6", "7", "8", "0"], run: putInto, when: atWork },
  { key: "Enter", words: t("listing.key_free"), run: () => put(chosen.id, free()), when: () => onCard() && chosen.kind === "picture" && Boolean(free()) },
  { key: ["ArrowUp", "ArrowDown"], words: t("listing.key_move"), run: (event) => move(event.key === "ArrowUp" ? -1 : 1), when: onCard },
  { key: ["ArrowLeft", "ArrowRight"], run: (event) => move(event.key === "ArrowLeft" ? -1 : 1), when: onCard },
  { key: ["Delete", "Backspace"], words: t("listing.take_out"), run: () => takeOut(slotOf(chosenVariant()).slot), when: () => onCard() && Boolean(slotOf(chosenVariant())) },
  { key: "Ctrl+z", words: t("page.undo"), run: undo, when: () => before.length > 0 },
  { key: "Ctrl+y", words: t("page.redo"), run: () => step(after, before), when: () => after.length > 0 },
]);
on("list-sku", ({ sku }) => start(sku));
on("pictures-changed", watchListing);
on("brand-changed", () => { if (element.isConnected) flush().then(() => start()); });

/** Looks whether somebody else changed something: another person here, or a decision in review. */
async function watchListing() {
  if (!view) { if (!products.length) await start(); return; }
  if (unsaved || packing || dragging() || element.querySelector("dialog[open]")) return;
  const old = view, found = await ask("open", { sku: old.sku, channel: old.channel });
  if (!found || unsaved || view !== old) return;
  // A listing that is not stored yet has another id at every look.
  const same = (one) => JSON.stringify({ ...one, id: one.slots.length ? one.id : "" });
  if (same(found) !== same(old)) take(found);
}
poll(element, 5000, watchListing);
start();
