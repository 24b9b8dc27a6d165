// The label tab: what the page knows of the chosen dataset, and how its parts (see label_desk_*.js) hang together.
const { store, poll, keys, toast, emit, on, open, brand } = window.sasage;
const limits = props.value;

const desk = {
  datasets: [], datasetId: store.get("label.dataset", ""), draft: null, photos: [], byId: new Map(), digest: "",
  chosen: new Set(), filter: {}, jobId: store.get("label.job", ""), job: null, follow: "", loaded: false, version: 0,
  find: (id) => desk.byId.get(id),
  busy: () => Boolean(desk.job) && ["running", "waiting"].includes(desk.job.status),
  async statistics() {
    if (desk.busy()) return null; // photos are still coming in
    const base = lastBase(), digest = `${desk.digest} ${base}`;
    if (counted.digest !== digest) Object.assign(counted, { digest, answer: ask("statistics", { dataset_id: desk.datasetId, base }).catch(() => null) });
    return counted.answer;
  },
};
/** The base that the train tab was last left at, in whose sizes the photos are counted. */
function lastBase() {
  try { return JSON.parse(store.get("train.form", "{}")).base || ""; } catch { return ""; }
}
const counted = { digest: "", answer: null };
const steps = undoSteps();

// What the keeper of captions says, quietly, in the bar.
const saved = make("span", { class: "saved", role: "status", "data-testid": "saved" });
function status(kind) {
  saved.textContent = { saved: `✓ ${t("page.saved")}`, saving: t("label.saving"), lost: `! ${t("label.not_saved")}`, refused: `! ${t("label.not_saved")}` }[kind];
  saved.className = `saved ${{ lost: "bad", refused: "bad" }[kind] || ""}`;
}
const captions = captionKeeper({ find: desk.find, update, status, steps });
const wall = photoWall(desk, captions, () => side.render());
const intake = photoIntake({ limits, watch, target: () => (desk.draft ? { dataset: desk.draft.name, trigger_token: desk.draft.trigger_token } : { dataset: current()?.name ?? firstName.value, trigger_token: "" }) });

/** Takes rows that Python answered with. */
function update(rows) {
  desk.version += 1;
  const fresh = new Map(rows.map((row) => [row.id, row]));
  desk.photos = desk.photos.map((photo) => fresh.get(photo.id) ?? photo);
  know(desk.photos);
  desk.digest = "";
  render();
}
function know(photos) {
  desk.photos = photos;
  desk.byId = new Map(photos.map((photo) => [photo.id, photo]));
  desk.chosen = new Set([...desk.chosen].filter((id) => desk.byId.has(id)));
}
const current = () => desk.datasets.find((dataset) => dataset.id === desk.datasetId);
const idsOf = (photos) => photos.map((photo) => photo.id);

/** Every change of photos: writes, shows, says so, and can be taken back with one step. */
async function write(action, message, words, undo, bulk) {
  const rows = await ask(action, message);
  if (!rows) { side.render(true); return null; }
  update(rows);
  status("saved");
  if (undo) steps.push(words, async () => { const back = await undo(rows); if (back) { update(back); status("saved"); } }, bulk);
  return rows;
}
const change = {
  tags(photos, tag, on) {
    const old = Object.fromEntries(photos.map((photo) => [photo.id, photo.tags]));
    const tags = Object.fromEntries(photos.map((photo) => [photo.id, on ? [...new Set([...photo.tags, tag])] : photo.tags.filter((other) => other !== tag)]));
    return write("tags", { tags }, t(on ? "label.tagged" : "label.untagged", { tag, n: photos.length }), () => ask("tags", { tags: old }), photos.length > 1);
  },
  rights(photos, fields) {
    const old = Object.fromEntries(photos.map((photo) => [photo.id, photo.rights]));
    const changes = Object.fromEntries(photos.map((photo) => [photo.id, fields]));
    return write("rights", { changes }, t("label.rights_done", { n: photos.length }), () => ask("rights", { changes: old }), photos.length > 1);
  },
  crop(photo, box) {
    const old = photo.crop_px;
    return write("crop", { photo_id: photo.id, crop_px: box }, t("label.cropped"), () => ask("crop", { photo_id: photo.id, crop_px: old }));
  },
  replace(photos, find, replacement) {
    return write("replace", { photo_ids: idsOf(photos), find, replacement }, t("label.replaced"), (rows) => ask("undo_captions", { photo_ids: idsOf(rows) }), true);
  },
  async split(share) {
    const rows = await write("split", { dataset_id: desk.datasetId, share }, "", null);
    if (rows) toast(t("label.split_done", { n: rows.filter((row) => row.split === "held-out").length }));
  },
  async remove(photos) {
    const ids = idsOf(photos), dataset_id = desk.datasetId;
    if (!(await ask("remove", { photo_ids: ids }))) return;
    know(desk.photos.filter((photo) => !ids.includes(photo.id)));
    desk.digest = "";
    render();
    steps.push(t("label.removed", { n: ids.length }), async () => { if (await ask("restore", { photo_ids: ids, dataset_id })) { desk.digest = ""; await tick(); } }, true);
  },
  async pack(class_word, repeats) {
    const answer = await fetch(`/exports/${desk.datasetId}?${new URLSearchParams({ class_word, repeats })}`).catch(() => null);
    if (!answer || !answer.ok) {
      const fault = await answer?.json().catch(() => null);
      toast(fault?.title ? plain(fault.title) : t("label.export_failed"), { kind: "error", more: typeof fault?.detail === "string" ? plain(fault.detail) : "" });
      return;
    }
    const link = make("a", { href: URL.createObjectURL(await answer.blob()), download: `${current().name}.zip` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  },
};
const side = sidePanel(desk, captions, change);

// The bar: dataset, what a trainer would say of it, and the next step.
const chooser = make("select", { class: "chooser", "aria-label": t("label.dataset"), "data-testid": "dataset", onchange: () => (chooser.value === "+" ? (chooser.value = desk.datasetId, askName()) : go(chooser.value)) });
const headline = make("div", { class: "headline", "data-testid": "headline" });
const add = make("button", { text: t("label.add_photos"), "data-testid": "add-photos", onclick: intake.choose });
const next = make("button", { class: "primary", "data-testid": "next-step", onclick: () => { const dataset_id = desk.datasetId; open("train"); emit("use-dataset", { dataset_id }); } });
const bar = make("div", { class: "bar" }, chooser, headline, make("span", { class: "space" }), saved, add, next);

// The strip of filters.
const select = (name, words, testid) => make("select", { "aria-label": words, "data-testid": testid, onchange: (event) => { desk.filter = { ...desk.filter, [name]: event.target.value }; render(); } });
const search = make("input", { type: "search", class: "search", placeholder: t("label.search"), "aria-label": t("label.search"), "data-testid": "search", oninput: () => { desk.filter = { ...desk.filter, text: search.value }; render(); } });
const problem = select("problem", t("label.any_problem"), "filter-problem");
const split = select("split", t("label.any_split"), "filter-split");
const tag = select("tag", t("label.any_tag"), "filter-tag");
const gaps = make("button", { text: t("label.rights_missing"), "data-testid": "filter-rights", onclick: () => { desk.filter = { ...desk.filter, gaps: !desk.filter.gaps }; render(); } });
const clear = make("button", { class: "quiet", text: t("label.filter_clear"), "data-testid": "filter-clear", onclick: () => { desk.filter = {}; search.value = ""; render(); } });
const count = make("span", { class: "hint", "data-testid": "shown" });
const size = make("input", { type: "range", min: 110, max: 230, step: 10, value: store.get("label.size", 160), "aria-label": t("label.size"), title: t("label.size"), class: "size", oninput: () => { store.set("label.size", size.value); resize(); } });
const resize = () => wall.root.style.setProperty("--tile", `${size.value}px`);
const filters = make("div", { class: "bar filters" }, search, problem, split, tag, gaps, clear, make("span", { class: "space" }), count, size);

// Nothing yet: one sentence, one button.
const firstName = make("input", { value: t("label.first_name"), "aria-label": t("label.dataset_name"), maxlength: 80, "data-testid": "first-name" });
const sample = make("button", { class: "quiet", text: t("label.use_sample"), hidden: !limits.sample, "data-testid": "use-sample", onclick: async () => {
  const job = await ask("take_sample");
  if (job) { watch(job); emit("job-submitted"); }
} });
const firstField = make("label", { class: "first" }, make("span", { text: t("label.dataset_name") }), firstName);
const empty = make("div", { class: "empty", hidden: true, "data-testid": "empty" }, make("p", { text: t("label.drop_here") }), make("span", { class: "hint", text: t("label.drop_help") }),
  firstField, make("div", { class: "line" }, make("button", { class: "primary", text: t("label.choose_photos"), "data-testid": "choose-photos", onclick: intake.choose }), sample));
const middle = make("div", { class: "middle" }, wall.root, empty, intake.dock);
const body = make("div", { class: "desk" }, middle, side.root);
const dialog = make("dialog", { class: "new-dataset", "aria-label": t("label.new_dataset") });
element.append(bar, filters, body, intake.input, intake.veil, dialog);
resize();

function askName() {
  const name = make("input", { maxlength: 80, required: true, "data-testid": "new-name" });
  const token = make("input", { maxlength: 16, placeholder: t("label.token_made_up"), "data-testid": "new-token" });
  const form = make("form", { method: "dialog", onsubmit: async (event) => {
    event.preventDefault();
    const found = await ask("propose", { name: name.value, trigger_token: token.value });
    if (!found) return;
    dialog.close();
    if (desk.datasets.some((dataset) => dataset.id === found.id)) { go(found.id); return; }
    desk.draft = { name: found.name, trigger_token: token.value.trim() };
    go("");
  } }, make("h2", { text: t("label.new_dataset") }), make("label", {}, make("span", { text: t("label.dataset_name") }), name),
  make("label", { title: "trigger_token" }, make("span", { text: t("label.token") }), token),
  make("div", { class: "line" }, make("span", { class: "space" }), make("button", { type: "button", text: t("page.cancel"), onclick: () => dialog.close() }), make("button", { type: "submit", text: t("label.create"), "data-testid": "create" })));
  dialog.replaceChildren(form);
  dialog.showModal();
  name.focus();
}

function go(datasetId) {
  captions.flush();
  if (datasetId) desk.draft = null;
  Object.assign(desk, { datasetId, digest: "", filter: {}, version: desk.version + 1 });
  store.set("label.dataset", datasetId);
  search.value = "";
  know([]);
  steps.clear();
  tick();
}

function fill(field, options, value) {
  const said = JSON.stringify(options);
  if (field.dataset.said !== said) { field.dataset.said = said; field.replaceChildren(...options.map(([key, text]) => make("option", { value: key, text }))); }
  field.value = value ?? "";
}

function render() {
  const photos = desk.photos;
  const problems = PROBLEMS.map((code) => [code, photos.filter((photo) => problemsOf(photo).includes(code)).length]).filter(([, n]) => n);
  fill(problem, [["", t("label.any_problem")], ...problems.map(([code, n]) => [code, `${problemWords(code)} (${n})`])], desk.filter.problem);
  fill(split, [["", t("label.any_split")], ["train", t("label.to_train")], ["held-out", t("label.held_out")]], desk.filter.split);
  fill(tag, [["", t("label.any_tag")], ...[...new Set(photos.flatMap((photo) => photo.tags))].sort().map((name) => [name, name])], desk.filter.tag);
  gaps.setAttribute("aria-pressed", String(Boolean(desk.filter.gaps)));
  fill(chooser, [...(desk.draft ? [["", desk.draft.name]] : desk.datasets.length ? [] : [["", t("label.no_dataset")]]), ...desk.datasets.map((dataset) => [dataset.id, dataset.name]), ["+", t("label.new_dataset")]], desk.draft ? "" : desk.datasetId);
  const lacking = photos.filter((photo) => photo.gaps.length).length, uncaptioned = photos.filter((photo) => !photo.caption.trim()).length, ready = photos.filter(isReady).length;
  headline.replaceChildren(...(photos.length ? [
    said(t("label.ready", { n: ready, m: photos.length }), { ready: true }), ...problems.map(([code, n]) => said(t("label.count_problem", { n, what: problemWords(code) }), { problem: code })),
    lacking && said(t("label.rights_on", { n: lacking }), { gaps: true }), uncaptioned && said(t("label.without_caption", { n: uncaptioned }), { uncaptioned: true })] : []).filter(Boolean));
  next.textContent = t("label.next", { n: ready });
  next.hidden = add.hidden = !photos.length;
  next.disabled = !ready;
  filters.hidden = side.root.hidden = !photos.length;
  body.classList.toggle("alone", !photos.length);
  clear.hidden = !Object.values(desk.filter).some(Boolean);
  empty.hidden = photos.length > 0 || !desk.loaded || (desk.busy() && !desk.draft) || intake.busy();
  firstField.hidden = Boolean(desk.draft) || desk.datasets.length > 0;
  wall.render();
  count.textContent = t("label.shown", { n: wall.count(), m: photos.length });
  side.render();
}
function said(text, filter) {
  const [name] = Object.keys(filter), on = desk.filter[name] === filter[name];
  return make("button", { class: "quiet part", "aria-pressed": String(on), text, onclick: () => { desk.filter = on ? {} : { ...filter }; search.value = ""; render(); } });
}

/** Watches an ingest that was begun here; its dataset is opened as soon as it has a photo. */
function watch(jobId) {
  desk.jobId = desk.follow = jobId;
  if (!jobId) desk.job = null;
  store.set("label.job", jobId);
  if (jobId) tick();
}

let asking = null;
/** Asks Python what there is now; one question at a time. */
function tick() {
  asking = (asking || Promise.resolve()).then(look, look);
  return asking;
}
async function look() {
  const version = desk.version;
  const state = await ask("state", { brand: brand(), dataset_id: desk.datasetId, draft: Boolean(desk.draft), digest: desk.digest, job_id: desk.jobId });
  // What was changed while the answer was under way is newer than the answer.
  if (!state || version !== desk.version) return;
  Object.assign(desk, { loaded: true, datasets: state.datasets, job: state.job });
  const job = state.job;
  if (job && job.id !== desk.jobId) { desk.jobId = job.id; store.set("label.job", job.id); }
  const made = job && job.id === desk.follow && state.datasets.find((dataset) => dataset.name === job.dataset);
  if (made) {
    desk.follow = "";
    if (made.id !== desk.datasetId) { go(made.id); return; }
  }
  if (!desk.draft) desk.datasetId = state.dataset_id;
  desk.digest = state.digest;
  if (state.photos) know(state.photos);
  if (!intake.busy()) intake.show(job);
  render();
}
poll(element, () => (desk.busy() ? 1000 : 5000), tick);
on("brand-changed", () => { captions.flush(); desk.version += 1; if (element.isConnected) tick(); });

const some = () => desk.chosen.size > 0;
const step = (name, words, more, amount, rows) => [
  { key: name, words, run: () => wall.move(amount, { rows }) },
  { key: `Shift+${name}`, words: more, run: () => wall.move(amount, { rows, extend: true }) },
];
keys(element, t("page.label"), [
  ...step("ArrowRight", t("label.key_move"), t("label.key_extend"), 1, false), ...step("ArrowLeft", "", "", -1, false), ...step("ArrowDown", t("label.key_row"), "", 1, true), ...step("ArrowUp", "", "", -1, true),
    { key: "Ctrl+a", words: t("label.key_all"), run: wall.all },
  { key: "Escape", words: t("label.key_none"), run: () => wall.choose([]), when: some },
  { key: " ", words: t("label.key_toggle"), run: wall.toggle, when: wall.focused },
  { key: "Enter", words: t("label.key_caption"), run: wall.edit, when: wall.focused },
  ...Array.from({ length: 9 }, (_, at) => ({ key: String(at + 1), words: at === 0 ? t("label.key_tag") : "", run: () => side.toggleTag(at), when: some })),
  { key: "Delete", words: t("label.key_remove"), run: () => change.remove([...desk.chosen].map(desk.find)), when: some },
  { key: "Ctrl+z", words: t("page.undo"), run: async () => { await captions.flush(); if (!(await steps.undo()) && desk.chosen.size === 1) captions.undo([...desk.chosen]); } },
]);
