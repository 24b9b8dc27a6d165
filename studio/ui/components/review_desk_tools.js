// The bar above the grid: filters, order, size, and the jobs that measure and decide by rule.
function makeTools(desk) {
  const batches = new Map();
  const selects = {};

  function select(name, title) {
    selects[name] = make("select", { "aria-label": title, title, "data-testid": `review-${name}`, onchange: () => {
      desk.filter[name] = selects[name].value;
      if (name === "batch") { desk.limit = STEP; desk.load(); } else desk.apply();
    } });
    return selects[name];
  }
  function fill(box, options, value) {
    const said = JSON.stringify(options);
    if (box.dataset.said !== said) {
      box.dataset.said = said;
      box.replaceChildren(...options.map(([key, text]) => make("option", { value: key, text })));
    }
    box.value = value;
  }

  const text = make("input", { type: "search", class: "words", placeholder: t("review.search"), title: t("review.search_in"), "aria-label": t("review.search_in"), "data-testid": "review-search", oninput: () => { desk.filter.text = text.value.trim().toLowerCase(); desk.apply(); } });
  const order = make("select", { "aria-label": t("review.sort"), title: t("review.sort"), "data-testid": "review-sort", onchange: () => { desk.sort = order.value; store.set("review-sort", desk.sort); desk.apply(); } });
  const direction = make("button", { class: "quiet", "data-testid": "review-direction", onclick: () => { desk.upward = !desk.upward; store.set("review-upward", desk.upward ? "yes" : "no"); desk.apply(); } });
  const size = make("input", { type: "range", min: "96", max: "320", step: "4", value: store.get("review-size", "148"), "aria-label": t("review.size"), title: t("review.size"), oninput: () => { grid.size(size.value); store.set("review-size", size.value); } });
  const count = make("span", { class: "hint count", "data-testid": "review-count" });
  const working = make("span", { class: "hint working", role: "status", "data-testid": "review-working" });
  const measure = make("button", { "data-testid": "review-measure", onclick: () => submit("measure") });
  const limits = make("select", { "aria-label": t("review.limits"), "data-testid": "review-rules" });
  const byRule = make("button", { "data-testid": "review-by-rule", onclick: () => { more.open = false; submit("rule_review"); } });
  const moveOn = make("input", { type: "checkbox", onchange: () => { desk.moveOn = moveOn.checked; store.set("review-move-on", moveOn.checked ? "yes" : "no"); } });
  const name = make("input", { type: "text", maxlength: "60", value: desk.name(), "data-testid": "review-name", autocomplete: "name", onchange: () => { store.set("review-name", name.value.trim()); bar.show(); } });
  const nameField = make("label", {}, make("span", { text: t("review.your_name") }), name, make("small", { text: t("review.name_hint") }));
  const more = make("details", { class: "more", "data-testid": "review-more" }, make("summary", { text: t("review.more") }),
    make("div", { class: "menu" }, nameField,
      make("label", { class: "check" }, moveOn, make("span", { text: t("review.move_on") })),
      make("label", {}, make("span", { text: t("review.limits") }), limits), byRule, make("small", { text: t("review.rule_hint") })));
  moveOn.checked = desk.moveOn;
  more.addEventListener("focusout", (event) => { if (event.relatedTarget && !more.contains(event.relatedTarget)) more.open = false; });

  const root = make("div", { class: "bar tools" },
    select("verdict", t("review.filter_verdict")), select("batch", t("review.filter_batch")), select("sku", t("review.filter_sku")),
    select("rating", t("review.filter_rating")), select("author", t("review.filter_author")), text,
    count, make("span", { class: "space" }), working, order, direction, size, measure, more);
  // A choice made with the pointer gives the keys back to the grid; one made with the keyboard may go on.
  let byPointer = false;
  root.addEventListener("pointerdown", () => { byPointer = true; });
  root.addEventListener("keydown", () => { byPointer = false; });
  root.addEventListener("change", (event) => { if (byPointer && event.target.matches(".tools > select")) grid.mark(true); });
  text.addEventListener("keydown", (event) => { if (event.key === "Enter") grid.mark(true); });
  // Escape leaves a field or the menu and gives the keys back to the grid.
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    more.open = false;
    grid.mark(true);
    if (root.contains(document.activeElement)) document.activeElement.blur();
  });

  const started = (at) => new Date(at).toLocaleString(window.sasage.language, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" });

  /** The choices, from what is loaded; batches that were seen once stay, so that a filter can be changed. */
  function options() {
    for (const row of desk.rows) {
      const known = batches.get(row.batch);
      if (!known || row.at < known.at) batches.set(row.batch, { at: row.at });
    }
    if (desk.filter.batch && !batches.has(desk.filter.batch)) batches.set(desk.filter.batch, { at: null });
    const skus = [...new Set(desk.rows.map((row) => row.sku))].filter(Boolean).sort();
    const people = [...new Set(desk.rows.flatMap((row) => Object.keys(row.people)))].sort();
    const measures = [...new Set([...desk.rules.flatMap((rules) => Object.keys(rules.sides)), ...desk.rows.flatMap((row) => Object.keys(row.measures || {}))])];
    const first = [...batches].sort(([, a], [, b]) => (a.at < b.at ? 1 : -1));
    fill(selects.batch, [["", t("review.all_batches")], ...first.map(([id, { at }]) => [id, at ? started(at) : id])], desk.filter.batch);
    fill(selects.sku, [["", t("review.all_skus")], ...skus.map((sku) => [sku, sku])], desk.filter.sku);
    fill(selects.verdict, [["", t("review.all_verdicts")], ...["undecided", "approved", "rejected", "split"].map((key) => [key, t(`review.${key}`)])], desk.filter.verdict);
    fill(selects.rating, [["", t("review.all_ratings")], ...[5, 4, 3, 2].map((n) => [String(n), n === 5 ? "5 ★" : t("review.at_least", { n })]), ["0", t("review.unrated")]], desk.filter.rating);
    fill(selects.author, [["", t("review.all_people")], ...people.map((author) => [author, desk.who(author)])], desk.filter.author);
    fill(order, [["newest", t("review.sort_newest")], ["rating", t("review.sort_rating")], ...measures.map((key) => [key, measureTitle(key)])], desk.sort);
    fill(limits, desk.rules.map((rules) => [rules.name, ruleTitle(rules.name)]), limits.value || "default");
  }

  const subjects = () => (desk.chosen.size > 1 ? desk.targets() : desk.shown.map((row) => row.id));
  function show() {
    const n = subjects().length;
    const chosen = desk.chosen.size > 1 ? t("review.chosen", { n: desk.chosen.size }) : "";
    count.textContent = chosen || (desk.shown.length === desk.total ? t("review.count", { n: desk.total }) : t("review.count_of", { n: desk.shown.length, total: desk.total }));
    measure.textContent = t("review.measure", { n });
    byRule.textContent = t("review.decide_by_rule", { n });
    measure.disabled = byRule.disabled = !n;
    direction.textContent = desk.upward ? "↑" : "↓";
    direction.title = t(desk.upward ? "review.rising" : "review.falling");
    direction.setAttribute("aria-label", direction.title);
    nameField.hidden = desk.person !== "local";
    root.classList.toggle("idle", !desk.rows.length && !desk.filter.batch);
    for (const box of Object.values(selects)) box.classList.toggle("set", Boolean(box.value));
  }

  let mine = null;
  async function submit(action) {
    const id = await ask(action, { ids: subjects(), rules: limits.value || "default" });
    if (!id) return;
    mine = id;
    working.textContent = t("review.queued");
    emit("job-submitted");
  }
  on("jobs", (jobs) => {
    if (!element.isConnected) return;
    const open = jobs.find((job) => ["measure", "rule-review"].includes(job.kind) && ["running", "waiting"].includes(job.status));
    const own = jobs.find((job) => job.id === mine);
    working.textContent = !open ? "" : open.status === "waiting" ? t("review.waiting", { n: open.place })
      : t("review.measuring", { done: open.done, total: open.total || "…", left: open.seconds_left === null ? "" : t("jobs.left", { time: duration(open.seconds_left) }) });
    if (own && !["running", "waiting"].includes(own.status)) {
      mine = null;
      if (own.status === "failed") toast(plain(own.error), { kind: "error" });
      desk.load();
    }
  });

  function clear() {
    const reload = Boolean(desk.filter.batch);
    for (const key of Object.keys(desk.filter)) desk.filter[key] = "";
    text.value = "";
    options();
    if (reload) desk.load(); else desk.apply();
  }
  return { element: root, options, show, clear, focus: () => selects.verdict.focus() };
}
