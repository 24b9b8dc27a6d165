// The pose editor: an SVG in which joints are dragged in millimetres. It tells of every move (`moved`) and, once a
// change is over, of its end (`committed`); only the latter reaches Python and the history of undo. What stands beside
// the pose goes through the same history: `beside` takes what it is now, and gives back what it was.
const RULER = { left: 40, below: 22 };
const NEAR_PX = 14;
const STEPS_MM = [5, 10, 20, 50, 100, 200, 500, 1000];
const LONGEST_HISTORY = 200;

function poseEditor({ figure, maths, framing, moved, committed, startSaving, beside }) {
  const NAMES = figure.joints;
  const colour = (place, share = 1) => `rgb(${figure.colours[place].map((level) => Math.round(level * share)).join(" ")})`;
  const spoken = (name) => t(`canvas.joint_${name}`);
  const millimetres = (value) => Math.round(value).toLocaleString(window.sasage.language);
  const options = { lock: true, ik: true };
  const view = { scale: 0.3, x: 0, y: 0, fitted: true };
  let pose = null, preset = null, held = null, selected = null, hovered = null, spaceDown = false, photo = null, nudging = null;
  let history = [], at = -1, fittedTo = null;

  const plane = make("rect", { class: "plane" });
  const underlay = make("image", { class: "underlay", preserveAspectRatio: "xMidYMid meet", visibility: "hidden" });
  const floor = make("line", { class: "guide" });
  const middle = make("line", { class: "guide" });
  const limbs = figure.limbs.map((_, place) => make("line", { class: "limb", stroke: colour(place, figure.limb_brightness) }));
  const joints = Object.fromEntries(NAMES.map((name, place) => [name, make("g", {
    class: "joint", tabindex: "0", role: "button", "data-testid": `joint-${name}`, "aria-roledescription": t("canvas.joint"), onfocus: () => select(name),
  }, make("circle", { class: "hit", r: "13" }), make("circle", { class: "ring", r: "10" }), make("circle", { class: "dot", r: "6", fill: colour(place) }))]));
  const heightLine = make("line", { class: "height-line" });
  const heightGrip = make("g", { class: "height-grip", "data-testid": "height-grip" }, make("rect", { class: "hit", width: 78, height: 24, x: 0, y: -12 }), make("rect", { class: "tag", width: 72, height: 20, x: 4, y: -10, rx: 4 }), make("text", { x: 40, y: 4, "text-anchor": "middle" }));
  const rulers = make("g", { class: "rulers", "aria-hidden": "true" });
  const label = make("g", { class: "pointer-label", visibility: "hidden" }, make("rect", { height: 20, rx: 4 }), make("text", { x: 6, y: 14 }));
  const svg = make("svg", { class: "stage-svg", role: "group", "aria-label": t("canvas.editor"), "data-testid": "pose-editor" }, plane, underlay, floor, middle, heightLine, heightGrip, ...limbs, ...Object.values(joints), rulers, label);

  const toX = (x) => view.x + x * view.scale;
  const toY = (y) => view.y - y * view.scale;
  const toMm = (event) => {
    const box = svg.getBoundingClientRect();
    return [(event.clientX - box.left - view.x) / view.scale, (view.y - (event.clientY - box.top)) / view.scale];
  };
  const set = (node, values) => { for (const [name, value] of Object.entries(values)) node.setAttribute(name, value); };
  const edges = () => {
    const f = framing();
    return { left: -f.origin_x_px / f.px_per_mm, right: (f.width_px - f.origin_x_px) / f.px_per_mm, top: f.origin_y_px / f.px_per_mm, bottom: (f.origin_y_px - f.height_px) / f.px_per_mm };
  };

  function draw() {
    if (!pose || !svg.clientWidth) return;
    const { left, right, top, bottom } = edges();
    set(plane, { x: toX(left), y: toY(top), width: (right - left) * view.scale, height: (top - bottom) * view.scale });
    set(underlay, { x: toX(left), y: toY(top), width: (right - left) * view.scale, height: (top - bottom) * view.scale });
    set(floor, { x1: toX(left), x2: toX(right), y1: toY(0), y2: toY(0) });
    set(middle, { x1: toX(0), x2: toX(0), y1: toY(top), y2: toY(bottom) });
    set(heightLine, { x1: toX(left), x2: toX(right), y1: toY(pose.figure_height_mm), y2: toY(pose.figure_height_mm) });
    heightGrip.setAttribute("transform", `translate(${Math.min(toX(right), svg.clientWidth - 82)} ${toY(pose.figure_height_mm)})`);
    heightGrip.lastChild.textContent = `${millimetres(pose.figure_height_mm)} mm`;
    figure.limbs.forEach(([from, to], place) => {
      const a = pose.joints[from], b = pose.joints[to];
      set(limbs[place], { x1: toX(a.x_mm), y1: toY(a.y_mm), x2: toX(b.x_mm), y2: toY(b.y_mm), visibility: a.present && b.present ? "visible" : "hidden" });
    });
    NAMES.forEach((name, place) => {
      const item = pose.joints[place], group = joints[name];
      const off = item.present && (item.x_mm < left || item.x_mm > right || item.y_mm > top || item.y_mm < bottom);
      group.setAttribute("transform", `translate(${toX(item.x_mm)} ${toY(item.y_mm)})`);
      group.setAttribute("class", ["joint", item.present ? "" : "absent", off ? "off" : "", held?.name === name ? "held" : ""].join(" "));
      group.setAttribute("aria-label", `${spoken(name)}, ${millimetres(item.x_mm)}, ${millimetres(item.y_mm)} mm${item.present ? "" : `, ${t("canvas.absent")}`}`);
    });
    drawRulers();
    drawLabel();
    controls.show();
  }

  function drawRulers() {
    const width = svg.clientWidth, height = svg.clientHeight, { left, below } = RULER;
    const step = STEPS_MM.find((mm) => mm * view.scale >= 44) || 1000, small = step / 5;
    const parts = [make("rect", { x: 0, y: 0, width: left, height }), make("rect", { x: 0, y: height - below, width, height: below }), make("line", { x1: left, x2: left, y1: 0, y2: height - below }), make("line", { x1: left, x2: width, y1: height - below, y2: height - below })];
    const isLabelled = (mm) => Math.abs(mm / step - Math.round(mm / step)) < 1e-6;
    for (let mm = Math.ceil((view.y - height + below) / view.scale / small) * small; toY(mm) > 6; mm += small) {
      const y = toY(mm);
      parts.push(make("line", { x1: left - (isLabelled(mm) ? 8 : 4), x2: left, y1: y, y2: y }));
      if (isLabelled(mm)) parts.push(make("text", { x: left - 10, y: y + 4, "text-anchor": "end", text: millimetres(mm) }));
    }
    for (let mm = Math.ceil((left - view.x) / view.scale / small) * small; toX(mm) < width - 6; mm += small) {
      const x = toX(mm);
      parts.push(make("line", { x1: x, x2: x, y1: height - below, y2: height - below + (isLabelled(mm) ? 6 : 3) }));
      if (isLabelled(mm)) parts.push(make("text", { x, y: height - 4, "text-anchor": "middle", text: millimetres(mm) }));
    }
    parts.push(make("rect", { x: 0, y: height - below, width: left, height: below }), make("text", { x: left - 10, y: height - 6, "text-anchor": "end", text: "mm" }));
    rulers.replaceChildren(...parts);
  }

  function drawLabel() {
    const name = held?.name || hovered;
    if (!name) { label.setAttribute("visibility", "hidden"); return; }
    const item = maths.joint(pose, name), text = label.lastChild;
    text.textContent = held?.name ? `${spoken(name)}  ${millimetres(item.x_mm)}, ${millimetres(item.y_mm)} mm` : spoken(name);
    const width = text.getComputedTextLength() + 12;
    label.firstChild.setAttribute("width", width);
    const x = Math.min(toX(item.x_mm) + 16, svg.clientWidth - width - 4);
    set(label, { transform: `translate(${x} ${toY(item.y_mm) - 28})`, visibility: "visible" });
  }

  /** The whole canvas in the middle of the stage. */
  function fit() {
    const width = svg.clientWidth - RULER.left, height = svg.clientHeight - RULER.below;
    if (width < 50 || height < 50) return;
    const { left, right, top, bottom } = edges();
    fittedTo = framing();
    view.scale = Math.min((width - 32) / (right - left), (height - 32) / (top - bottom));
    view.x = RULER.left + width / 2 - ((left + right) / 2) * view.scale;
    view.y = height / 2 + ((top + bottom) / 2) * view.scale;
    view.fitted = true;
    draw();
  }
  function zoomAt(x, y, scale) {
    const next = Math.min(20, Math.max(0.04, scale)), share = next / view.scale;
    Object.assign(view, { x: x - (x - view.x) * share, y: y - (y - view.y) * share, scale: next, fitted: false });
    draw();
  }
  /** One pixel of the picture on one of the screen. */
  const zoomWhole = () => zoomAt(svg.clientWidth / 2, svg.clientHeight / 2, framing().px_per_mm);
  new ResizeObserver(() => (view.fitted ? fit() : draw())).observe(svg);

  // The pointer: joints first, then the height, then the view.
  function nearest(event) {
    const box = svg.getBoundingClientRect();
    let best = null, least = NEAR_PX;
    NAMES.forEach((name, place) => {
      const away = Math.hypot(toX(pose.joints[place].x_mm) - event.clientX + box.left, toY(pose.joints[place].y_mm) - event.clientY + box.top);
      if (away < least) { least = away; best = name; }
    });
    return best;
  }
  svg.addEventListener("pointerdown", (event) => {
    if (!pose || event.button > 1) return;
    const name = !spaceDown && event.button === 0 ? nearest(event) : null;
    const grip = !name && !spaceDown && event.button === 0 && event.target.closest(".height-grip");
    held = name ? { kind: "joint", name } : grip ? { kind: "height" } : { kind: "view", x: view.x - event.clientX, y: view.y - event.clientY };
    if (name) {
      const [x, y] = toMm(event), item = maths.joint(pose, name);
      Object.assign(held, { dx: item.x_mm - x, dy: item.y_mm - y });
      joints[name].focus({ preventScroll: true });
    }
    held.from = pose;
    svg.setPointerCapture(event.pointerId);
    svg.classList.add("holding");
    event.preventDefault();
    draw();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!pose) return;
    if (!held) {
      const name = nearest(event);
      if (name !== hovered) { hovered = name; drawLabel(); }
      return;
    }
    const [x, y] = toMm(event);
    if (held.kind === "view") { Object.assign(view, { x: held.x + event.clientX, y: held.y + event.clientY, fitted: false }); draw(); return; }
    if (held.kind === "height") move(maths.scaleToHeight(held.from, Math.round(Math.min(2590, Math.max(510, y)))));
    else move(maths.drag(held.from, held.name, x + held.dx, y + held.dy, { ...options, mirrored: event.altKey, whole: event.shiftKey }));
  });
  function release(event) {
    if (!held) return;
    const was = held;
    held = null;
    svg.classList.remove("holding");
    if (event.type === "pointercancel" && was.kind !== "view") move(was.from);
    else if (was.kind !== "view" && pose !== was.from) commit();
    draw();
  }
  svg.addEventListener("pointerup", release);
  svg.addEventListener("pointercancel", release);
  svg.addEventListener("pointerleave", () => { hovered = null; if (pose) drawLabel(); });
  svg.addEventListener("dblclick", (event) => {
    const name = pose && nearest(event);
    if (name && preset) { move(maths.resetLimb(pose, preset, name)); commit(); }
  });
  svg.addEventListener("contextmenu", (event) => { const name = pose && nearest(event); if (name) { event.preventDefault(); select(name); togglePresent(); } });
  svg.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    zoomAt(event.clientX - box.left, event.clientY - box.top, view.scale * Math.exp(-event.deltaY * 0.0015));
  }, { passive: false });

  function move(next) { pose = next; draw(); moved(pose); }
  function commit() {
    clearTimeout(nudging);
    nudging = null;
    const now = { pose, beside: beside.take() }, before = history[at];
    if (before?.pose === pose && Object.entries(now.beside).every(([name, value]) => before.beside[name] === value)) return;
    history = [...history.slice(Math.max(0, at + 2 - LONGEST_HISTORY), at + 1), now];
    at = history.length - 1;
    draw();
    committed(pose, selected);
  }
  function step(by) {
    if (nudging) commit();
    if (!history[at + by]) return;
    at += by;
    beside.give(history[at].beside);
    move(history[at].pose);
    committed(pose, selected);
  }
  function select(name) { selected = name; controls.show(); }
  function change(next) { if (next !== pose) { move(next); commit(); } }
  function togglePresent() { if (selected) change(maths.put(pose, { [selected]: { present: !maths.joint(pose, selected).present } })); }
  function nudge(event, dx, dy) {
    const far = event.shiftKey ? 50 : 10, item = maths.joint(pose, selected);
    move(maths.drag(pose, selected, item.x_mm + dx * far, item.y_mm + dy * far, options));
    clearTimeout(nudging);
    nudging = setTimeout(commit, 350); // a run of presses is one step of undo
  }
  /** Where a field says a joint shall be: exactly there, or as near as its bones reach. */
  const place = (axis, value) => {
    const item = { ...maths.joint(pose, selected), [axis]: value };
    change(maths.drag(pose, selected, item.x_mm, item.y_mm, options));
  };

  function setPhoto(file) {
    if (photo) URL.revokeObjectURL(photo);
    photo = file ? URL.createObjectURL(file) : null;
    if (photo) underlay.setAttribute("href", photo); else underlay.removeAttribute("href");
    underlay.setAttribute("visibility", photo ? "visible" : "hidden");
    controls.show();
  }

  const editor = {
    svg, options, startSaving, fit, zoomWhole, refit: () => { if (framing() !== fittedTo) fit(); }, change, commit, togglePresent, place, setPhoto, step, draw,
    get pose() { return pose; }, get selected() { return selected; }, get preset() { return preset; }, get photo() { return photo; },
    get percent() { return Math.round((100 * view.scale) / framing().px_per_mm); },
    get dragging() { return Boolean(held && held.kind !== "view") || Boolean(nudging); },
    get canUndo() { return at > 0; }, get canRedo() { return at < history.length - 1; },
    opacity: (share) => underlay.setAttribute("opacity", share),
    mirror: () => change(maths.mirror(pose)),
    height: (mm) => change(maths.scaleToHeight(pose, mm)),
    reset: () => preset && change({ ...maths.scaleToHeight(preset, pose.figure_height_mm) }),
    /** Another pose to start from; it is one step of undo like any other. */
    open(next, from) { preset = from; if (pose) change(next); else { pose = next; history = [{ pose, beside: beside.take() }]; at = 0; draw(); moved(pose); committed(pose, null); } },
    space: (down) => { spaceDown = down; svg.classList.toggle("panning", down); },
    over: () => svg.matches(":hover"),
    nudgeKeys: Object.entries({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }).flatMap(([key, [dx, dy]]) => [key, `Shift+${key}`].map((name) => ({
      key: name, run: (event) => nudge(event, dx, dy), when: () => pose && document.activeElement?.closest?.(".joint"),
    }))),
  };
  const controls = editorControls(editor, { maths, figure, spoken });
  editor.root = make("section", { class: "editor", "aria-label": t("canvas.editor") }, controls.toolbar, make("div", { class: "stage" }, svg, controls.status), controls.inspector);
  editor.say = controls.say;
  return editor;
}
