// One picture in the whole window, or two to four side by side with zoom and pan in step.
function makeViewer(desk) {
  // What is looked at: k is the size against "fits the pane" ("full": one picture pixel a screen pixel), (x, y) the
  // place in the picture that lies in the middle, as shares of its sides, so that it means the same in every picture.
  const view = { k: 1, full: false, x: 0.5, y: 0.5 };
  let panes = [];
  let active = 0;
  let held = "";
  let withInfo = store.get("review-info", "yes") === "yes";

  const stage = make("div", { class: "stage", "data-testid": "review-stage" });
  const zoom = make("output", { class: "hint zoom", "data-testid": "review-zoom" });
  const title = make("strong", { "data-testid": "review-title" });
  const info = makeInfo(desk);
  const button = (key, run, testid) => make("button", { class: "quiet", text: t(`review.${key}`), "data-testid": testid, onclick: run });
  const infoButton = button("info", toggleInfo, "review-info-button");
  const head = make("div", { class: "bar" }, title, zoom, make("span", { class: "space" }),
    button("fit", fit, "review-fit"), button("full", full, "review-full"), infoButton,
    make("button", { class: "quiet", "aria-label": t("review.key_back"), title: t("review.key_back"), text: "×", "data-testid": "review-close", onclick: () => desk.closeViewer() }));
  const root = make("section", { class: "viewer", role: "dialog", "aria-label": t("review.viewer"), hidden: true, tabindex: "-1", "data-testid": "review-viewer" }, head, make("div", { class: "body" }, stage, info.element));

  function pane(id, place) {
    const image = make("img", { class: "shown", draggable: "false", alt: "", onload: layout });
    const under = make("img", { class: "held", draggable: "false", alt: "", hidden: true, onload: layout });
    const caption = make("div", { class: "caption" });
    const area = make("div", { class: "area" }, image, under);
    const box = make("div", { class: "pane", "data-testid": "review-pane", onpointerdown: () => activate(place) }, area, caption);
    area.addEventListener("wheel", (event) => { event.preventDefault(); wheel(made, event); }, { passive: false });
    area.addEventListener("pointerdown", (event) => drag(made, event));
    area.addEventListener("dblclick", () => (view.full ? fit() : full()));
    const made = { id, box, area, image, under, caption };
    return made;
  }

  function set(ids) {
    const wasOpen = !root.hidden;
    root.hidden = false;
    tools.element.inert = grid.element.inert = true;
    if (ids.join() !== panes.map((one) => one.id).join()) {
      if (!wasOpen || ids.length !== panes.length) Object.assign(view, { k: 1, full: false, x: 0.5, y: 0.5 });
      panes = ids.map(pane);
      active = 0;
      stage.replaceChildren(...panes.map((one) => one.box));
      stage.dataset.count = String(ids.length);
      for (const one of panes) one.image.src = picture(desk.row(one.id).sha);
    }
    if (!wasOpen) root.focus();
    activate(active);
  }

  function close() {
    root.hidden = true;
    tools.element.inert = grid.element.inert = false;
    panes = [];
    stage.replaceChildren();
  }

  function activate(place) {
    active = Math.max(0, Math.min(panes.length - 1, place));
    desk.current = panes[active].id;
    desk.rejecting = false;
    if (panes.length === 1) desk.chosen = new Set([desk.current]);
    show();
    bar.show();
  }

  /** Captions, the panel and the places of the pictures; called whenever rows have changed. */
  function show() {
    if (root.hidden || !panes.length) return;
    if (panes.some((one) => !desk.row(one.id))) { desk.closeViewer(); return; }
    panes.forEach((one, place) => {
      const row = desk.row(one.id);
      one.image.alt = t("review.picture_alt", { n: row.number, prompt: row.prompt });
      one.box.classList.toggle("active", place === active && panes.length > 1);
      one.box.dataset.verdict = row.verdict;
      one.caption.replaceChildren(make("span", { class: `sign ${row.verdict}`, text: SIGNS[row.verdict] }), make("span", { text: t("review.picture_n", { n: row.number }) }), make("span", { class: "rating", text: row.rating ? `${row.rating} ★` : "" }));
    });
    title.textContent = panes.length > 1 ? t("review.comparing", { n: panes.length }) : t("review.picture_n", { n: desk.row(panes[0].id).number });
    stage.classList.toggle("single", panes.length === 1);
    const wide = withInfo && panes.length < 3;
    info.element.hidden = !wide;
    infoButton.setAttribute("aria-pressed", String(wide));
    if (wide) info.show(desk.row(panes[active].id));
    layout();
  }

  const fitting = (one, image = one.image) => Math.min(one.area.clientWidth / image.naturalWidth, one.area.clientHeight / image.naturalHeight);
  const scaleOf = (one, image = one.image) => {
    return view.full ? 1 / devicePixelRatio : fitting(one, image) * view.k;
  };
  function layout() {
    for (const one of panes) {
      for (const image of [one.image, one.under]) {
        if (!image.naturalWidth) continue;
        const scale = scaleOf(one, image);
        const left = one.area.clientWidth / 2 - view.x * image.naturalWidth * scale;
        const top = one.area.clientHeight / 2 - view.y * image.naturalHeight * scale;
        image.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
      }
    }
    const first = panes[active];
    zoom.textContent = first?.image.naturalWidth ? `${Math.round(100 * scaleOf(first) * devicePixelRatio)} %` : "";
  }

  function wheel(one, event) {
    if (!one.image.naturalWidth) return;
    const before = scaleOf(one);
    if (view.full) { view.k = before / fitting(one); view.full = false; }
    view.k = Math.max(0.25, Math.min(32, view.k * Math.exp(-event.deltaY / 400)));
    // The point under the pointer stays where it is.
    const after = scaleOf(one), box = one.area.getBoundingClientRect();
    const dx = event.clientX - box.left - box.width / 2, dy = event.clientY - box.top - box.height / 2;
    move(dx * (1 / before - 1 / after) / one.image.naturalWidth, dy * (1 / before - 1 / after) / one.image.naturalHeight);
  }
  function move(dx, dy) {
    view.x = Math.max(0, Math.min(1, view.x + dx));
    view.y = Math.max(0, Math.min(1, view.y + dy));
    layout();
  }
  function drag(one, event) {
    if (event.button !== 0 || !one.image.naturalWidth) return;
    let last = event;
    one.area.setPointerCapture(event.pointerId);
    const moved = (next) => {
      const scale = scaleOf(one);
      move((last.clientX - next.clientX) / (one.image.naturalWidth * scale), (last.clientY - next.clientY) / (one.image.naturalHeight * scale));
      last = next;
    };
    one.area.addEventListener("pointermove", moved);
    one.area.addEventListener("lostpointercapture", () => one.area.removeEventListener("pointermove", moved), { once: true });
  }

  function full() { if (view.full) { fit(); return; } view.full = true; layout(); }
  function fit() { Object.assign(view, { k: 1, full: false, x: 0.5, y: 0.5 }); layout(); }

  /** Lays the product photo, or the picture before this one, over the active picture for as long as the key is down. */
  async function hold(what) {
    if (held) return;
    held = what;
    const one = panes[active];
    const place = desk.shown.findIndex((row) => row.id === one.id);
    const before = desk.shown[place - 1] || desk.shown[place + 1];
    const photo = what === "product" ? await info.productPhoto(one.id) : "";
    if (!held || !one.box.isConnected) return;
    const sha = photo || before?.sha;
    if (!sha) { toast(t("review.nothing_to_hold")); return; }
    if (one.under.dataset.sha !== sha) { one.under.dataset.sha = sha; one.under.src = picture(sha); }
    one.under.alt = photo ? t("review.product_photo") : t("review.picture_n", { n: before.number });
    one.under.hidden = false;
    one.image.classList.add("covered");
    one.box.dataset.held = one.under.alt;
    layout();
  }
  function release() {
    held = "";
    for (const one of panes) { one.under.hidden = true; one.image.classList.remove("covered"); delete one.box.dataset.held; }
  }
  document.addEventListener("keyup", (event) => { if (held && element.isConnected && ["b", "v"].includes(event.key.toLowerCase())) release(); });
  window.addEventListener("blur", () => { if (held && element.isConnected) release(); });
  new ResizeObserver(layout).observe(stage);

  function toggleInfo() {
    withInfo = !withInfo;
    store.set("review-info", withInfo ? "yes" : "no");
    show();
  }

  return {
    element: root, set, close, show, full, fit, hold, toggleInfo,
    open: () => !root.hidden, count: () => panes.length, active: () => panes[active]?.id, stepPane: (by) => activate(active + by),
  };
}
