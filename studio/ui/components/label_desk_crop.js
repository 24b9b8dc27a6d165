// A photo with its crop, drawn by hand. All numbers are px of the upright picture; Python hears of it on release only.

/** `commit(box)` is called with [left, top, right, bottom], or null for all of the picture. */
function cropView(photo, commit) {
  const LEAST_PX = 32;
  const [width, height] = [photo.width_px, photo.height_px];
  let box = photo.crop_px;
  const shade = make("path", { class: "crop-shade", "fill-rule": "evenodd" });
  const frame = make("rect", { class: "crop-frame", "data-testid": "crop-frame" });
  const corners = ["0,1", "2,1", "0,3", "2,3"].map((sides) => make("circle", { class: "crop-corner", "data-sides": sides }));
  const surface = make("svg", { class: "crop-surface", viewBox: `0 0 ${width} ${height}`, "data-testid": "crop", role: "img", "aria-label": t("label.crop_of", { name: photo.file_name }) }, shade, frame, ...corners);
  const picture = make("div", { class: "crop-picture", style: { aspectRatio: `${width} / ${height}`, maxWidth: `${(360 * width) / height}px` } },
    make("img", { src: window.sasage.picture(photo.sha256), alt: photo.file_name, draggable: "false", style: { backgroundImage: `url("${window.sasage.thumbnail(photo.sha256)}")`, backgroundSize: "100% 100%" } }), surface);
  const said = make("span", { class: "hint", "data-testid": "crop-size" });
  const reset = make("button", { class: "quiet", text: t("label.crop_reset"), "data-testid": "crop-reset", onclick: () => commit(null) });
  const fields = ["left", "top", "right", "bottom"].map((side, at) => make("input", {
    type: "number", min: 0, max: at % 2 ? height : width, step: 1, "aria-label": t(`label.crop_${side}`), title: t(`label.crop_${side}`),
    onchange: () => commit(fields.map((field) => Math.round(Number(field.value)))),
  }));

  function draw() {
    const [left, top, right, bottom] = box || [0, 0, width, height];
    const scale = width / (surface.getBoundingClientRect().width || 270);
    shade.setAttribute("d", `M0 0H${width}V${height}H0Z M${left} ${top}H${right}V${bottom}H${left}Z`);
    for (const [name, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top })) frame.setAttribute(name, value);
    frame.style.display = box ? "" : "none";
    for (const corner of corners) {
      const [across, down] = corner.dataset.sides.split(",").map(Number);
      corner.setAttribute("cx", [left, 0, right][across]); corner.setAttribute("cy", [0, top, 0, bottom][down]);
      corner.setAttribute("r", 6 * scale);
      corner.style.display = box ? "" : "none";
    }
    said.textContent = box ? t("label.crop_size", { w: right - left, h: bottom - top }) : t("label.crop_help");
    reset.disabled = !box;
    fields.forEach((field, at) => { if (field !== document.activeElement) field.value = (box || [0, 0, width, height])[at]; });
  }

  const within = (value, most) => Math.round(Math.min(most, Math.max(0, value)));
  function at(event) {
    const rect = surface.getBoundingClientRect();
    return [((event.clientX - rect.left) / rect.width) * width, ((event.clientY - rect.top) / rect.height) * height];
  }
  function dragged(start, sides, x, y) {
    const [x0, y0] = start;
    if (sides === "new") return [within(Math.min(x0, x), width), within(Math.min(y0, y), height), within(Math.max(x0, x), width), within(Math.max(y0, y), height)];
    if (sides === "move") {
      const [left, top, right, bottom] = start.box;
      const dx = Math.min(width - right, Math.max(-left, Math.round(x - x0))), dy = Math.min(height - bottom, Math.max(-top, Math.round(y - y0)));
      return [left + dx, top + dy, right + dx, bottom + dy];
    }
    const moved = [...start.box];
    const [across, down] = sides.split(",").map(Number);
    moved[across] = within(x, width); moved[down] = within(y, height);
    return [Math.min(moved[0], moved[2]), Math.min(moved[1], moved[3]), Math.max(moved[0], moved[2]), Math.max(moved[1], moved[3])];
  }

  surface.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    const old = box, start = at(event);
    start.box = box;
    const [left, top, right, bottom] = box || [0, 0, 0, 0];
    const inside = box && start[0] > left && start[0] < right && start[1] > top && start[1] < bottom;
    const sides = event.target.dataset.sides || (inside ? "move" : "new");
    surface.setPointerCapture(event.pointerId);
    surface.onpointermove = (moved) => { box = dragged(start, sides, ...at(moved)); draw(); };
    surface.onpointerup = surface.onpointercancel = (ended) => {
      surface.onpointermove = surface.onpointerup = surface.onpointercancel = null;
      const drawn = box && box[2] - box[0] >= LEAST_PX && box[3] - box[1] >= LEAST_PX;
      if (ended.type === "pointercancel" || !drawn) { box = old; draw(); }
      else if (String(box) !== String(old)) commit(box);
    };
  });
  new ResizeObserver(draw).observe(surface);
  draw();
  return make("section", { class: "crop" }, picture, make("div", { class: "line" }, said, make("span", { class: "space" }), reset),
    make("details", {}, make("summary", { text: t("label.crop_numbers") }), make("div", { class: "four" }, ...fields)));
}
