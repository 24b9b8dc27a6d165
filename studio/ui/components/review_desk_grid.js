// The grid: one cell a picture, kept for as long as its picture is shown, so that filters and news move no image twice.
const SIGNS = { approved: "✓", rejected: "✕", undecided: "" };

/** A measure's value as people read it: with few digits, and its unit where it has one that is a word. */
function measured(name, value) {
  if (value === null || value === undefined) return "";
  if (name === "joints_read") return `${Math.round(100 * value)} %`;
  if (name === "copy_similarity") return value.toFixed(2);
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)}${name.startsWith("pose_mm") ? " mm" : ""}`;
}

function ruleTitle(name) {
  const said = t(`review.rule_${name}`);
  return said.startsWith("review.") ? desk.rules.find((rules) => rules.name === name)?.title || name : said;
}

function measureTitle(name) {
  const said = t(`review.measure_${name}`);
  return said.startsWith("review.") ? name.replaceAll("_", " ") : said;
}

function makeGrid(desk) {
  const cells = new Map();
  const list = make("div", { class: "grid", role: "listbox", "aria-multiselectable": "true", "aria-label": t("review.pictures"), "data-testid": "review-grid" });
  const older = make("button", { class: "older", "data-testid": "review-older", hidden: true, onclick: () => { desk.limit += STEP; desk.load(); } });
  const nothing = make("div", { class: "empty", hidden: true });
  const root = make("div", { class: "grid-frame" }, list, older, nothing);

  function cell(row) {
    const image = make("img", { loading: "lazy", decoding: "async", draggable: "false", onerror: () => box.classList.add("lost") });
    const parts = { image, sign: make("span", { class: "sign" }), number: make("span", { class: "number" }), split: make("span", { class: "split warn", title: t("review.split"), text: "≠" }), value: make("span", { class: "value" }), rating: make("span", { class: "rating" }) };
    const box = make("div", { class: "cell", role: "option", tabindex: "-1", "data-testid": "review-cell", "data-id": row.id },
      make("div", { class: "frame" }, image, make("span", { class: "gone", text: t("review.lost") })),
      make("div", { class: "foot" }, parts.sign, parts.number, parts.split, make("span", { class: "space" }), parts.value, parts.rating));
    box.addEventListener("click", (event) => desk.choose(row.id, event.shiftKey ? "range" : event.ctrlKey || event.metaKey ? "more" : "one"));
    box.addEventListener("dblclick", () => desk.openViewer([row.id]));
    return { box, parts, said: "" };
  }

  function fill(row) {
    const { box, parts } = cells.get(row.id);
    const bySort = !["newest", "rating"].includes(desk.sort);
    const [value, within] = (bySort && row.measures?.[desk.sort]) || [null, null];
    const said = JSON.stringify([row.sha, row.number, row.verdict, row.rating, row.people, row.lost, bySort && desk.sort, value]);
    if (cells.get(row.id).said === said) return;
    cells.get(row.id).said = said;
    const verdict = t(`review.${row.verdict}`);
    parts.image.alt = t("review.picture_alt", { n: row.number, prompt: row.prompt });
    if (!row.lost && parts.image.dataset.sha !== row.sha) { parts.image.dataset.sha = row.sha; parts.image.src = thumbnail(row.sha); }
    box.classList.toggle("lost", row.lost);
    box.dataset.verdict = row.verdict;
    box.setAttribute("aria-label", [t("review.picture_n", { n: row.number }), verdict, row.rating ? t("review.rated", { n: row.rating }) : "", row.prompt].filter(Boolean).join(", "));
    parts.sign.textContent = SIGNS[row.verdict];
    parts.sign.title = verdict;
    parts.number.textContent = String(row.number);
    parts.split.hidden = new Set(Object.entries(row.people).filter(([author, [v]]) => !author.startsWith("rule:") && v !== "undecided").map(([, [v]]) => v)).size < 2;
    parts.value.textContent = bySort ? measured(desk.sort, value) || t("review.not_measured") : "";
    parts.value.className = `value ${within === false ? "bad" : within === true ? "good" : ""}`;
    parts.rating.textContent = row.rating ? `${row.rating} ★` : "";
  }

  /** Draws what has changed. Cells are moved only when the order is another one. */
  function show() {
    for (const row of desk.shown) {
      if (!cells.has(row.id)) cells.set(row.id, cell(row));
      fill(row);
    }
    const order = desk.shown.map((row) => cells.get(row.id).box);
    const same = order.length === list.children.length && order.every((box, place) => list.children[place] === box);
    if (!same) {
      const focused = list.contains(document.activeElement);
      const top = root.scrollTop;
      list.replaceChildren(...order);
      root.scrollTop = top;
      if (focused && desk.current) cells.get(desk.current).box.focus({ preventScroll: true });
    }
    for (const id of cells.keys()) if (!desk.byId.has(id)) cells.delete(id);
    older.hidden = desk.rows.length >= desk.total || !desk.rows.length;
    older.textContent = t("review.older", { n: desk.total - desk.rows.length });
    showNothing();
    mark(false);
  }

  function showNothing() {
    const none = desk.mark !== null && !desk.shown.length;
    if (nothing.hidden === !none && nothing.dataset.rows === String(desk.rows.length)) return;
    nothing.hidden = !none;
    list.hidden = none;
    nothing.dataset.rows = String(desk.rows.length);
    const filtered = desk.rows.length > 0 || desk.filter.batch;
    const act = filtered
      ? make("button", { text: t("review.clear"), onclick: () => tools.clear() })
      : make("button", { class: "primary", "data-testid": "review-to-canvas", text: t("review.open_canvas"), onclick: () => window.sasage.open("canvas") });
    nothing.replaceChildren(make("p", { text: t(filtered ? "review.none_match" : "review.empty") }), ...(filtered ? [] : [make("span", { text: t("review.empty_more") })]), act);
  }

  /** Which cells are chosen, which one is current; `focus` also brings it into sight. */
  function mark(focus) {
    for (const row of desk.shown) {
      const { box } = cells.get(row.id);
      const chosen = desk.chosen.has(row.id), current = row.id === desk.current;
      if (box.getAttribute("aria-selected") !== String(chosen)) box.setAttribute("aria-selected", String(chosen));
      if (box.classList.contains("current") !== current) { box.classList.toggle("current", current); box.tabIndex = current ? 0 : -1; }
      if (current && focus && !viewer.open()) { box.focus({ preventScroll: true }); box.scrollIntoView({ block: "nearest" }); }
    }
  }

  const columns = () => getComputedStyle(list).gridTemplateColumns.split(" ").length;
  const size = (px) => list.style.setProperty("--cell", `${px}px`);
  size(store.get("review-size", "148"));
  return { element: root, show, mark, columns, size };
}
