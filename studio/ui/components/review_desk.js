// The review tab: what is loaded, shown, chosen and decided. The parts beside this file draw it:
// _tools (filters and jobs), _grid, _viewer (one picture, or two to four), _info (settings, measures), _bar (decisions).
const { store, keys, on, emit, poll, toast, thumbnail, picture, moment, duration, brand } = window.sasage;
const STEP = 600;
const EVERY_MS = 3000;

const desk = {
  rows: [], byId: new Map(), shown: [], total: 0, limit: STEP, mark: null, person: "local", rules: [],
  current: null, anchor: null, chosen: new Set(), rejecting: false, done: [],
  filter: { batch: "", sku: "", verdict: "", rating: "", author: "", text: "" },
  sort: store.get("review-sort", "newest"), upward: store.get("review-upward", "no") === "yes",
  moveOn: store.get("review-move-on", "yes") === "yes",
  /** Pictures that a decision is about: those side by side: the active one; in the grid: all chosen ones. */
  targets() {
    if (viewer.open()) return viewer.active() ? [viewer.active()] : [];
    return desk.chosen.size > 1 ? desk.shown.filter((row) => desk.chosen.has(row.id)).map((row) => row.id) : desk.current ? [desk.current] : [];
  },
  row: (id) => desk.byId.get(id),
  /** The name that decisions carry, as a person wants to read it. */
  who(author) {
    if (author.startsWith("rule:")) return t("review.by_rule", { name: ruleTitle(author.slice(5)) });
    return author === "local" ? t("review.local_person") : author;
  },
  /** What a rule noted is said in the page's language; what a person wrote stays as it is. */
  note: ({ author, note }) => (author.startsWith("rule:") ? plain(note) : note),
  name: () => store.get("review-name", ""),
  load, apply, choose, step, decide, undo, reject, openViewer, closeViewer,
};
const viewer = makeViewer(desk);
const grid = makeGrid(desk);
const tools = makeTools(desk);
const pictureTools = window.sasage.pictureTools(element, ask);
const bar = makeBar(desk);
element.append(tools.element, grid.element, bar.element, viewer.element);

let loads = 0;
async function load() {
  const turn = ++loads;
  const found = await ask("rows", { batch: desk.filter.batch, limit: desk.limit, brand: brand() });
  if (!found || turn !== loads) return; // a newer one is on its way
  if (!desk.rules.length) desk.rules = (await ask("rules")) || [];
  Object.assign(desk, { rows: found.rows, total: found.total, mark: found.mark, person: found.person });
  desk.byId = new Map(desk.rows.map((row) => [row.id, row]));
  desk.chosen = new Set([...desk.chosen].filter((id) => desk.byId.has(id)));
  tools.options();
  apply();
}

/** Rows that came back from a decision take the place of the old ones. */
function patch(rows) {
  for (const row of rows) {
    const old = desk.byId.get(row.id);
    if (old) Object.assign(old, row);
  }
  tools.options();
  apply();
}

/** Filters and sorts anew and draws what has changed; focus and scroll stay. */
function apply() {
  const before = desk.shown.findIndex((row) => row.id === desk.current);
  desk.shown = sorted(desk.rows.filter(passes));
  if (!desk.shown.some((row) => row.id === desk.current)) {
    desk.current = desk.shown.length ? desk.shown[Math.max(0, Math.min(before, desk.shown.length - 1))].id : null;
  }
  const visible = new Set(desk.shown.map((row) => row.id));
  desk.chosen = new Set([...desk.chosen].filter((id) => visible.has(id)));
  if (!desk.chosen.size && desk.current) desk.chosen = new Set([desk.current]);
  redraw();
}

function redraw() { grid.show(); tools.show(); bar.show(); viewer.show(); }

function passes(row) {
  const f = desk.filter;
  const verdicts = new Set(Object.entries(row.people).filter(([author, [verdict]]) => !author.startsWith("rule:") && verdict !== "undecided").map(([, [verdict]]) => verdict));
  return (!f.sku || row.sku === f.sku)
    && (!f.verdict || (f.verdict === "split" ? verdicts.size > 1 : row.verdict === f.verdict))
    && (!f.rating || (f.rating === "0" ? !row.rating : (row.rating || 0) >= Number(f.rating)))
    && (!f.author || f.author in row.people)
    && (!f.text || `${row.prompt} ${row.sku} ${row.seed}`.toLowerCase().includes(f.text));
}

/** By time, by rating or by a measure; what was not measured comes last either way. */
function sorted(rows) {
  const sign = desk.upward ? 1 : -1;
  const value = (row) => (desk.sort === "newest" ? row.number : desk.sort === "rating" ? row.rating : row.measures?.[desk.sort]?.[0]) ?? null;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null) || b.number - a.number;
    return sign * (x - y) || b.number - a.number;
  });
}

/** One picture becomes the current one. how: "one", "more" (adds or takes away), "range" (from the last one chosen). */
function choose(id, how = "one") {
  if (how === "more") {
    if (desk.chosen.has(id) && desk.chosen.size > 1) desk.chosen.delete(id); else desk.chosen.add(id);
    desk.anchor = id;
  } else if (how === "range") {
    const places = [desk.anchor ?? desk.current ?? id, id].map((one) => desk.shown.findIndex((row) => row.id === one));
    desk.chosen = new Set(desk.shown.slice(Math.max(0, Math.min(...places)), Math.max(...places) + 1).map((row) => row.id));
  } else {
    desk.chosen = new Set([id]);
    desk.anchor = id;
  }
  desk.current = id;
  desk.rejecting = false;
  grid.mark(true); tools.show(); bar.show();
}

function step(by, how = "one") {
  if (viewer.open() && viewer.count() > 1) { viewer.stepPane(Math.sign(by)); return; }
  const place = desk.shown.findIndex((row) => row.id === desk.current);
  const next = desk.shown[Math.max(0, Math.min(desk.shown.length - 1, place + by))];
  if (!next) return;
  choose(next.id, how);
  if (viewer.open()) viewer.set([next.id]);
}

/** A decision about the targets; `message` as the action takes it. Moves on after a verdict about a single picture. */
async function decide(message) {
  const ids = desk.targets();
  if (!ids.length) return;
  desk.rejecting = false;
  const answer = await ask("decide", { ids, name: desk.name(), ...message });
  if (!answer) { bar.show(); return; }
  desk.done.push({ ids, name: desk.name() });
  const place = desk.shown.findIndex((row) => row.id === ids[0]);
  const compared = viewer.open() && viewer.count() > 1;
  if (message.verdict && desk.moveOn && ids.length === 1 && !compared && desk.current === ids[0] && place + 1 < desk.shown.length) {
    const next = desk.shown[place + 1].id;
    choose(next);
    if (viewer.open()) viewer.set([next]);
  }
  patch(answer.rows);
  emit("pictures-changed", { from: "review" });
  if (ids.length > 1) toast(t(`review.did_${message.verdict || "rated"}`, { n: ids.length }), { action: { text: t("review.undo"), run: undo } });
}

/** Takes the last decision of this page back; without one, that about the current pictures. */
async function undo() {
  const last = desk.done.pop() || { ids: desk.targets(), name: desk.name() };
  if (!last.ids.length) return;
  const answer = await ask("undo", last);
  if (!answer) return;
  for (const message of answer.kept) toast(plain(message));
  desk.current = last.ids[0];
  desk.chosen = new Set(last.ids);
  if (viewer.open() && viewer.count() === 1) viewer.set([last.ids[0]]);
  patch(answer.rows);
  grid.mark(true);
  emit("pictures-changed", { from: "review" });
}

function reject(begin = true) { desk.rejecting = begin && desk.targets().length > 0; bar.show(); }
function openViewer(ids) { viewer.set(ids); bar.show(); }
function closeViewer() { viewer.close(); grid.mark(true); bar.show(); }

/** The chosen pictures side by side, or the current one and the next. */
function compare() {
  if (viewer.open() && viewer.count() > 1) { viewer.set([viewer.active()]); bar.show(); return; }
  let ids = desk.shown.filter((row) => desk.chosen.has(row.id)).map((row) => row.id);
  if (ids.length < 2) {
    const place = desk.shown.findIndex((row) => row.id === desk.current);
    ids = desk.shown.slice(Math.max(0, Math.min(place, desk.shown.length - 2))).slice(0, 2).map((row) => row.id);
  }
  if (ids.length < 2) { toast(t("review.compare_needs_two")); return; }
  if (ids.length > 4) toast(t("review.compare_four"));
  openViewer(ids.slice(0, 4));
}

function escape() {
  if (desk.rejecting) reject(false);
  else if (viewer.open()) closeViewer();
  else if (desk.current) choose(desk.current);
}

const onButton = () => Boolean(document.activeElement?.closest("button, summary, a"));
const here = () => desk.shown.length > 0;
const columns = () => (viewer.open() ? 1 : grid.columns());
keys(element, t("page.review"), [
  { key: ["ArrowRight", "j"], words: t("review.key_next"), run: () => step(1), when: here },
  { key: ["ArrowLeft", "k"], words: t("review.key_previous"), run: () => step(-1), when: here },
  { key: ["ArrowDown", "ArrowUp"], words: t("review.key_rows"), run: (event) => step(event.key === "ArrowDown" ? columns() : -columns()), when: here },
  { key: "Home", run: () => step(-desk.shown.length), when: here },
  { key: "End", run: () => step(desk.shown.length), when: here },
  { key: ["Shift+ArrowRight", "Shift+ArrowLeft", "Shift+ArrowDown", "Shift+ArrowUp"], words: t("review.key_extend"),
    run: (event) => step({ ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() }[event.key], "range"), when: () => here() && !viewer.open() },
  { key: "x", words: t("review.key_choose"), run: () => choose(desk.current, "more"), when: () => here() && !viewer.open() },
  { key: "Ctrl+a", words: t("review.key_all"), run: () => { desk.chosen = new Set(desk.shown.map((row) => row.id)); redraw(); }, when: () => here() && !viewer.open() },
  ...REASONS.map((reason, place) => ({ key: String(place + 1), run: () => decide(bar.rejection([reason])), when: () => desk.rejecting })),
  { key: ["1", "2", "3", "4", "5"], words: t("review.key_rate"), run: (event) => decide({ rating: Number(event.key) }), when: here },
  { key: "a", words: t("review.approve"), run: () => decide({ verdict: "approved" }), when: here },
  { key: "r", words: t("review.key_reject"), run: () => reject(), when: here },
  { key: ["u", "Ctrl+z"], words: t("review.undo"), run: undo },
  { key: [" ", "Enter"], words: t("review.key_open"), run: () => (viewer.open() ? closeViewer() : openViewer([desk.current])), when: () => here() && !onButton() },
  { key: "z", words: t("review.key_full"), run: () => viewer.full(), when: () => viewer.open() },
  { key: "0", words: t("review.key_fit"), run: () => viewer.fit(), when: () => viewer.open() },
  { key: "c", words: t("review.key_compare"), run: compare, when: here },
  { key: "b", words: t("review.key_hold"), run: () => viewer.hold("product"), when: () => viewer.open() },
  { key: "v", words: t("review.key_hold_previous"), run: () => viewer.hold("previous"), when: () => viewer.open() },
  { key: "i", words: t("review.key_info"), run: () => viewer.toggleInfo(), when: () => viewer.open() },
  { key: "f", words: t("review.key_filter"), run: () => tools.focus(), when: () => !viewer.open() },
  { key: "Escape", words: t("review.key_back"), run: escape },
]);

on("review-batch", ({ batch_id }) => { if (!element.isConnected) return; desk.filter.batch = batch_id; closeViewer(); load(); });
on("brand-changed", () => { if (element.isConnected) load(); });
on("pictures-changed", (detail) => { if (element.isConnected && detail?.from !== "review") load(); });
poll(element, EVERY_MS, async () => {
  if (desk.mark === null) { await load(); return; }
  const mark = await ask("mark");
  if (mark && mark !== desk.mark) await load();
});
