// What is asked for below the stage: prompt, look, brand models, what is rarely needed, and the grid with its price.
function askBar({ start, state, base, framing, guides, figureOf, changed, makeGrid, readSettings }) {
  const fields = [];
  /** A field that keeps one setting; `shown` reads it back after settings were restored. */
  function keep(node, read, write, kind) {
    node.addEventListener("change", () => { if (node.checkValidity && !node.checkValidity()) { node.reportValidity(); return; } if (write(node) !== false) changed(kind); });
    fields.push(() => { if (document.activeElement !== node) node.value = read() ?? ""; });
    return node;
  }
  const labelled = (words, node, technical = "") => make("label", { title: technical, class: "field" }, make("span", { text: t(words) }), node);
  const number = (name, words, limits, kind = "settings") => labelled(words, keep(make("input", { type: "number", required: true, ...limits, "data-testid": name }), () => state[name], (node) => { state[name] = Number(node.value); }, kind), name);

  // Prompt
  const prompt = make("textarea", { rows: 4, maxlength: 2000, spellcheck: "false", "aria-label": t("canvas.prompt"), "data-testid": "prompt", oninput: () => { state.prompt = { edited: true, text: prompt.value }; show(); changed("words"); } });
  const follow = make("button", { class: "quiet", text: t("canvas.prompt_follow"), title: t("canvas.prompt_follow_help"), "data-testid": "prompt-follow", onclick: () => { state.prompt.edited = false; changed("look"); } });
  const promptPart = make("div", { class: "part words" }, make("div", { class: "bar-line" }, make("span", { class: "hint", text: t("canvas.prompt") }), follow), prompt);

  // Look
  const look = keep(make("select", { "data-testid": "look" }, ...start.looks.map((one) => make("option", { value: one.name, text: poseWords(one.name) })), make("option", { value: "own-look", text: t("canvas.own_look"), hidden: true })), () => state.look.name, (node) => { state.look = { ...start.looks.find((one) => one.name === node.value) }; }, "look");
  const own = (name) => labelled(`canvas.${name}`, keep(make("select", { "data-testid": `look-${name}` }, make("option", { value: "", text: "–" }), ...start.values[name].map((value) => make("option", { value, text: valueWords(value) }))), () => state.look[name], (node) => { state.look = { ...state.look, name: "own-look", [name]: node.value || null }; }, "look"));
  const garment = labelled("canvas.garment", keep(make("input", { maxlength: 300, "data-testid": "garment" }), () => state.look.garment, (node) => { state.look = { ...state.look, name: "own-look", garment: node.value }; }, "look"));
  const sku = labelled("canvas.sku", keep(make("input", { list: "canvas-skus", maxlength: 80, "data-testid": "sku" }), () => state.sku, (node) => { state.sku = node.value.trim(); }, "settings"), "sku");
  const lookPart = make("div", { class: "part look" },
    labelled("canvas.look", look), own("background"), own("age_group"), own("gender"), garment, sku, make("datalist", { id: "canvas-skus" }, ...start.skus.map((one) => make("option", { value: one }))));

  // Brand models
  const models = make("div", { class: "models" });
  const photoPlace = make("span");
  const modelPart = make("div", { class: "part" }, make("div", { class: "bar-line" }, make("span", { class: "hint", text: t("canvas.models") }), photoPlace), models);
  function showModels() {
    showGarmentPhoto();
    const had = models.contains(document.activeElement) && document.activeElement.dataset.testid;
    const fitting = start.models.filter((model) => model.base === state.base);
    models.replaceChildren(...fitting.map((model) => {
      const used = state.adapters.find((adapter) => adapter.brand_model === model.name);
      const said = make("output", { text: used ? used.adapter_weight.toFixed(2) : "" });
      const weight = make("input", { type: "range", min: 0, max: 1.5, step: 0.05, value: used?.adapter_weight ?? 1, disabled: !used, "aria-label": t("canvas.weight", { name: model.name }), "data-testid": `weight-${model.name}`, title: `adapter_weight ${used?.adapter_weight ?? 1}`, oninput: () => { said.value = Number(weight.value).toFixed(2); }, onchange: () => { used.adapter_weight = Number(weight.value); state.adapters = state.adapters.map((one) => ({ ...one })); changed("look"); } });
      const check = make("input", { type: "checkbox", checked: Boolean(used), "data-testid": `model-${model.name}`, onchange: () => {
        if (check.checked && state.adapters.length >= 4) { check.checked = false; window.sasage.toast(t("canvas.four_models")); return; }
        state.adapters = check.checked ? [...state.adapters, { brand_model: model.name, adapter_weight: 1 }] : state.adapters.filter((one) => one.brand_model !== model.name);
        changed("look");
      } });
      return make("div", { class: "model" }, make("label", { class: "inline" }, check, make("span", { text: model.name })), weight, said);
    }));
    if (had) models.querySelector(`[data-testid="${CSS.escape(had)}"]`)?.focus(); // drawn anew, under the same hand
    if (!fitting.length) models.append(make("small", { text: t("canvas.no_models") }), make("button", { class: "quiet", text: t("canvas.train_one"), onclick: () => window.sasage.open("train") }));
  }

  /** The picture whose fabric is kept; where there is none yet, the guides ask for one. */
  function showGarmentPhoto() {
    const { why } = guides.lack("reference_image") || {};
    photoPlace.replaceChildren(make("button", { class: "garment-photo", disabled: Boolean(why), title: why || t("canvas.guide_reference_help"), "aria-description": why, "data-testid": "garment-photo", onclick: () => { guides.root.open = true; if (!state.reference) guides.use("reference"); } },
      state.reference && make("img", { src: window.sasage.thumbnail(state.reference.picture_sha256), alt: "" }), make("span", { text: t("canvas.garment_photo") })));
  }

  // The base: one that is not on this machine opens the models panel instead.
  const bases = keep(make("select", { "data-testid": "canvas-base" }, ...start.bases.map((base) => make("option", { value: base.name }))), () => state.base, (node) => {
    if (start.states[node.value] === "installed") { state.base = node.value; return true; }
    window.sasage.emit("open-models", { name: node.value });
    node.value = state.base;
    return false;
  }, "base");
  function showBases() {
    for (const option of bases.options) {
      const here = start.states[option.value] === "installed", title = plain(start.bases.find((one) => one.name === option.value).title);
      option.textContent = here ? title : `${title}: ${t(`models.state_${start.states[option.value]}`)}`;
    }
  }

  // What is rarely needed
  const sizeOf = (one) => `${one.width_px} × ${one.height_px}`;
  const size = keep(make("select", { "data-testid": "size" }), () => sizeOf(framing()), (node) => { const at = base().framings.findIndex((one) => sizeOf(one) === node.value); state.framing = at > 0 ? base().framings[at] : null; }, "condition");
  const sizePart = labelled("canvas.size", size, "width_px, height_px");
  function showSizes() {
    const sizes = [...new Set([...base().framings, framing()].map(sizeOf))];
    size.replaceChildren(...sizes.map((words) => make("option", { value: words, text: `${words} px` })));
    size.value = sizeOf(framing());
    sizePart.hidden = sizes.length < 2;
  }
  const speed = keep(make("select", { "data-testid": "speed" }, ...["exact", "draft"].map((value) => make("option", { value, text: t(`canvas.speed_${value}`) }))), () => state.speed, (node) => { state.speed = node.value; }, "condition");
  const file = make("input", { type: "file", accept: "image/png", hidden: true, "data-testid": "settings-file", onchange: () => { if (file.files[0]) readSettings(file.files[0]); file.value = ""; } });
  const more = popover(t("page.more"), "more",
    make("div", { class: "more-fields" }, own("body"), own("skin"), own("hair"), own("hair_colour"),
      number("num_inference_steps", "canvas.steps", { min: 1, max: 200, step: 1 }), number("guidance_scale", "canvas.guidance", { min: 0, max: 30, step: 0.1 }),
      labelled("canvas.speed", speed, "speed"), sizePart,
      labelled("canvas.base", bases, "base"), make("button", { class: "quiet", text: t("models.manage"), "data-testid": "manage-models", onclick: () => window.sasage.emit("open-models", { name: state.base }) })),
    labelled("canvas.negative", keep(make("input", { maxlength: 2000 }), () => state.negative_prompt, (node) => { state.negative_prompt = node.value; }, "settings"), "negative_prompt"),
    make("small", { text: t("canvas.speed_help") }), make("div", {}, make("button", { text: t("canvas.settings_from_file"), "data-testid": "settings-from-file", onclick: () => file.click() }), file));

  // The grid
  const lookChoices = make("div", { class: "look-choices" });
  const looks = popover(t("canvas.looks_in_grid"), "looks", lookChoices);
  const seeds = number("seeds", "canvas.seeds", { min: 1, max: 64, step: 1 }, "grid");
  const price = make("strong", { "data-testid": "price" });
  const makeButton = make("button", { class: "primary", text: t("canvas.make_grid"), "data-testid": "make-grid", onclick: async () => { makeButton.disabled = true; try { await makeGrid(); } finally { makeButton.disabled = false; } } });
  const hint = make("small", { text: t("canvas.prompt_stays") });
  const clear = make("button", { class: "quiet", text: t("canvas.clear_grid"), onclick: () => { state.gridPoses = []; state.gridLooks = []; state.seeds = 1; changed("grid"); } });
  const lookBoxes = new Map(start.looks.map((one) => {
    const box = make("input", { type: "checkbox", "data-testid": `grid-look-${one.name}`, onchange: () => { state.gridLooks = box.checked ? [...state.gridLooks, one.name] : state.gridLooks.filter((name) => name !== one.name); changed("grid"); } });
    lookChoices.append(make("label", { class: "inline" }, box, make("span", { text: poseWords(one.name) })));
    return [one.name, box];
  }));
  function showLooks() {
    for (const [name, box] of lookBoxes) Object.assign(box, { disabled: name === state.look.name, checked: name === state.look.name || state.gridLooks.includes(name) });
  }
  function showPrice() {
    const { poses, looks: several } = figureOf(), count = poses.length * several.length * state.seeds;
    const seconds = state.secondsPerStep ? t("canvas.price_time", { time: window.sasage.duration(count * state.num_inference_steps * state.secondsPerStep) }) : "";
    const counted = (name, n) => t(`canvas.${name}_${n === 1 ? "one" : "many"}`, { n });
    price.textContent = t("canvas.price", { poses: counted("pose", poses.length), looks: counted("look", several.length), seeds: counted("seed", state.seeds), pictures: counted("picture", count) }) + seconds;
    looks.summary.textContent = `${t("canvas.looks_in_grid")}: ${several.length}`;
    hint.hidden = !(state.prompt.edited && several.length > 1);
    clear.hidden = count === 1;
  }
  const row = make("div", { class: "grid-row" }, looks.root, make("span", { class: "inline-number" }, seeds), guides.root, more.root, clear, hint, make("span", { class: "space" }), price, makeButton);
  const root = make("section", { class: "asks", "aria-label": t("canvas.asks") }, make("div", { class: "ask-parts" }, promptPart, lookPart, modelPart), row);

  function show() {
    if (document.activeElement !== prompt || !state.prompt.edited) prompt.value = state.prompt.text;
    follow.hidden = !state.prompt.edited;
    showSizes();
    for (const refresh of fields) refresh();
    showBases();
    showModels();
    showLooks();
    showPrice();
    guides.show();
  }
  return { root, show, showPrice };
}

/** A button that opens a small panel above itself. */
function popover(words, testid, ...content) {
  const summary = make("summary", { text: words, "data-testid": testid });
  const details = make("details", { class: "pop" }, summary, make("div", { class: "pop-panel" }, ...content));
  details.addEventListener("keydown", (event) => { if (event.key === "Escape") { details.open = false; summary.focus(); } });
  details.addEventListener("focusout", (event) => { if (event.relatedTarget && !details.contains(event.relatedTarget)) details.open = false; });
  element.addEventListener("pointerdown", (event) => { if (!details.contains(event.target)) details.open = false; });
  return { root: details, summary };
}
