// The mask brush: over one picture in the whole tab, what shall be drawn anew is painted. Strokes are kept as they were
// drawn, so undo is exact; what comes out is a grey PNG of the picture's own size, white where it is drawn anew.
function maskRoom({ kept }) {
  const image = make("img", { alt: "", draggable: "false", onload: laid });
  const layer = make("canvas", { "data-testid": "mask-layer" });
  const ring = make("div", { class: "ring", hidden: true });
  const sheet = make("div", { class: "sheet", "data-testid": "mask-sheet" }, image, layer, ring);
  const range = (words, testid, limits, value) => make("input", { type: "range", ...limits, value, "aria-label": t(words), title: t(words), "data-testid": testid, oninput: showRing });
  const size = range("tools.mask_size", "mask-size", { min: 1, max: 100 }, 24);
  const feather = range("tools.mask_feather", "mask-feather", { min: 0, max: 40 }, 4);
  const tool = (words, run, more = {}) => make("button", { onclick: run, text: t(words), "aria-label": t(words), title: t(words), ...more });
  const paint = tool("tools.mask_paint", () => setErasing(false), { "data-testid": "mask-paint" });
  const erase = tool("tools.mask_erase", () => setErasing(true), { "data-testid": "mask-erase" });
  const undo = tool("page.undo", () => step(-1), { text: "↶", class: "quiet", "data-testid": "mask-undo" });
  const redo = tool("page.redo", () => step(1), { text: "↷", class: "quiet", "data-testid": "mask-redo" });
  const use = tool("tools.mask_use", done, { class: "primary", "data-testid": "mask-use" });
  const slider = (words, input) => make("label", { class: "inline" }, make("span", { text: t(words) }), input);
  const root = make("section", { class: "mask-room", hidden: true, role: "dialog", "aria-label": t("tools.mask"), "data-testid": "mask-room" },
    make("div", { class: "bar" }, undo, redo, paint, erase, slider("tools.mask_size", size), slider("tools.mask_feather", feather),
      tool("tools.mask_clear", () => act({ kind: "clear" }), { "data-testid": "mask-clear" }), tool("tools.mask_invert", () => act({ kind: "invert" }), { "data-testid": "mask-invert" }),
      make("span", { class: "space" }), make("span", { class: "hint", text: t("tools.mask") }), tool("page.cancel", close, { "data-testid": "mask-cancel" }), use),
    make("div", { class: "place" }, sheet));
  // What was done to each picture in this session, so that a mask can be gone over again.
  const before = new Map();
  let picture = null, acts = [], undone = [], erasing = false, stroke = null;

  function open(shown) {
    picture = shown;
    ({ acts, undone } = before.get(shown.sha256) || { acts: [], undone: [] });
    image.src = window.sasage.picture(shown.sha256);
    root.hidden = false;
    setErasing(false);
    use.focus();
  }
  function close() {
    if (picture) before.set(picture.sha256, { acts, undone });
    root.hidden = true;
  }
  function laid() {
    [layer.width, layer.height] = [image.naturalWidth, image.naturalHeight];
    fit();
    draw();
  }
  /** As large as fits the room, in the picture's shape. */
  function fit() {
    const room = sheet.parentElement, scale = Math.min((room.clientWidth - 32) / layer.width, (room.clientHeight - 32) / layer.height);
    Object.assign(sheet.style, { width: `${layer.width * scale}px`, height: `${layer.height * scale}px` });
  }
  new ResizeObserver(() => { if (picture && !root.hidden) fit(); }).observe(sheet.parentElement);

  function act(one) { acts = [...acts, one]; undone = []; draw(); }
  function step(by) {
    if (by < 0 && acts.length) { undone = [...undone, acts.at(-1)]; acts = acts.slice(0, -1); }
    if (by > 0 && undone.length) { acts = [...acts, undone.at(-1)]; undone = undone.slice(0, -1); }
    draw();
  }
  function setErasing(on) {
    erasing = on;
    paint.setAttribute("aria-pressed", String(!on));
    erase.setAttribute("aria-pressed", String(on));
  }

  /** Draws everything that was done, in one colour; how much of it lies on a pixel is its alpha. */
  function draw() {
    const pen = layer.getContext("2d");
    pen.clearRect(0, 0, layer.width, layer.height);
    pen.strokeStyle = pen.fillStyle = getComputedStyle(root).getPropertyValue("--accent");
    pen.lineCap = pen.lineJoin = "round";
    for (const one of stroke ? [...acts, stroke] : acts) {
      if (one.kind === "clear") { pen.clearRect(0, 0, layer.width, layer.height); continue; }
      pen.globalCompositeOperation = one.kind === "invert" ? "source-out" : one.erasing ? "destination-out" : "source-over";
      if (one.kind === "invert") pen.fillRect(0, 0, layer.width, layer.height);
      else drawStroke(pen, one);
      pen.globalCompositeOperation = "source-over";
    }
    undo.disabled = !acts.length;
    redo.disabled = !undone.length;
  }
  function drawStroke(pen, { points, radius }) {
    pen.lineWidth = 2 * radius;
    pen.beginPath();
    pen.moveTo(...points[0]);
    for (const point of points.length > 1 ? points.slice(1) : points) pen.lineTo(...point);
    pen.stroke();
  }

  /** The brush's radius in the picture's pixels: the slider counts thousandths of its longer side, twice. */
  const radius = () => Math.max(0.5, (Number(size.value) * Math.max(layer.width, layer.height)) / 500);
  function place(event) {
    const box = layer.getBoundingClientRect();
    return [((event.clientX - box.left) * layer.width) / box.width, ((event.clientY - box.top) * layer.height) / box.height];
  }
  layer.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    layer.setPointerCapture(event.pointerId);
    stroke = { kind: "stroke", erasing: erasing !== event.shiftKey, radius: radius(), points: [place(event)] };
    draw();
  });
  layer.addEventListener("pointermove", (event) => {
    showRing(event);
    if (!stroke) return;
    for (const one of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) stroke.points.push(place(one));
    draw();
  });
  layer.addEventListener("lostpointercapture", () => { if (stroke) { const drawn = stroke; stroke = null; act(drawn); } });
  layer.addEventListener("pointerleave", () => { ring.hidden = true; });
  function showRing(event) {
    const box = layer.getBoundingClientRect(), across = (2 * radius() * box.width) / (layer.width || 1);
    Object.assign(ring.style, { width: `${across}px`, height: `${across}px` });
    if (!event?.clientX || event.target !== layer) return;
    ring.hidden = false;
    Object.assign(ring.style, { left: `${event.clientX - box.left}px`, top: `${event.clientY - box.top}px` });
  }

  /** White on black at the picture's own size, with a soft edge where one is asked for. */
  function toMask() {
    const white = document.createElement("canvas"), mask = document.createElement("canvas");
    for (const one of [white, mask]) [one.width, one.height] = [layer.width, layer.height];
    const tint = white.getContext("2d"), pen = mask.getContext("2d");
    tint.drawImage(layer, 0, 0);
    tint.globalCompositeOperation = "source-in";
    tint.fillStyle = "white";
    tint.fillRect(0, 0, white.width, white.height);
    pen.fillStyle = "black";
    pen.fillRect(0, 0, mask.width, mask.height);
    pen.filter = `blur(${(Number(feather.value) * Math.max(mask.width, mask.height)) / 1000}px)`;
    pen.drawImage(white, 0, 0);
    return mask.toDataURL("image/png").split(",")[1];
  }
  async function done() {
    use.disabled = true;
    try {
      const mask_sha256 = await ask("keep_mask", { picture_sha256: picture.sha256, png: toMask() });
      if (!mask_sha256) return;
      close();
      kept({ picture_sha256: picture.sha256, mask_sha256 });
    } finally { use.disabled = false; }
  }

  const larger = (by) => { size.value = Math.max(1, Number(size.value) + by); showRing(); };
  /** Called after the tab's own keys, so that these come first while the room is open. */
  const listen = () => window.sasage.keys(root, t("tools.mask"), [
    { key: ["[", "]"], words: t("tools.mask_size_key"), run: (event) => larger(event.key === "[" ? -4 : 4) },
    { key: "x", words: t("tools.mask_erase_key"), run: () => setErasing(!erasing) },
    { key: "Ctrl+z", words: t("page.undo"), run: (event) => step(event.shiftKey ? 1 : -1) },
    { key: "Ctrl+y", words: t("page.redo"), run: () => step(1) },
    { key: "i", words: t("tools.mask_invert"), run: () => act({ kind: "invert" }) },
    { key: ["Delete", "Backspace"], words: t("tools.mask_clear"), run: () => act({ kind: "clear" }) },
    { key: "Escape", run: close },
    { key: ["m", "h", "0", "1", "g"], run: () => {} }, // of the figure, which lies below
  ]);
  return { root, open, listen };
}

/** The line that says which part of which picture is drawn anew. */
function partLine({ state, changed, edit }) {
  const picture = make("img", { alt: "" });
  const strength = make("input", { type: "range", min: 0.05, max: 1, step: 0.05, "aria-label": t("tools.part_strength"), title: `${t("tools.part_strength")} (strength)`, "data-testid": "part-strength", onchange: () => { state.inpaint = { ...state.inpaint, strength: Number(strength.value) }; changed(); } });
  const root = make("div", { class: "part-line", hidden: true, "data-testid": "part-line" }, picture, make("span", { text: t("tools.part") }), strength,
    make("button", { text: t("tools.part_mask"), "data-testid": "part-mask", onclick: () => edit({ sha256: state.inpaint.picture_sha256 }) }),
    make("button", { class: "quiet", text: "×", "aria-label": t("tools.part_off"), title: t("tools.part_off"), "data-testid": "part-off", onclick: stop }));
  function stop() {
    const old = state.inpaint;
    state.inpaint = null;
    changed();
    window.sasage.toast(t("tools.part_gone"), { action: { text: t("page.undo"), run: () => { state.inpaint = old; changed(); } } });
  }
  function show() {
    root.hidden = !state.inpaint;
    if (!state.inpaint) return;
    const source = window.sasage.thumbnail(state.inpaint.picture_sha256);
    if (!picture.src.endsWith(source)) picture.src = source;
    strength.value = state.inpaint.strength;
  }
  return { root, show };
}
