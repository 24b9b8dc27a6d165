// The board of a grid, whose cells fill as they are done; the viewer of one picture; the menu of a picture.
function gridBoard({ figure, openPicture, menu, back, drawnMore }) {
  const words = make("span", { class: "hint", role: "status", "data-testid": "grid-state" });
  const cancel = make("button", { text: t("page.cancel"), "data-testid": "grid-cancel", onclick: async () => { cancel.disabled = true; await ask("cancel", { job_id: job }); watch(); } });
  const review = make("button", { text: t("canvas.to_review"), "data-testid": "grid-review", onclick: () => sendToReview(job) });
  const meter = make("progress", { max: 1, value: 0, "aria-label": t("canvas.grid") });
  const cells = make("div", { class: "cells", "data-testid": "cells" });
  const foot = make("div", { class: "bar foot hint" });
  const root = make("section", { class: "board", hidden: true, "aria-label": t("canvas.grid") },
    make("div", { class: "bar" }, make("button", { class: "quiet", text: `‹ ${t("canvas.editor")}`, "data-testid": "back-to-editor", onclick: back }), words, make("span", { class: "space" }), cancel, review), meter,
    make("div", { class: "cells-place" }, cells), foot);
  let job = null, requests = [], ended = true, drawn = {};

  /** Shows a job; its places stand at once, empty. */
  function open(id, asked) {
    job = id; requests = asked; ended = false; drawn = {};
    meter.value = 0;
    meter.classList.remove("over");
    cancel.disabled = false;
    const columns = Math.max(1, requests.filter((request) => JSON.stringify(request.pose) === JSON.stringify(requests[0].pose)).length);
    // A row of the board is a pose, or an equal part of one where it would be too long.
    const fitting = [10, 9, 8, 7, 6, 5].find((several) => columns % several === 0) || 10;
    cells.style.gridTemplateColumns = `repeat(${columns <= 10 ? columns : fitting}, minmax(64px, 220px))`;
    cells.replaceChildren(...requests.map((request, place) => {
      const cell = make("button", { class: "cell", "data-testid": `cell-${place}`, title: settingsWords(request), "aria-label": settingsWords(request), style: { aspectRatio: `${request.framing.width_px} / ${request.framing.height_px}` },
        onclick: () => { if (drawn[place]) openPicture(pictures(), Object.keys(drawn).map(Number).sort((a, b) => a - b).indexOf(place)); },
        oncontextmenu: (event) => menu(event, { ...drawn[place], request, batch_id: job }),
        onmouseenter: () => { foot.textContent = settingsWords(request).replaceAll("\n", " · "); }, onfocus: () => { foot.textContent = settingsWords(request).replaceAll("\n", " · "); } });
      if (request.pose) cell.append(poseDrawing(figure, request.pose, request.framing, { plain: true }));
      return cell;
    }));
    words.textContent = t("canvas.so_many", { done: 0, n: requests.length });
    watch();
  }
  const pictures = () => Object.keys(drawn).map(Number).sort((a, b) => a - b).map((place) => ({ ...drawn[place], request: requests[place] }));

  async function watch() {
    if (!job || ended) return;
    const found = await ask("batch", { job_id: job });
    if (!found) { ended = true; return; }
    for (const [place, picture] of Object.entries(found.cells)) {
      if (drawn[place]) continue;
      drawn[place] = picture;
      cells.children[place].replaceChildren(make("img", { src: window.sasage.thumbnail(picture.sha256), alt: "" }));
      cells.children[place].classList.add("drawn");
    }
    const before = meter.value, done = Object.keys(drawn).length;
    words.textContent = batchWords(found);
    meter.value = done / found.count;
    if (meter.value > before) drawnMore();
    ended = found.ended;
    meter.classList.toggle("over", ended);
    cancel.hidden = ended;
    review.disabled = !done;
    if (ended) window.sasage.emit("pictures-changed", {});
  }
  return { root, open, watch, get job() { return job; }, get ended() { return ended; } };
}

function sendToReview(batchId) {
  window.sasage.open("review");
  window.sasage.emit("review-batch", { batch_id: batchId });
}

/** One picture over the whole tab; arrows go on, Escape closes. */
function pictureViewer({ use, tools, guide }) {
  const image = make("img", { alt: "", "data-testid": "viewer-picture" });
  const text = make("p", { class: "settings" });
  const close = make("button", { class: "quiet", text: "×", "aria-label": t("page.close"), onclick: () => { root.hidden = true; } });
  const restore = make("button", { text: t("canvas.use_settings"), onclick: () => { use(list[at].request); root.hidden = true; } });
  const review = make("button", { text: t("canvas.to_review"), onclick: () => sendToReview(list[at].batch_id) });
  const follow = make("button", { text: t("canvas.guide_use"), "data-testid": "viewer-guide", onclick: () => { root.hidden = true; guide(list[at].sha256); } });
  const larger = make("button", { text: t("tools.upscale_dots"), "data-testid": "viewer-upscale", onclick: () => tools.upscale(list[at]) });
  const cut = make("button", { text: t("tools.cut_out_dots"), "data-testid": "viewer-cut-out", onclick: () => tools.cutOut(list[at]) });
  const root = make("section", { class: "viewer", hidden: true, role: "dialog", "aria-label": t("canvas.picture"), "data-testid": "viewer" },
    make("div", { class: "viewer-picture", onclick: () => { root.hidden = true; } }, image), make("aside", { class: "panel right" }, make("div", { class: "bar-line" }, make("h3", { text: t("canvas.picture") }), close), text, restore, follow, review, larger, cut));
  let list = [], at = 0;
  function show() {
    image.src = window.sasage.picture(list[at].sha256);
    image.alt = text.textContent = settingsWords(list[at].request);
  }
  return {
    root,
    open: (pictures, place) => { list = pictures; at = place; show(); root.hidden = false; close.focus(); },
    close: () => { root.hidden = true; },
    step: (by) => { at = Math.min(list.length - 1, Math.max(0, at + by)); show(); },
    get shown() { return !root.hidden; },
  };
}

/** The menu of a picture: a right click, or the menu key, on a cell or a frame of the film. */
function pictureMenu({ entries }) {
  const root = make("div", { class: "menu", role: "menu", hidden: true, "data-testid": "menu" });
  const close = () => { root.hidden = true; };
  root.addEventListener("focusout", (event) => { if (!root.contains(event.relatedTarget)) close(); });
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) { event.preventDefault(); [...root.children][([...root.children].indexOf(document.activeElement) + by + root.children.length) % root.children.length].focus(); }
  });
  function open(event, picture) {
    event.preventDefault();
    root.replaceChildren(...entries.filter((entry) => entry.when(picture)).map((entry) => make("button", { class: "quiet", role: "menuitem", text: entry.words, onclick: () => { close(); entry.run(picture); } })));
    root.hidden = false;
    const box = root.parentElement.getBoundingClientRect();
    const x = Math.min(event.clientX - box.left, box.width - root.offsetWidth - 8), y = Math.min(event.clientY - box.top, box.height - root.offsetHeight - 8);
    Object.assign(root.style, { left: `${x}px`, top: `${y}px` });
    root.firstChild.focus();
  }
  return { root, open };
}
