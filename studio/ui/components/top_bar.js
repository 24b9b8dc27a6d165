// The top bar and the jobs drawer. Asks for jobs every second while something runs, every four seconds otherwise.
const { store, duration, moment, poll, keys, showKeys, language, brand, setBrand } = window.sasage;

const count = make("span", { class: "count" });
const line = make("i");
const jobsButton = make("button", { class: "jobs-button", "aria-expanded": "false", "data-testid": "jobs-button", onclick: toggle },
  make("span", { text: t("page.jobs") }), count, make("span", { class: "thin" }, line));
const modelsButton = make("button", { class: "quiet", title: t("models.open_help"), text: t("models.title"), "data-testid": "models-button", onclick: () => window.sasage.emit("open-models", {}) });
const languageButton = make("button", { class: "quiet", "data-testid": "language", text: t("page.language_button"), onclick: () => {
  store.set("language", language === "en" ? "ja" : "en"); location.reload();
} });
const themeButton = make("button", { class: "quiet", "data-testid": "theme", "aria-label": t("page.theme_button"), title: t("page.theme_button"), text: "◐", onclick: () => {
  const next = document.documentElement.dataset.theme === "light" ? "dark" : "light";
  document.documentElement.dataset.theme = next; store.set("theme", next);
} });
const keysButton = make("button", { class: "quiet", "data-testid": "keys", "aria-label": t("page.keys_button"), title: t("page.keys_button"), text: "?", onclick: showKeys });
const drawer = make("aside", { class: "jobs-drawer", hidden: true, "aria-label": t("page.jobs"), "data-testid": "jobs-drawer" });
const brandPlace = make("span", { class: "brand" });
element.append(
  make("div", { class: "names" }, make("strong", { class: "studio-name", text: t("page.title") }), brandPlace),
  make("nav", { class: "tools" }, modelsButton, jobsButton, languageButton, themeButton, keysButton),
  drawer,
);

function toggle() {
  drawer.hidden = !drawer.hidden;
  jobsButton.setAttribute("aria-expanded", String(!drawer.hidden));
}
keys(element, t("page.title"), [
  { key: "?", words: t("page.keys"), run: showKeys },
  { key: "Escape", run: toggle, when: () => !drawer.hidden },
]);

// Gradio chose the words of its tab buttons by the browser's language before this script ran: a choice made here wins.
for (const button of document.querySelectorAll(".stage-tabs [role=tab][data-tab-id]")) {
  const text = [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  if (text) text.textContent = t(`page.${button.dataset.tabId}`);
}

/** One brand stands there by name, several to choose from. A brand that no product carries any more is forgotten. */
const brandList = make("select", { "aria-label": t("page.brand"), title: t("page.brand"), "data-testid": "brand", onchange: () => setBrand(brandList.value) });
let brands = null;
async function showBrands() {
  const found = await ask("brands");
  if (!found || JSON.stringify(found) === JSON.stringify(brands)) return;
  brands = found;
  if (brands.length < 2 || !brands.includes(brand())) setBrand("");
  brandList.replaceChildren(make("option", { value: "", text: t("page.all_brands") }), ...brands.map((name) => make("option", { value: name, text: name })));
  brandList.value = brand();
  brandPlace.replaceChildren(...(brands.length > 1 ? [brandList] : brands.map((name) => make("span", { class: "hint", title: t("page.brand"), text: name, "data-testid": "brand" }))));
  document.documentElement.style.setProperty("--names", brands.length ? "316px" : "176px");
}
window.sasage.on("products-changed", showBrands);
window.sasage.on("brand-changed", () => { brandList.value = brand(); });

let active = false;
let lost = null;
let last = "";
async function refresh() {
  let found;
  try { found = await ask("jobs"); } catch (error) {
    lost = lost || window.sasage.toast(t("page.lost"), { kind: "error", stay: 0 });
    throw error;
  }
  if (lost) { lost.remove(); lost = null; }
  if (!found) return;
  const open = found.jobs.filter((job) => job.status === "running" || job.status === "waiting");
  active = open.length > 0;
  count.textContent = open.length ? String(open.length) : "";
  const running = open.find((job) => job.status === "running" && job.total);
  line.style.width = running ? `${(100 * running.done) / running.total}%` : "0";
  window.sasage.emit("jobs", found.jobs);
  const now = JSON.stringify(found);
  if (now !== last) {
    last = now;
    show(found);
    if (!brands || !open.length) await showBrands(); // what has just ended may have brought products
  }
}

function show(found) {
  const rows = found.jobs.map((job) => row(job, found.person));
  drawer.replaceChildren(make("header", {}, make("h2", { text: t("page.jobs") }), make("button", { class: "quiet", "aria-label": t("page.close"), text: "×", onclick: toggle })),
    ...(rows.length ? rows : [make("p", { class: "hint", text: t("jobs.none") })]));
}

function row(job, person) {
  const open = job.status === "running" || job.status === "waiting";
  const state = job.status === "waiting" ? t("jobs.waiting", { n: job.place }) : job.stopping && open ? t("jobs.stopping") : t(`jobs.${job.status}`);
  const left = job.status === "running" && job.seconds_left !== null ? t("jobs.left", { time: duration(job.seconds_left) }) : "";
  const sign = { done: "✓", failed: "!", quarantined: "!", cancelled: "–" }[job.status] || "";
  const buttons = [];
  if (open && !job.stopping) buttons.push(make("button", { text: t("page.cancel"), "data-testid": "cancel-job", onclick: async () => { await ask("cancel", { id: job.id }); refresh(); } }));
  if (["failed", "cancelled", "quarantined"].includes(job.status)) buttons.push(make("button", { text: t("page.retry"), onclick: async () => { await ask("retry", { id: job.id }); refresh(); } }));
  return make("article", { class: `job ${job.status}`, "data-testid": "job" },
    make("div", { class: "job-line" }, make("strong", { text: t(`jobs.kind_${job.kind}`, { title: job.title }) }), make("span", { class: "space" }), ...buttons),
    make("div", { class: "hint", text: [sign, state, plain(job.note), left].filter(Boolean).join("  ") }),
    job.status === "running" ? make("progress", { max: job.total || 1, value: job.done, "aria-label": state }) : null,
    job.error ? make("p", { class: "job-error", text: plain(job.error) }) : null,
    make("small", { text: `${job.owner === person ? t("jobs.yours") : job.owner} · ${moment(job.created_at)}` }));
}

poll(element, () => (active || !drawer.hidden ? 1000 : 4000), refresh);
window.sasage.on("job-submitted", refresh);
