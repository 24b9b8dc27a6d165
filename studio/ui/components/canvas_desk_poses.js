// The shelf of poses: thumbnails drawn from the joints, search, poses of one's own, and which of them go into a grid.
function poseDrawing(figure, pose, framing, { plain = false } = {}) {
  const x = (joint) => framing.origin_x_px + joint.x_mm * framing.px_per_mm, y = (joint) => framing.origin_y_px - joint.y_mm * framing.px_per_mm;
  const shade = (place) => (plain ? "currentColor" : `rgb(${figure.colours[place].map((level) => Math.round(level * 0.8)).join(" ")})`);
  const width = Math.max(2, framing.height_px / 64);
  const lines = figure.limbs.map(([from, to], place) => {
    const a = pose.joints[from], b = pose.joints[to];
    return a.present && b.present ? make("line", { x1: x(a), y1: y(a), x2: x(b), y2: y(b), stroke: shade(place), "stroke-width": width, "stroke-linecap": "round" }) : null;
  });
  return make("svg", { class: "pose-drawing", viewBox: `0 0 ${framing.width_px} ${framing.height_px}`, "aria-hidden": "true" }, ...lines);
}

const poseWords = (name) => { const words = name.replaceAll("-", " ").replaceAll("_", " "); return window.sasage.plain(words.charAt(0).toUpperCase() + words.slice(1)); };

function poseShelf({ figure, framing, state, pick, gridChanged, save, fromPhoto }) {
  const search = make("input", { type: "search", placeholder: t("canvas.search_poses"), "aria-label": t("canvas.search_poses"), oninput: () => show() });
  const mine = make("div", { class: "pose-wall" }), given = make("div", { class: "pose-wall" });
  const mineHead = make("h3", { text: t("canvas.my_poses") });
  const name = make("input", { placeholder: t("canvas.pose_name"), "aria-label": t("canvas.pose_name"), maxlength: 64, "data-testid": "pose-name", oninput: () => { confirm.textContent = t("canvas.save"); } });
  const confirm = make("button", { text: t("canvas.save"), "data-testid": "pose-save" });
  const form = make("form", { class: "pose-form", hidden: true, onsubmit: keep }, name, confirm);
  const photoButton = make("button", { disabled: true, text: t("canvas.from_photo"), "data-testid": "from-photo", onclick: fromPhoto });
  const photoReason = make("small");
  /** Whether poses can be read from photos here; `lack` says why not, and what is to be pulled. */
  function showFromPhoto(lack) {
    photoButton.disabled = Boolean(lack);
    photoReason.replaceChildren(...(lack ? [make("span", { text: t("canvas.from_photo_reason") }), make("button", { class: "quiet", text: t("canvas.guide_models"), onclick: () => window.sasage.emit("open-models", { name: lack.pull }) })] : []));
    photoButton.title = lack ? lack.why : t("canvas.guide_pose_help");
  }
  const root = make("aside", { class: "panel poses", "aria-label": t("canvas.poses") },
    search, form, mineHead, mine, make("h3", { text: t("canvas.poses") }), given, make("div", { class: "not-yet" }, photoButton, photoReason));
  let poses = [];

  async function keep(event) {
    event.preventDefault();
    const slug = name.value.trim().toLowerCase().replace(/[\s]+/g, "-").replace(/[^a-z0-9_-]/g, "").replace(/^[-_]+/, "").slice(0, 64);
    if (!slug) { window.sasage.toast(t("canvas.name_letters"), { kind: "error" }); return; }
    const known = poses.find((pose) => pose.name === slug);
    if (known?.own && confirm.textContent !== t("canvas.replace")) { confirm.textContent = t("canvas.replace"); return; }
    const found = await save(slug, Boolean(known?.own));
    if (!found) return;
    form.hidden = true;
    name.value = "";
    confirm.textContent = t("canvas.save");
    load(found.poses);
    window.sasage.toast(t("canvas.pose_saved", { name: poseWords(slug) }));
  }

  function card(pose) {
    const chosen = state.gridPoses.includes(pose.name);
    const add = make("button", { class: "in-grid", "aria-pressed": String(chosen), "aria-label": t("canvas.in_grid", { name: poseWords(pose.name) }), title: t("canvas.in_grid_help"), text: chosen ? "✓" : "+", "data-testid": `grid-pose-${pose.name}`, onclick: () => {
      state.gridPoses = chosen ? state.gridPoses.filter((other) => other !== pose.name) : [...state.gridPoses, pose.name];
      show();
      gridChanged();
    } });
    const button = make("button", { class: "pose", "aria-pressed": String(state.preset === pose.name), "data-testid": `pose-${pose.name}`, title: poseWords(pose.name), onclick: () => pick(pose) },
      poseDrawing(figure, pose, framing()), make("span", { text: poseWords(pose.name) }));
    return make("div", { class: "pose-card" }, button, add);
  }

  function show() {
    const words = search.value.trim().toLowerCase();
    const found = poses.filter((pose) => `${poseWords(pose.name)} ${pose.name.replaceAll("-", " ")}`.toLowerCase().includes(words));
    mine.replaceChildren(...found.filter((pose) => pose.own).map(card));
    given.replaceChildren(...found.filter((pose) => !pose.own).map(card));
    mineHead.hidden = !mine.children.length;
  }
  function load(list) { poses = list; show(); }

  return { root, load, show, showFromPhoto, find: (wanted) => poses.find((pose) => pose.name === wanted), startSaving: () => { form.hidden = false; root.scrollTop = 0; name.focus(); }, get poses() { return poses; } };
}
