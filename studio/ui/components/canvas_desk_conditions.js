// The guides: what a picture follows beside its words. Maps, a reference picture, and the picture in hand that they are
// made of. What the base cannot do, or what is not on this machine, is greyed out, with the reason below.
const MOST_MAPS = 4;
/** What of the canvas' state is undone with the pose. */
const BESIDE = ["preset", "posed", "controls", "reference", "inpaint", "speed", "framing", "controlnet_conditioning_scale", "control_guidance_start", "control_guidance_end"];

function guidesPanel({ state, base, changed, openPose, paintPart, abilitiesKnown }) {
  let needs = {}, annotators = {}, hand = null, busy = "", shown = "", photos = { sku: "", list: [] };
  const models = (name) => make("button", { class: "quiet", text: t("canvas.guide_models"), "data-testid": `models-${name}`, onclick: () => window.sasage.emit("open-models", { name }) });

  /** Why something does not work now, or "": the base's own reason, or the thing that has yet to be pulled. */
  function lack(thing) {
    const { controlnet, ...others } = base().capabilities, kind = thing.replace("controlnet:", "");
    const able = thing === "photo_pose" ? { supported: true } : kind === thing ? others[thing] : controlnet[kind];
    if (!able?.supported) return { why: plain(able?.reason || "") || t("canvas.guide_unknown") };
    if (thing === "photo_pose") return unread(annotators.pose);
    const pull = needs[state.base]?.[thing];
    return pull ? { why: t("canvas.guide_not_here", { name: pull }), pull } : null;
  }
  /** Why an annotator cannot be used now. */
  const unread = (card) => (card && !card.ready ? { why: card.state === "absent" ? t("canvas.guide_not_here", { name: card.name }) : `${card.name}: ${t(`models.state_${card.state}`)}`, pull: card.name } : null);
  const cannot = (thing) => { const found = lack(thing); return found && !found.pull ? found : null; };
  const USES = [
    ...["canny", "lineart", "depth", "openpose"].map((kind) => ({ name: kind, thing: `controlnet:${kind}`, run: (sha256) => addMap(kind, sha256) })),
    { name: "pose", thing: "photo_pose", run: takePose },
    { name: "reference", thing: "reference_image", run: (sha256) => set({ reference: { ip_adapter_scale: 0.6, ...state.reference, picture_sha256: sha256 } }) },
    { name: "part", thing: "inpaint", run: (sha256) => { panel.root.open = false; paintPart({ sha256 }); } },
  ];
  function set(values) { Object.assign(state, values); changed(); }

  // The picture in hand
  let next = null;
  const file = make("input", { type: "file", accept: "image/*", hidden: true, "data-testid": "guide-file", onchange: () => { const chosen = file.files[0], then = next; file.value = ""; if (chosen) take(chosen, then); } });
  function choose(then = null) { next = then; file.click(); }
  async function take(chosen, then) {
    const sha256 = await during("canvas.guide_taking", async () => {
      const sent = await upload(chosen).catch(() => null);
      if (!sent?.path) { window.sasage.toast(t("canvas.upload_failed", { name: chosen.name }), { kind: "error" }); return null; }
      return ask("keep_picture", { path: sent.path });
    });
    if (!sha256) return;
    hold(sha256);
    if (then) await then.run(sha256);
  }
  function hold(sha256) { hand = sha256; panel.root.open = true; show(); }
  async function during(words, run) {
    busy = t(words);
    show();
    try { return await run(); } catch { return null; } finally { busy = ""; show(); }
  }

  async function mapOf(kind, sha256) {
    const made = await during("canvas.guide_making", () => ask("picture_map", { kind, picture_sha256: sha256 }));
    return made?.sha256;
  }
  async function addMap(kind, sha256) {
    if (state.controls.length >= MOST_MAPS) { window.sasage.toast(t("canvas.guide_most")); return; }
    const picture = annotators[kind]?.ready ? await mapOf(kind, sha256) : sha256;
    if (!picture) return;
    const added = { kind, picture_sha256: picture, from: sha256, controlnet_conditioning_scale: 1, control_guidance_start: 0, control_guidance_end: 1 };
    set({ controls: [...state.controls, added], ...(kind === "openpose" ? { posed: false } : {}) });
  }
  async function takePose(sha256) {
    const found = await during("canvas.guide_reading", () => ask("photo_pose", { picture_sha256: sha256 }));
    if (!found) return;
    openPose(found.pose);
    window.sasage.toast(t("canvas.guide_pose_read"), { more: found.notes.map(plain).join(" ") });
  }
  const change = (place, values) => set({ controls: state.controls.map((one, at) => (at === place ? { ...one, ...values } : one)) });

  // Rows
  const number = (testid, words, technical, value, limits, write, disabled = false) => {
    const node = make("input", { type: "number", required: true, ...limits, value, disabled, "aria-label": t(words), title: technical, "data-testid": testid, onchange: () => { if (node.checkValidity()) write(Number(node.value)); else node.reportValidity(); } });
    return node;
  };
  /** How closely, from and until: of the pose or of a map. */
  function span(name, of, write, disabled) {
    const field = (key, words, most, limits = {}) => number(`${name}-${words}`, `canvas.guide_${words}`, key, of[key], { min: 0, max: most, step: 0.05, ...limits }, (value) => write({ [key]: value }), disabled);
    return [field("controlnet_conditioning_scale", "strength", 2), field("control_guidance_start", "from", 0.95, { max: of.control_guidance_end - 0.05 }), field("control_guidance_end", "until", 1, { min: of.control_guidance_start + 0.05 })];
  }
  const words = (title, ...below) => make("div", { class: "guide-words" }, make("span", { text: title }), ...below);
  const away = (name, run) => make("button", { class: "quiet", text: "×", "aria-label": t("canvas.guide_remove", { name }), title: t("canvas.guide_remove", { name }), onclick: run });
  const image = (sha256) => make("img", { class: "guide-picture", src: window.sasage.thumbnail(sha256), alt: "" });
  const notNow = (found) => found && make("small", { class: "warn" }, make("span", { text: found.pull ? found.why : t("canvas.guide_not_used", { why: found.why }) }), found.pull && models(found.pull));

  function poseRow() {
    const found = lack("controlnet:openpose");
    const box = make("input", { type: "checkbox", checked: state.posed, disabled: Boolean(cannot("controlnet:openpose")), "data-testid": "guide-posed", "aria-label": t("canvas.guide_pose_row"), onchange: () => set({ posed: box.checked }) });
    return make("div", { class: "guide-row", "data-testid": "guide-row-pose" }, box, words(t("canvas.guide_pose_row"), notNow(found)), ...span("pose", state, (values) => set(values), Boolean(cannot("controlnet:openpose")) || !state.posed), make("span"));
  }
  function mapRow(one, place) {
    const card = annotators[one.kind], made = one.picture_sha256 !== one.from, title = t(`canvas.guide_${one.kind}`);
    const mode = card && make("select", { "aria-label": t("canvas.guide_mode"), "data-testid": `guide-mode-${place}`, onchange: async () => {
      const picture = mode.value === "made" ? await mapOf(one.kind, one.from) : one.from;
      if (picture) change(place, { picture_sha256: picture });
    } }, make("option", { value: "made", text: t("canvas.guide_made"), disabled: !card.ready }), make("option", { value: "as_is", text: t("canvas.guide_as_is") }));
    if (mode) mode.value = made ? "made" : "as_is";
    const licence = made && card && make("small", { title: card.source, text: t("canvas.guide_by", { title: plain(card.title), licence: card.licence, commercial: t(`models.commercial_${card.commercial_use === null ? "unread" : card.commercial_use ? "yes" : "no"}`) }) });
    const unready = !made && card && !card.ready && make("small", {}, make("span", { text: unread(card).why }), models(card.name));
    return make("div", { class: "guide-row", "data-testid": "guide-row", "data-kind": one.kind }, image(one.picture_sha256), words(title, mode || make("small", { text: t("canvas.guide_as_is") }), licence, unready, notNow(lack(`controlnet:${one.kind}`))),
      ...span(`guide-${place}`, one, (values) => change(place, values), Boolean(cannot(`controlnet:${one.kind}`))), away(title, () => set({ controls: state.controls.filter((_, at) => at !== place) })));
  }
  function referenceRow() {
    const title = t("canvas.guide_reference");
    return make("div", { class: "guide-row", "data-testid": "guide-row-reference" }, image(state.reference.picture_sha256), words(title, notNow(lack("reference_image"))),
      number("reference-strength", "canvas.guide_strength", "ip_adapter_scale", state.reference.ip_adapter_scale, { min: 0, max: 2, step: 0.05 }, (value) => set({ reference: { ...state.reference, ip_adapter_scale: value } }), Boolean(cannot("reference_image"))), make("span"), make("span"), away(title, () => set({ reference: null })));
  }

  const rows = make("div", { class: "guide-rows" }), uses = make("div", { class: "guide-uses" }), reasons = make("div", { class: "guide-reasons", "data-testid": "guide-reasons" }), hands = make("div", { class: "guide-hand" }), said = make("small", { role: "status" });
  const drop = make("div", { class: "guide-drop", "data-testid": "guide-drop" }, hands, uses, said, file);
  drop.addEventListener("dragover", (event) => event.preventDefault());
  drop.addEventListener("drop", (event) => { event.preventDefault(); if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]); });
  const head = make("div", { class: "guide-row head" }, make("span"), make("span"), ...["strength", "from", "until"].map((name) => make("small", { text: t(`canvas.guide_${name}`) })), make("span"));
  const panel = popover(t("canvas.guides"), "guides", head, rows, drop, reasons);
  panel.root.classList.add("guides");
  panel.root.addEventListener("toggle", () => { if (panel.root.open) { load(); loadPhotos(); } });

  function showHand() {
    hands.replaceChildren(...[
      hand && image(hand), hand && away(t("canvas.guide_hand"), () => { hand = null; show(); }),
      make("button", { text: t("canvas.guide_choose"), "data-testid": "guide-choose", onclick: () => choose() }), make("small", { text: t(hand ? "canvas.guide_use_as" : "canvas.guide_drop") }),
      photos.list.length && make("span", { class: "guide-photos", title: t("canvas.guide_photos", { sku: photos.sku }) }, ...photos.list.map((sha256) => make("button", { class: "quiet", "aria-label": t("canvas.guide_photos", { sku: photos.sku }), "data-testid": "guide-photo", onclick: () => hold(sha256) }, image(sha256)))),
    ].filter(Boolean));
    uses.replaceChildren(...USES.map((use) => make("button", { text: t(`canvas.guide_${use.name}`), title: lack(use.thing)?.why || t(`canvas.guide_${use.name}_help`), disabled: Boolean(lack(use.thing)) || Boolean(busy), "data-testid": `guide-${use.name}`, onclick: () => (hand ? use.run(hand) : choose(use)) })));
  }
  /** One line for each reason, with all that it keeps from working. */
  function showReasons() {
    const lines = new Map();
    for (const use of USES) {
      const found = lack(use.thing);
      if (found) lines.set(found.why, { ...found, names: [...(lines.get(found.why)?.names || []), t(`canvas.guide_${use.name}`)] });
    }
    reasons.replaceChildren(...[...lines.values()].map(({ names, why, pull }) => make("p", {}, make("strong", { text: `${names.join(" · ")}  ` }), make("span", { text: why }), pull && models(pull))));
  }
  function show() {
    const now = JSON.stringify([state.base, state.controls, state.reference, state.posed, state.controlnet_conditioning_scale, state.control_guidance_start, state.control_guidance_end, needs, annotators, hand, busy]);
    if (now === shown) return; // or it would be drawn anew under a hand that writes a number
    shown = now;
    const had = panel.root.contains(document.activeElement) && document.activeElement.dataset.testid;
    rows.replaceChildren(...[poseRow(), ...state.controls.map(mapRow), state.reference && referenceRow()].filter(Boolean));
    said.textContent = busy;
    showHand();
    showReasons();
    const asked = [...state.controls.map((one) => `controlnet:${one.kind}`), ...(state.reference ? ["reference_image"] : [])], used = asked.filter((thing) => !cannot(thing)).length;
    panel.summary.textContent = [t("canvas.guides"), asked.length ? `: ${used}` : "", used < asked.length ? ` / ${asked.length} !` : ""].join("");
    if (had) panel.root.querySelector(`[data-testid="${CSS.escape(had)}"]`)?.focus(); // drawn anew, under the same hand
  }

  async function load() {
    const found = await ask("abilities").catch(() => null);
    if (!found) return;
    ({ needs, annotators } = found);
    show();
    abilitiesKnown({ photoPose: lack("photo_pose") });
  }
  async function loadPhotos() {
    if (photos.sku === state.sku) return;
    photos = { sku: state.sku, list: (state.sku && await ask("product_photos", { sku: state.sku }).catch(() => null)) || [] };
    showHand();
  }

  return {
    root: panel.root, show, load, hold, lack,
    /** Makes that of the picture in hand, or asks for a picture first. */
    use: (name) => { const found = USES.find((use) => use.name === name); panel.root.open = true; if (hand) found.run(hand); else choose(found); },
    /** What of it goes into a request: all that the base follows. */
    asked: () => ({
      controls: state.controls.filter((one) => !cannot(`controlnet:${one.kind}`)).map(({ from, ...control }) => control),
      reference: cannot("reference_image") ? null : state.reference,
    }),
  };
}

/** The guides of a request, as the panel keeps them: where a map came from is not in it. */
const guidesOf = (request) => ({
  controls: (request.controls || []).map((control) => ({ ...control, from: control.picture_sha256 })), reference: request.reference || null, inpaint: request.inpaint || null, speed: request.speed || "exact",
});
