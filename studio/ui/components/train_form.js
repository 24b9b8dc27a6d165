// The form of a training run. What is written is checked by Python as it is written; Start asks once more.
const { store, duration, on, emit, shown } = window.sasage;

const STRENGTHS = { 4: "light", 8: "balanced", 16: "strong", 32: "very_strong", 64: "deepest" };
const NUMBERS = ["learning_rate", "train_batch_size", "gradient_accumulation_steps", "lr_warmup_steps", "repeats",
  "caption_dropout", "snr_gamma", "lora_alpha", "validate_every", "checkpoint_every", "sample_every", "seed", "sample_seed"];

let options = null;
let form = { dataset_id: "", base: "", preset: "", name: "", fields: {} };
try { form = { ...form, ...JSON.parse(store.get("train.form", "{}")) }; } catch { /* written by another version */ }
let ratio = 1;

// Parts that stay; `inputs` holds one control a field of the config, by its name.
const inputs = {};
const notes = {};
function field(name, control) {
  inputs[name] = control;
  control.dataset.testid = `field-${name}`;
  control.addEventListener(control.tagName === "SELECT" || control.type === "checkbox" ? "change" : "input", changed);
  notes[name] = make("small", { class: "field-fault bad", hidden: true, id: `train-fault-${name}` });
  return make("label", { title: name }, make("span", { text: t(`train.field_${name}`) }), control, notes[name]);
}
const text = (properties = {}) => make("input", { type: "text", autocomplete: "off", ...properties });
const number = () => text({ inputmode: "decimal" });

const dataset = make("select", { "data-testid": "dataset", onchange: () => choose({ dataset_id: dataset.value, name: "" }) });
const datasetNote = make("small");
const base = make("select", { "data-testid": "base", onchange: () => choose({ base: base.value, preset: "" }) });
const baseNote = make("div", { class: "base-note", "data-testid": "base-note" });
const cards = make("div", { class: "cards", role: "radiogroup", "aria-label": t("train.preset") });
const more = make("details", { "data-testid": "more" }, make("summary", { text: t("train.more") }),
  make("div", { class: "pairs" }, ...NUMBERS.map((name) => field(name, number())),
    field("lr_scheduler", make("select", {}, ...["cosine", "constant"].map((value) => make("option", { value, text: t(`train.${value}`) })))),
    make("div", { class: "check" }, field("random_flip", make("input", { type: "checkbox" })))),
  field("target_modules", text({ placeholder: t("train.target_modules_empty") })),
  field("sample_prompts", make("textarea", { rows: 3, placeholder: t("train.sample_prompts_empty") })));
const faults = make("div", { class: "faults", role: "region", "aria-label": t("train.to_mend"), tabindex: "-1", hidden: true, "data-testid": "faults" });
const cost = make("div", { class: "cost", "data-testid": "estimate" });
const start = make("button", { class: "primary", text: t("train.start"), "data-testid": "start", onclick: begin });
const body = make("div", { class: "panel" },
  make("label", {}, make("span", { text: t("train.dataset") }), dataset, datasetNote),
  make("label", {}, make("span", { text: t("train.base") }), base), baseNote,
  field("name", text({ maxlength: 64, spellcheck: "false" })),
  make("h3", { text: t("train.preset") }), cards,
  make("div", { class: "triple" },
    field("max_train_steps", number()),
    field("lora_rank", make("select")),
    field("trigger_token", text({ spellcheck: "false" }))),
  more);
const foot = make("div", { class: "foot" }, faults, make("div", { class: "go" }, cost, start));
const empty = make("div", { class: "empty", hidden: true }, make("p", { text: t("train.no_dataset") }),
  make("button", { text: t("train.open_label"), onclick: () => window.sasage.open("label") }));
element.append(body, foot, empty);

// What can be chosen from.
async function load() {
  const found = await ask("options");
  if (!found) return;
  options = found;
  const known = options.datasets.length > 0;
  empty.hidden = known; body.hidden = foot.hidden = !known;
  dataset.replaceChildren(...options.datasets.map((one) => make("option", { value: one.id, text: one.name })));
  base.replaceChildren(...options.bases.map((one) => make("option", { value: one.name, text: plain(one.title), disabled: !usable(one) })));
  showBaseNote();
  if (known) choose({});
}

const usable = (one) => !one.cannot && one.state === "installed";
/** Bases that cannot be trained on now, each with the reason; those that are not here lead to the models panel. */
function showBaseNote() {
  const lines = options.bases.filter((one) => one.cannot).map((one) => make("small", { text: t("train.base_cannot", { title: plain(one.title), why: plain(one.cannot) }) }));
  for (const state of ["absent", "partial", "damaged"]) {
    const them = options.bases.filter((one) => !one.cannot && one.state === state);
    if (them.length) lines.push(make("small", {}, make("span", { text: `${t(`models.state_${state}`)}: ${them.map((one) => plain(one.title)).join(" · ")} ` }), make("button", { class: "quiet", text: t("canvas.guide_models"), onclick: () => emit("open-models", { name: them[0].name }) })));
  }
  baseNote.replaceChildren(...lines);
}

const named = (list, name, key = "name") => list.find((one) => one[key] === name);

/** Takes a choice, and fills in what follows from it. */
function choose(choice) {
  form = { ...form, ...choice };
  const data = named(options.datasets, form.dataset_id, "id") || options.datasets[0];
  const here = options.bases.filter(usable), card = named(here, form.base) || here[0];
  form.dataset_id = data.id;
  form.base = card ? card.name : "";
  if (!form.name) form.name = data.free_name;
  const fitting = options.presets.filter((one) => one.bases[form.base]);
  const preset = named(fitting, form.preset) || named(fitting, card && card.preset) || fitting[0];
  if (!preset) { form.preset = ""; form.fields = { ...options.defaults, ...form.fields }; }
  else if (form.preset !== preset.name || !("max_train_steps" in form.fields)) {
    form.preset = preset.name;
    form.fields = { ...options.defaults, ...preset.bases[form.base].settings, sample_prompts: form.fields.sample_prompts || [] };
  }
  form.fields = { ...options.defaults, ...form.fields, trigger_token: data.token || form.fields.trigger_token || "" };
  dataset.value = data.id; base.value = form.base;
  datasetNote.textContent = t("train.dataset_note", { train: data.photos - data.held_out, held_out: data.held_out });
  inputs.trigger_token.readOnly = Boolean(data.token);
  inputs.trigger_token.parentElement.title = data.token ? t("train.token_of_dataset") : "trigger_token";
  fill();
  drawCards(fitting);
  check();
}

function drawCards(fitting) {
  const had = cards.contains(document.activeElement);
  cards.replaceChildren(...fitting.map((one) => make("button", {
    class: "card", role: "radio", "aria-checked": String(one.name === form.preset), tabindex: one.name === form.preset ? "0" : "-1",
    title: plain(one.bases[form.base].source), "data-testid": `preset-${one.name}`, "data-name": one.name,
    onclick: () => choose({ preset: one.name, fields: { sample_prompts: form.fields.sample_prompts } }),
    onkeydown: (event) => step(event, fitting),
  }, make("strong", { text: words(one, "title") }), make("span", { text: words(one, "purpose") }), make("small", { class: "takes", text: "\u00a0" }))));
  if (!fitting.length) cards.append(make("p", { class: "hint", text: t("train.no_preset") }));
  if (had) cards.querySelector("[aria-checked=true]")?.focus();
}
/** A preset's own words, or ours in the page's language where we know the preset. */
function words(preset, what) {
  const key = `train.${what}_${preset.name}`;
  return t(key) === key ? preset[what] : t(key);
}
function step(event, fitting) {
  const move = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (!move) return;
  event.preventDefault();
  const next = fitting[(fitting.findIndex((one) => one.name === form.preset) + move + fitting.length) % fitting.length];
  choose({ preset: next.name, fields: { sample_prompts: form.fields.sample_prompts } });
}

// Between the form and its controls.
function fill() {
  const fields = form.fields;
  const ranks = [...new Set([...Object.keys(STRENGTHS).map(Number), Number(fields.lora_rank)])].sort((a, b) => a - b);
  inputs.lora_rank.replaceChildren(...ranks.map((rank) => make("option", {
    value: rank, title: `lora_rank ${rank}`, text: STRENGTHS[rank] ? t(`train.strength_${STRENGTHS[rank]}`) : t("train.strength_own", { n: rank }) })));
  ratio = Number(fields.lora_alpha) / Number(fields.lora_rank) || 1;
  inputs.name.value = form.name;
  for (const [name, control] of Object.entries(inputs)) {
    if (name === "name") continue;
    if (control.type === "checkbox") control.checked = Boolean(fields[name]);
    else if (name === "sample_prompts") control.value = (fields[name] || []).join("\n");
    else if (name === "target_modules") control.value = (fields[name] || []).join(", ");
    else control.value = fields[name] ?? "";
  }
}
let timer = 0;
function changed(event) {
  const control = event.target;
  if (control === inputs.lora_rank) inputs.lora_alpha.value = String(Number(control.value) * ratio);
  form.name = inputs.name.value;
  for (const [name, input] of Object.entries(inputs)) {
    if (name === "name") continue;
    if (input.type === "checkbox") form.fields[name] = input.checked;
    else if (name === "sample_prompts") form.fields[name] = input.value.split("\n").map((line) => line.trim()).filter(Boolean);
    else if (name === "target_modules") form.fields[name] = input.value.split(/[\s,]+/).filter(Boolean);
    else form.fields[name] = name === "snr_gamma" && !input.value.trim() ? null : input.value.trim();
  }
  clearTimeout(timer);
  timer = setTimeout(check, 300);
}
const values = () => ({ ...form.fields, name: form.name, dataset_id: form.dataset_id, base: form.base });

// What is wrong, and what it takes.
let asked = 0;
async function check() {
  store.set("train.form", JSON.stringify(form));
  const mine = ++asked;
  const presets = Object.fromEntries(options.presets.filter((one) => one.bases[form.base]).map((one) => [one.name, one.bases[form.base].settings]));
  const found = await ask("check", { values: values(), presets });
  if (!found || mine !== asked) return;
  for (const card of cards.querySelectorAll(".card")) card.querySelector(".takes").textContent = takes(found.estimates[card.dataset.name]) || "\u00a0";
  cost.replaceChildren(make("span", { text: takes(found.estimate) || "\u00a0" }),
    make("small", { text: found.estimate ? t(found.estimate.measured ? "train.measured" : "train.guess") : "" }));
  showFaults(found);
}
const takes = (estimate) => estimate ? t("train.takes", { time: duration(estimate.seconds), memory: bytes(estimate.memory_bytes) }) : "";
const bytes = (count) => count < 1e9 ? `${Math.max(10, Math.round(count / 1e7) * 10)} MB` : `${(count / 1e9).toFixed(1)} GB`;

function showFaults({ rights, faults: others }) {
  for (const [name, note] of Object.entries(notes)) {
    const here = others.find((fault) => fault.where === name);
    note.hidden = !here;
    note.textContent = here ? plain(`${here.what} ${here.next_step}`.trim()) : "";
    inputs[name].setAttribute("aria-invalid", String(Boolean(here)));
    if (here) { inputs[name].setAttribute("aria-describedby", note.id); if (more.contains(inputs[name])) more.open = true; }
    else inputs[name].removeAttribute("aria-describedby");
  }
  const rest = others.filter((fault) => !(fault.where in notes));
  const line = (fault) => make("li", {}, fault.where ? make("b", { text: `${plain(fault.where)} ` }) : null, make("span", { text: plain(`${fault.what} ${fault.next_step}`.trim()) }));
  const parts = [];
  if (rights.length) parts.push(make("div", { class: "fault-head" }, make("strong", { class: "bad", text: `! ${t("train.rights_missing", { n: rights.length })}` }),
    make("button", { text: t("train.open_label"), onclick: () => window.sasage.open("label") })), make("ul", {}, ...rights.map(line)));
  if (others.length) parts.push(make("strong", { class: "bad", text: `! ${t("train.to_mend_count", { n: others.length })}` }));
  if (rest.length) parts.push(make("ul", {}, ...rest.map(line)));
  faults.hidden = !parts.length;
  faults.replaceChildren(...parts);
}

async function begin() {
  start.disabled = true;
  const found = await ask("start", { values: values() }).finally(() => { start.disabled = false; });
  if (!found) return;
  if (!found.run_id) { showFaults(found); faults.focus(); return; }
  emit("train-run", { id: found.run_id });
  emit("job-submitted");
  form.name = "";
  load();
}

on("models-changed", () => { if (element.isConnected && options) load(); });
on("use-dataset", async ({ dataset_id }) => { form.dataset_id = dataset_id; form.name = ""; await load(); });
on("train-settings", ({ config }) => {
  if (!options) return;
  const { name, dataset_id, base: wanted, ...fields } = config;
  form = { ...form, base: wanted, fields, dataset_id: named(options.datasets, dataset_id, "id") ? dataset_id : form.dataset_id, name: "" };
  choose({});
});
new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting) && shown(element)) load(); }).observe(element);
