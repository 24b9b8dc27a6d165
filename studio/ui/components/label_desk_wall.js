// The photo wall: thumbnails with badges and captions, filters, and the choice of one or many.

const PROBLEMS = ["blur", "resolution", "crop-loss", "highlights", "shadows", "near-duplicate", "faces"];
const problemsOf = (photo) => photo.findings.filter((finding) => finding.level === "warning").map((finding) => finding.code);
const isReady = (photo) => !problemsOf(photo).length && !photo.gaps.length && photo.caption.trim() !== "";
const problemWords = (code) => (PROBLEMS.includes(code) ? t(`label.problem_${code.replace("-", "_")}`) : code);

/** Whether a photo passes a filter `{problem, split, tag, text, gaps, ready, uncaptioned}`. */
function passes(photo, filter) {
  if (filter.problem && !problemsOf(photo).includes(filter.problem)) return false;
  if (filter.split && photo.split !== filter.split) return false;
  if (filter.tag && !photo.tags.includes(filter.tag)) return false;
  if (filter.gaps && !photo.gaps.length) return false;
  if (filter.ready && !isReady(photo)) return false;
  if (filter.uncaptioned && photo.caption.trim()) return false;
  const text = (filter.text || "").trim().toLowerCase();
  return !text || `${photo.file_name} ${photo.caption} ${photo.tags.join(" ")}`.toLowerCase().includes(text);
}

/** `desk` holds photos and filter; `chosen()` is called whenever the choice changes. */
function photoWall(desk, captions, chosen) {
  const grid = make("div", { class: "wall-grid", role: "group", "aria-label": t("label.wall"), "data-testid": "wall" });
  const nothing = make("p", { class: "hint wall-nothing", text: t("label.nothing_found"), hidden: true });
  const scroller = make("div", { class: "wall", onclick: (event) => { if (event.target === scroller || event.target === grid) choose([]); } }, grid, nothing);
  const tiles = new Map();
  let shownIds = [];
  let anchor = null, focus = null;

  function badges(photo) {
    const found = photo.findings.filter((finding) => finding.level === "warning")
      .map((finding) => make("span", { class: "badge warn", title: plain(finding.message), text: problemWords(finding.code) }));
    if (photo.gaps.length) found.push(make("span", { class: "badge bad", title: photo.gaps.map((gap) => t(`label.gap_${gap}`)).join(", "), text: t("label.rights_missing") }));
    if (photo.split === "held-out") found.push(make("span", { class: "badge", title: t("label.held_out_help"), text: t("label.held_out") }));
    return found;
  }

  function tile(photo) {
    const image = make("img", { loading: "lazy", draggable: "false" });
    const flags = make("div", { class: "badges" });
    const shot = make("div", { class: "shot", role: "checkbox", tabindex: "-1", "data-testid": "shot", onclick: (event) => clicked(event, photo.id), onfocus: () => { focus = photo.id; } },
      image, flags, make("span", { class: "mark", "aria-hidden": "true", text: "✓" }));
    const name = make("span", { class: "file-name" });
    const tags = make("span", { class: "tile-tags" });
    const caption = captions.field(photo, { class: "caption", rows: 3, "data-testid": "caption", onfocus: () => { if (!desk.chosen.has(photo.id)) choose([photo.id]); } });
    const root = make("article", { class: "photo", "data-testid": "photo", "data-id": photo.id, onleave: () => shot.focus() },
      shot, make("div", { class: "tile-line" }, name, tags), caption);
    return { root, shot, image, flags, name, tags, said: "" };
  }

  function refresh(one, photo) {
    const said = JSON.stringify(photo);
    captions.refresh(photo);
    if (one.said === said) return;
    one.said = said;
    const source = window.sasage.thumbnail(photo.sha256, photo.crop_px);
    if (one.image.getAttribute("src") !== source) one.image.setAttribute("src", source);
    one.image.alt = photo.caption || photo.file_name;
    one.shot.setAttribute("aria-label", [photo.file_name, ...problemsOf(photo).map(problemWords), photo.gaps.length ? t("label.rights_missing") : ""].filter(Boolean).join(", "));
    one.flags.replaceChildren(...badges(photo));
    one.name.textContent = photo.file_name;
    one.name.title = photo.file_name;
    one.tags.textContent = photo.tags.join(" · ");
  }

  function render() {
    const seen = desk.photos.filter((photo) => passes(photo, desk.filter));
    for (const [id, one] of tiles) if (!desk.find(id)) { one.root.remove(); tiles.delete(id); }
    for (const photo of seen) {
      if (!tiles.has(photo.id)) tiles.set(photo.id, tile(photo));
      refresh(tiles.get(photo.id), photo);
    }
    const ids = seen.map((photo) => photo.id);
    // Moving a tile would take the focus out of its caption, so it is done only when the order is another one.
    if (String(ids) !== String(shownIds)) grid.replaceChildren(...ids.map((id) => tiles.get(id).root));
    shownIds = ids;
    nothing.hidden = ids.length > 0 || desk.photos.length === 0;
    mark();
  }

  function mark() {
    if (!shownIds.includes(focus)) focus = shownIds[0] ?? null;
    for (const [id, one] of tiles) {
      one.shot.setAttribute("aria-checked", String(desk.chosen.has(id)));
      one.shot.tabIndex = id === focus ? 0 : -1;
    }
  }

  function choose(ids, at = ids[ids.length - 1] ?? focus, keepAnchor = false) {
    desk.chosen = new Set(ids);
    focus = at;
    if (!keepAnchor) anchor = at;
    mark();
    chosen();
  }

  function range(to) {
    const [from, until] = [shownIds.indexOf(anchor ?? to), shownIds.indexOf(to)].sort((a, b) => a - b);
    return shownIds.slice(Math.max(0, from), until + 1);
  }

  function clicked(event, id) {
    tiles.get(id).shot.focus({ preventScroll: true });
    if (event.shiftKey) choose(range(id), id, true);
    else if (event.ctrlKey || event.metaKey) toggle(id);
    else choose([id]);
  }

  function toggle(id) {
    const rest = [...desk.chosen].filter((other) => other !== id);
    choose(desk.chosen.has(id) ? rest : [...rest, id], id);
  }

  /** Moves by so many photos, or with `rows` by so many rows; `extend` keeps the anchor. */
  function move(step, { rows = false, extend = false } = {}) {
    if (!shownIds.length) return;
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const start = desk.chosen.size || extend ? shownIds.indexOf(focus) : -1;
    const next = start < 0 ? 0 : Math.min(shownIds.length - 1, Math.max(0, start + step * (rows ? columns : 1)));
    const id = shownIds[next];
    if (extend) choose(range(id), id, true); else choose([id]);
    tiles.get(id).shot.focus({ preventScroll: true });
    tiles.get(id).root.scrollIntoView({ block: "nearest" });
  }

  return {
    root: scroller, render, choose, move,
    all: () => choose([...shownIds], focus),
    toggle: () => { if (focus) toggle(focus); },
    edit: () => { if (focus) tiles.get(focus)?.root.querySelector("textarea").focus(); },
    focused: () => grid.contains(document.activeElement),
    count: () => shownIds.length,
  };
}
