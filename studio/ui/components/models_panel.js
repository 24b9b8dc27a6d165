// The models panel: a dialog over every tab. At the left everything by family, at the right the chosen one with what can be
// done. Jobs are heard of from the top bar, so that progress costs no question of its own.
const { duration, moment, emit, on, toast } = window.sasage;

const FAMILIES = ["croquis", "sd15", "sdxl", "z-image"], KINDS = ["base", "controlnet", "ip_adapter", "annotator", "tool"];
const SIGNS = { bundled: "✓", installed: "✓", partial: "◐", damaged: "!", absent: "" };
const COLOURS = { bundled: "good", installed: "good", partial: "warn", damaged: "bad", absent: "" };
const here = (row) => row.state === "bundled" || row.state === "installed";

let found = null, chosen = "", removing = "", jobs = [], heard = null, drafts = {};

const head = make("p", { class: "hint machine", "data-testid": "models-machine" });
const refusal = make("p", { class: "warn refusal", hidden: true });
const list = make("nav", { class: "models-list", "aria-label": t("models.title") });
const detail = make("section", { class: "models-detail", "aria-live": "off", "data-testid": "models-detail" });
const box = make("dialog", { class: "models-dialog", "aria-label": t("models.title"), "data-testid": "models-panel" },
  make("header", {}, make("div", {}, make("h2", { text: t("models.title") }), head, refusal),
    make("button", { class: "quiet", "aria-label": t("page.close"), text: "×", "data-testid": "models-close", onclick: () => box.close() })),
  make("div", { class: "models-body" }, list, detail));
element.append(box);
list.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], rows = [...list.querySelectorAll("button")];
  const next = step && rows[rows.indexOf(document.activeElement) + step];
  if (next) { event.preventDefault(); next.focus(); next.click(); }
});

const gigabytes = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : bytes >= 1e6 ? `${Math.round(bytes / 1e6)} MB` : `${Math.max(1, Math.round(bytes / 1e3))} KB`);
const named = (key, otherwise) => { const words = t(key); return words === key ? otherwise : words; };
const familyOf = (row) => (row.family ? named(`models.family_${row.family}`, row.family) : t(`models.kinds_${row.kind}`));
/** A title under the heading of its family, which it need not say again. */
function shortTitle(row) {
  const title = sentence(row.title), family = familyOf(row);
  return [`, ${family}`, `（${family}）`].reduce((text, end) => (text.endsWith(end) ? text.slice(0, -end.length) : text), title);
}
const sentence = (text) => plain(text.replaceAll(/\s+/g, " ").trim());

/** The job of a thing that runs or waits now, as the top bar has it. */
const running = (name) => jobs.find((job) => job.title === name && ["running", "waiting"].includes(job.status));

function stateWords(row) {
  const job = running(row.name);
  if (job) return t(job.stopping ? "jobs.stopping" : job.status === "waiting" ? "models.waits" : job.kind === "pull" ? "models.pulling" : "models.checking");
  if (row.refused) return t("models.refused");
  return [SIGNS[row.state], t(`models.state_${row.state}`)].filter(Boolean).join(" ");
}
function sizeWords(row) {
  const still = !running(row.name);
  if (still && row.state === "partial") return t(row.pull_bytes_known ? "models.size_partial" : "models.size_partial_open", { have: gigabytes(row.disk_bytes), all: gigabytes(row.pull_bytes) });
  if (still && row.disk_bytes) return gigabytes(row.disk_bytes);
  if (row.pull_bytes_known) return gigabytes(row.pull_bytes);
  return row.pull_bytes > 1e6 ? t("models.size_at_least", { n: gigabytes(row.pull_bytes) }) : t("models.size_unknown");
}
const commercial = (flag) => t(`models.commercial_${flag === null ? "unread" : flag ? "yes" : "no"}`);
const commercialClass = (flag) => (flag === null ? "warn" : flag ? "good" : "bad");

async function load() {
  const answer = await ask("models").catch(() => null);
  if (!answer) return;
  found = answer;
  if (!found.rows.some((row) => row.name === chosen)) chosen = found.rows[0]?.name || "";
  show();
  if (!found.machine) setTimeout(() => { if (box.open) load(); }, 3000); // the device is known once its library is loaded
}

function show() {
  const machine = found.machine;
  head.textContent = [
    machine ? t("models.machine", { device: machine.device === "cuda" ? "GPU" : "CPU", dtype: machine.dtype, memory: gigabytes(machine.memory_bytes) }) : t("models.machine_unknown"),
    t("models.free", { n: gigabytes(found.free_bytes) }),
  ].join("  ·  ");
  head.title = machine ? plain(machine.reason) : "";
  refusal.hidden = found.operator;
  refusal.textContent = t("models.operators_only");
  showList();
  showDetail();
}

function showList() {
  const focused = list.contains(document.activeElement) && document.activeElement.dataset.name;
  const groups = new Map();
  const place = (row) => (row.family ? FAMILIES.indexOf(row.family) + 1 || 50 : 90 + KINDS.indexOf(row.kind));
  const ordered = [...found.rows].sort((one, other) => place(one) - place(other) || KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind));
  for (const row of ordered) groups.set(familyOf(row), [...(groups.get(familyOf(row)) || []), row]);
  list.replaceChildren(...[...groups].map(([title, rows]) => make("section", {}, make("h3", { text: title }), ...rows.map(listRow))));
  if (focused) list.querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus(); // drawn anew, under the same hand
  showProgress();
}
function listRow(row) {
  const open = running(row.name);
  return make("button", { class: "model-row", "aria-pressed": String(row.name === chosen), "data-name": row.name, "data-state": row.state, "data-testid": `model-${row.name}`, onclick: () => choose(row.name) },
    make("span", { class: "model-title" }, make("span", { text: shortTitle(row), title: sentence(row.title) }), row.licence.commercial_use === true ? null : make("span", { class: `${commercialClass(row.licence.commercial_use)} mark`, title: commercial(row.licence.commercial_use), text: row.licence.commercial_use === null ? "?" : "✕" })),
    make("span", { class: `model-state ${open || row.refused ? "" : COLOURS[row.state]}`, text: stateWords(row) }),
    make("span", { class: "model-size", text: sizeWords(row) }),
    open ? make("progress", { "data-job": row.name, max: 1, value: 0, "aria-label": stateWords(row) }) : null);
}
function choose(name) {
  chosen = name; removing = "";
  for (const row of list.querySelectorAll("button")) row.setAttribute("aria-pressed", String(row.dataset.name === name));
  showDetail();
  detail.scrollTop = 0;
}

function showDetail() {
  const row = found.rows.find((one) => one.name === chosen);
  if (!row) { detail.replaceChildren(); return; }
  const focused = detail.contains(document.activeElement) && document.activeElement.dataset.testid;
  detail.dataset.name = row.name;
  detail.replaceChildren(
    make("div", { class: "detail-head" }, make("h2", { text: sentence(row.title) }),
      make("p", { class: "hint" }, make("span", { class: running(row.name) || row.refused ? "" : COLOURS[row.state], "data-testid": "model-state", text: stateWords(row) }), `  ·  ${sizeWords(row)}  ·  ${row.name}`)),
    ...[jobPart(row), whatToDo(row), licencePart(row), memoryPart(row), abilities(row), more(row)].filter(Boolean));
  if (focused) detail.querySelector(`[data-testid="${CSS.escape(focused)}"]`)?.focus();
  showProgress();
}

/** What runs now, or how the last try ended where that still matters. */
function jobPart(row) {
  const open = running(row.name), last = row.job;
  if (open) return make("div", { class: "job-part" }, make("progress", { "data-job": row.name, max: 1, value: 0, "aria-label": stateWords(row) }),
    make("p", { class: "hint", "data-words": row.name, "data-testid": "model-progress" }),
    open.stopping ? null : make("button", { text: t("page.cancel"), "data-testid": "model-cancel", onclick: async () => { await ask("cancel", { job_id: open.id }); emit("job-submitted"); } }));
  const failed = last && ["failed", "quarantined"].includes(last.status);
  if (failed && (last.kind === "verify" ? here(row) || row.state === "damaged" : !here(row))) return make("p", { class: "bad said", "data-testid": "model-error", text: plain(last.error) });
  if (last?.kind === "verify" && last.status === "done" && here(row)) return make("p", { class: "good said", "data-testid": "model-checked", text: t("models.checked", { when: moment(last.finished_at) }) });
  return row.refused ? make("p", { class: "warn said", text: plain(row.refused) }) : null;
}

function whatToDo(row) {
  if (running(row.name)) return null;
  if (removing === row.name) return removal(row);
  const buttons = [];
  if (here(row) || row.state === "damaged") buttons.push(make("button", { text: t("models.verify"), title: t("models.verify_help"), disabled: !found.operator, "data-testid": "model-verify", onclick: () => submit("verify", { name: row.name }) }));
  if (row.state !== "bundled" && row.disk_bytes) buttons.push(make("button", { text: t("models.remove_dots"), disabled: !found.operator, "data-testid": "model-remove", onclick: () => { removing = row.name; showDetail(); detail.querySelector("[data-testid=model-keep]").focus(); } }));
  const line = buttons.length ? make("div", { class: "actions" }, ...buttons) : null;
  return here(row) || row.refused ? line : make("div", { class: "to-do" }, pullForm(row), line);
}

/** Whose name, where from, and the one button: accepts the licence where nobody has, and begins or goes on. */
function pullForm(row) {
  const draft = (drafts[row.name] ||= { by: found.person, folder: row.job?.folder || "" });
  const path = make("input", { type: "text", spellcheck: "false", placeholder: "/mnt/models", "aria-label": t("models.folder"), "data-testid": "model-folder", hidden: !draft.folder, required: Boolean(draft.folder), value: draft.folder, oninput: () => { draft.folder = path.value; } });
  const from = make("select", { "aria-label": t("models.from"), "data-testid": "model-from", onchange: () => { path.hidden = from.value === "hub"; path.required = !path.hidden; if (path.hidden) draft.folder = path.value = ""; else path.focus(); } },
    make("option", { value: "hub", text: t("models.from_hub") }), make("option", { value: "folder", text: t("models.from_folder"), selected: Boolean(draft.folder) }));
  const by = row.accepted_by ? null : make("input", { type: "text", maxlength: 120, autocomplete: "name", readonly: Boolean(found.person), value: draft.by, "data-testid": "model-by", oninput: () => { draft.by = by.value; } });
  const words = row.state === "partial" ? "models.go_on" : row.state === "damaged" ? "models.pull_again" : "models.pull";
  const button = make("button", { class: "primary", type: "submit", disabled: !found.operator, "data-testid": "model-pull", text: by ? t("models.accept_and", { what: t(words) }) : t(`${words}_alone`) });
  return make("form", { class: "pull-form", onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      if (by && !(await ask("accept", { name: row.name, by: by.value }))) return;
      if (!(await submit("pull", { name: row.name, folder: path.hidden ? "" : path.value }))) await load(); // the licence may be accepted now
    } finally { button.disabled = !found.operator; }
  } },
    by ? make("p", { class: "accept-words" }, make("span", { text: t("models.accept_words", { licence: plain(row.licence.name) }) }), " ", make("strong", { class: commercialClass(row.licence.commercial_use), text: commercial(row.licence.commercial_use) })) : null,
    by ? make("label", {}, make("span", { text: t("models.by") }), by) : null,
    make("label", {}, make("span", { text: t("models.from") }), make("span", { class: "from" }, from, path)), button);
}

function removal(row) {
  const trained = row.brand_models.length ? t("models.remove_trained", { names: row.brand_models.join(", ") }) : "";
  return make("div", { class: "removal", role: "alertdialog", "aria-label": t("models.remove_dots") },
    make("p", { text: [t("models.remove_words", { title: sentence(row.title), size: gigabytes(row.disk_bytes) }), trained].filter(Boolean).join(" ") }),
    make("div", { class: "actions" },
      make("button", { text: t("models.remove"), "data-testid": "model-remove-now", onclick: () => remove(row) }),
      make("button", { text: t("models.keep"), "data-testid": "model-keep", onclick: () => { removing = ""; showDetail(); } })));
}

const part = (words, ...content) => make("section", { class: "detail-part" }, make("h3", { text: t(words) }), ...content);
function licencePart(row) {
  const { licence } = row;
  return part("models.licence",
    make("p", {}, make("strong", { text: plain(licence.name) }), " ", make("span", { class: commercialClass(licence.commercial_use), "data-testid": "model-commercial", text: commercial(licence.commercial_use) })),
    make("p", { class: "hint", text: sentence(licence.source) }),
    row.accepted_by ? make("p", { "data-testid": "model-accepted", text: t("models.accepted", { who: row.accepted_by, when: moment(row.accepted_at) }) }) : null);
}
function memoryPart(row) {
  if (!row.memory.length) return null;
  const has = found.machine?.memory_bytes;
  const most = Math.max(has || 0, ...row.memory.map((need) => need.weights_bytes));
  const line = ({ dtype, offload, weights_bytes, fits }) => make("div", { class: "memory-line" },
    make("span", { text: `${dtype}, ${t(offload ? "models.in_turn" : "models.at_once")}` }),
    make("span", { class: "meter", "aria-hidden": "true" }, make("i", { style: { width: `${(100 * weights_bytes) / most}%` } }), has ? make("b", { style: { left: `calc(${(100 * has) / most}% - 2px)` }, title: t("models.memory_here") }) : null),
    make("span", { class: "number", text: gigabytes(weights_bytes) }),
    make("span", { class: fits === null ? "hint" : fits ? "good" : "bad", text: fits === null ? "" : t(fits ? "models.fits" : "models.too_large") }));
  const twice = row.memory.some((need) => need.dtype === "fp32") ? t("models.fp32_twice") : "";
  return part("models.memory", ...row.memory.map(line), make("p", { class: "hint", text: [sentence(row.memory_source), twice].filter(Boolean).join(" ") }));
}
function abilities(row) {
  if (!row.can.length && !Object.keys(row.cannot).length) return null;
  const able = (thing) => named(`models.can_${thing.replace(":", "_")}`, thing.split(":").at(-1));
  const titleOf = (name) => { const other = found.rows.find((one) => one.name === name); return other ? sentence(other.title) : name; };
  return part("models.abilities",
    make("div", { class: "chips" }, ...row.can.map((thing) => make("span", { class: "chip" }, make("span", { class: "good", text: "✓" }), able(thing)))),
    ...Object.entries(row.needs).map(([thing, name]) => make("p", { class: "lack" }, make("span", { text: able(thing) }), make("span", { class: "hint", text: t("models.needs") }), make("button", { class: "quiet", text: titleOf(name), onclick: () => reveal(name) }))),
    ...Object.entries(row.cannot).map(([thing, reason]) => make("p", { class: "lack off", "data-testid": `cannot-${thing}` }, make("span", { text: able(thing) }), make("span", { class: "hint", text: plain(reason) }))));
}
function more(row) {
  if (!row.notes && !row.sources.length) return null;
  return part("models.notes", row.notes ? make("p", { text: sentence(row.notes) }) : null, row.sources.length ? make("p", { class: "hint", text: [...new Set(row.sources)].join(", ") }) : null);
}

async function submit(action, message) {
  const id = await ask(action, message);
  if (!id) return false;
  emit("job-submitted");
  return true;
}
async function remove(row) {
  const freed = await ask("remove", { name: row.name });
  removing = "";
  if (freed !== null) { toast(t("models.removed", { title: sentence(row.title), size: gigabytes(freed) })); emit("models-changed"); }
  await load();
}

/** Bars and words of what runs now, in their places: nothing else is drawn anew while it goes on. */
function showProgress() {
  for (const bar of box.querySelectorAll("progress[data-job]")) {
    const job = running(bar.dataset.job);
    if (job?.total) Object.assign(bar, { max: job.total, value: job.done });
  }
  const line = detail.querySelector("[data-words]"), job = line && running(line.dataset.words);
  if (!job) return;
  const size = (mebibytes) => gigabytes(mebibytes * 2 ** 20);
  line.textContent = [stateWords({ name: line.dataset.words }), job.total ? t("models.done_of", { done: size(job.done), total: size(job.total) }) : "",
    job.seconds_left === null ? "" : t("jobs.left", { time: duration(job.seconds_left) }), plain(job.note)].filter(Boolean).join("  ·  ");
}

on("jobs", (all) => {
  if (!element.isConnected) return;
  jobs = all.filter((job) => job.kind === "pull" || job.kind === "verify");
  const now = jobs.map((job) => `${job.id} ${job.status} ${job.stopping}`).join("\n");
  if (now === heard) { if (box.open) showProgress(); return; }
  const first = heard === null;
  heard = now;
  if (box.open) load();
  if (!first) emit("models-changed");
});

function reveal(name) {
  if (found?.rows.some((row) => row.name === name)) choose(name);
  list.querySelector(`[data-name="${CSS.escape(name)}"]`)?.scrollIntoView({ block: "nearest" });
}
async function openPanel(name = "") {
  if (!element.isConnected) return;
  if (name) chosen = name;
  if (!box.open) box.showModal();
  await load();
  reveal(chosen);
}
on("open-models", (detail) => openPanel(detail?.name));
